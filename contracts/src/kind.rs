//! The kind of a payload: its name and schema version, `agent.registered/1`. A kind's meaning never
//! changes; another shape is another version.

use std::{fmt, str::FromStr};

/// Name and version of a payload's schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Words joined by dots: `registry.whoami`.
    pub name: String,
    /// Schema version, from 1.
    pub version: u16,
}

/// A text that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind: expected name/version, for example registry.whoami/1")]
pub struct InvalidKind(String);

/// Longest kind in bytes.
pub const MAX_KIND_BYTES: usize = 128;

impl Kind {
    /// A kind of version 1, from names this program wrote itself.
    pub fn first(name: impl Into<String>) -> Self {
        Self { name: name.into(), version: 1 }
    }
}

impl FromStr for Kind {
    type Err = InvalidKind;
    fn from_str(text: &str) -> Result<Self, InvalidKind> {
        let invalid = || InvalidKind(text.chars().take(64).collect());
        let (name, version) = text.rsplit_once('/').ok_or_else(invalid)?;
        let name_fits = !name.is_empty()
            && text.len() <= MAX_KIND_BYTES
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_'));
        let version = version.parse().ok().filter(|version| *version > 0);
        match version {
            Some(version) if name_fits => Ok(Self { name: name.to_owned(), version }),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_name_and_a_version() {
        let kind: Kind = "registry.whoami/1".parse().unwrap();
        assert_eq!(kind, Kind::first("registry.whoami"));
        assert_eq!(kind.to_string(), "registry.whoami/1");
        for bad in ["", "registry.whoami", "/1", "a/0", "a/-1", "a/x", "A/1", "a b/1", "a/70000"] {
            assert!(bad.parse::<Kind>().is_err(), "{bad}");
        }
    }
}
