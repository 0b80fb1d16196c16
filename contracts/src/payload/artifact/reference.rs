//! How people say which content they mean.
//!
//! | text | means |
//! |---|---|
//! | `research/auth-analysis`, `research/auth-analysis@latest` | the newest version |
//! | `research/auth-analysis@v2` | that version |
//! | `research/auth-analysis@1a2b3c4d`, `…@sha1a2b3c4d`, `…@blake3:1a2b3c4d` | the version whose digest starts so |
//! | 64 hex digits, with or without `blake3:` | that content, whatever it is called |

use crate::id::{ArtifactName, Digest};

/// Which content is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The content with this digest.
    Content(Digest),
    /// A version of a name.
    Named(ArtifactName, Which),
}

/// Which version of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Latest,
    /// This one.
    Version(u32),
    /// The newest whose digest starts with these hex digits, at least 8.
    Digest(String),
}

/// Fewest hex digits by which a version is known.
const MIN_PREFIX: usize = 8;
const MAX_PREFIX: usize = 64;

impl Reference {
    /// Reads a reference; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(digest) = Digest::new(text.strip_prefix("blake3:").unwrap_or(text)) {
            return Some(Self::Content(digest));
        }
        let (name, which) = text.split_once('@').unwrap_or((text, "latest"));
        Some(Self::Named(ArtifactName::new(name).ok()?, Which::parse(which)?))
    }
}

impl Which {
    fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::Latest);
        }
        if let Some(number) = text.strip_prefix('v') {
            let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
            return number.parse().ok().filter(|_| is_plain).map(Self::Version);
        }
        let hex = text.strip_prefix("blake3:").or_else(|| text.strip_prefix("sha")).unwrap_or(text);
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (is_hex && (MIN_PREFIX..=MAX_PREFIX).contains(&hex.len())).then(|| Self::Digest(hex.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ArtifactRef;

    #[test]
    fn every_form_means_what_the_table_says() {
        let name = ArtifactName::new("research/auth-analysis").unwrap();
        let of = |which: &str| Reference::parse(&format!("research/auth-analysis{which}"));
        let named = |which| Some(Reference::Named(name.clone(), which));
        assert_eq!(of(""), named(Which::Latest));
        assert_eq!(of("@latest"), named(Which::Latest));
        assert_eq!(of("@v12"), named(Which::Version(12)));
        for prefix in ["@1a2b3c4d", "@sha1a2b3c4d", "@blake3:1a2b3c4d"] {
            assert_eq!(of(prefix), named(Which::Digest("1a2b3c4d".to_owned())), "{prefix}");
        }
        let digest = "0".repeat(64);
        let content = Some(Reference::Content(Digest::new(&digest).unwrap()));
        assert_eq!(Reference::parse(&digest), content);
        assert_eq!(Reference::parse(&format!("blake3:{digest}")), content);
    }

    #[test]
    fn absurd_names_are_refused() {
        let long = "a/".repeat(100);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "..",
            "a/../b",
            "A",
            "a b",
            "a.b",
            "a@",
            "a@v0",
            "a@v01",
            "a@v-1",
            "a@vx",
            "a@1a2b3c4",
            "a@1A2B3C4D",
            "a@v99999999999",
            "@v1",
            "a@v1@v2",
            "ä",
            "a\n",
            "*",
            ">",
            "a\0",
            &long,
        ] {
            assert!(ArtifactRef::new(bad).is_err(), "{bad:?}");
        }
    }
}
