//! A URL, so that what means the same reads the same: else a rule about a host or a path could be walked
//! around by spelling it otherwise.

use url::Url;

/// The parts of a URL that rules are written on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) query: String,
}

impl Address {
    /// Reads a URL as the WHATWG standard does, which is how it is asked for too.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is none: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("has the scheme {}; expected http or https", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("names a user or a password; name a secret instead".to_owned());
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err("names no host".to_owned());
        };
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: host.strip_suffix('.').unwrap_or(host).to_owned(),
            port,
            path: normal(url.path()),
            query: url.query().unwrap_or_default().to_owned(),
        })
    }
}

/// A path in which no unreserved character is escaped, and escapes are in upper case (RFC 3986, 6.2.2).
fn normal(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut normal = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.map(|digits| (digits, u8::from_str_radix(digits, 16))) {
            Some((_, Ok(byte))) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            Some((digits, _)) => {
                normal.push('%');
                normal.push_str(&digits.to_ascii_uppercase());
            }
            None => {
                normal.push('%');
                normal.push_str(piece);
                continue;
            }
        }
        normal.push_str(piece.get(2..).unwrap_or_default());
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (String, String, u16, String) {
        let Address { scheme, host, port, path, .. } = Address::read(url).unwrap();
        (scheme, host, port, path)
    }

    #[test]
    fn what_means_the_same_reads_the_same() {
        let plain = read("https://example.org/admin/x%2Fy?q");
        for same in [
            "HTTPS://EXAMPLE.org:443/admin/x%2Fy?q",
            "https://example.org./admin/x%2fy",
            "https://example.org/%61dmin/x%2Fy",
            "https://example.org/public/%2e%2E/admin/x%2Fy",
            "https:\\\\example.org\\admin/x%2Fy",
            "https://ex%61mple.org/admin/x%2Fy",
        ] {
            assert_eq!(read(same), plain, "{same}");
        }
        assert_eq!(plain, ("https".into(), "example.org".into(), 443, "/admin/x%2Fy".into()));
        assert_eq!(read("http://0x7f.1").1, "127.0.0.1");
        assert_eq!(read("http://[::1]:8080/").1, "[::1]");
        assert_eq!(read("http://bücher.example/%zz%4").3, "/%zz%4", "what is no escape stays");
        assert_eq!(Address::read("http://a/?x=1").unwrap().query, "x=1");
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        for (url, reason) in [
            ("nonsense", "is none"),
            ("file:///etc/passwd", "scheme"),
            ("https://user@example.org/", "user"),
            ("https://:secret@example.org/", "password"),
            ("http://", "is none"),
        ] {
            let error = Address::read(url).unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
