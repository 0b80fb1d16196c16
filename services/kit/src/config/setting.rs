//! The types of single settings: what each takes, and how it says so when it gets something else.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
    path::PathBuf,
    str::FromStr,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// When nats-server flushes a write to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncInterval {
    /// Before it is acknowledged.
    Always,
    /// At intervals: what was acknowledged within one can be lost with the machine's power.
    Every {
        /// The interval's length.
        interval_ms: NonZeroU64,
    },
}

/// As nats-server's configuration takes it.
impl fmt::Display for SyncInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every { interval_ms } => write!(f, "{interval_ms}ms"),
        }
    }
}

impl SyncInterval {
    const EXPECTED: &str = "\"always\" or an interval such as \"500ms\", \"10s\", \"2m\" or \"1h\"";

    fn parse(text: &str) -> Option<Self> {
        if text == "always" {
            return Some(Self::Always);
        }
        let (digits, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let interval_ms = digits.parse::<u64>().ok()?.checked_mul(unit_ms)?;
        NonZeroU64::new(interval_ms).map(|interval_ms| Self::Every { interval_ms })
    }
}

pub(super) fn sync_interval<'de, D: Deserializer<'de>>(from: D) -> Result<SyncInterval, D::Error> {
    let text = String::deserialize(from)?;
    SyncInterval::parse(&text).ok_or_else(|| refused(&text, SyncInterval::EXPECTED))
}

pub(super) fn text_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    Ok(if text.is_empty() { None } else { Some(text) })
}

/// Texts separated by commas.
pub(super) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(from)?;
    Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

pub(super) fn path_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(text_or_none(from)?.map(PathBuf::from))
}

pub(super) fn ip_address<'de, D: Deserializer<'de>>(from: D) -> Result<IpAddr, D::Error> {
    parsed(&String::deserialize(from)?, "an IP address")
}

pub(super) fn socket_address_or_none<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = text_or_none(from)?;
    text.map(|text| parsed(&text, "an IP address and a port, or empty")).transpose()
}

pub(super) fn positive_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NonZeroU64>, D::Error> {
    u64::deserialize(from).map(NonZeroU64::new)
}

pub(super) fn at_least_1<'de, D, N>(from: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + Default + PartialEq,
{
    let number = N::deserialize(from)?;
    if number == N::default() {
        return Err(D::Error::invalid_value(Unexpected::Unsigned(0), &"at least 1"));
    }
    Ok(number)
}

pub(super) fn one_or_three<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    match u8::deserialize(from)? {
        number @ (1 | 3) => Ok(number),
        other => Err(D::Error::invalid_value(Unexpected::Unsigned(other.into()), &"1 or 3")),
    }
}

/// So many that the token with them fits one message.
pub(super) fn revoked_keys<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match u64::deserialize(from)? {
        number @ 1..=5_000 => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        other => Err(D::Error::invalid_value(Unexpected::Unsigned(other), &"1 to 5000")),
    }
}

fn parsed<T: FromStr, E: Error>(text: &str, expected: &str) -> Result<T, E> {
    text.parse().map_err(|_| refused(text, expected))
}

fn refused<E: Error>(text: &str, expected: &str) -> E {
    E::invalid_value(Unexpected::Str(text), &expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_read_and_written_in_milliseconds() {
        for (text, written) in
            [("always", "always"), ("500ms", "500ms"), ("10s", "10000ms"), ("2m", "120000ms")]
        {
            assert_eq!(SyncInterval::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for text in ["", "0s", "s", "1", "1d", "-1s", "1 s", "99999999999999999999s", "ALWAYS", "é"] {
            assert_eq!(SyncInterval::parse(text), None, "{text:?}");
        }
    }
}
