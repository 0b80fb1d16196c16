//! Paths in a git tree: bytes, not text. On the wire a string where it is UTF-8, else `{"base64": "…"}`.

use std::{borrow::Cow, fmt};

use data_encoding::BASE64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest path in bytes.
pub const MAX_TREE_PATH_BYTES: usize = 4_096;

/// A path of a file in a git tree: relative, components joined by `/`, none of them empty, `.`, `..` or
/// `.git` in any case (what `git` itself refuses to write).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Box<[u8]>);

/// Bytes that are no path of a file in a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a path in a tree: {reason}")]
pub struct InvalidTreePath {
    /// What was found, lossily as text and cut to 64 characters.
    pub path: String,
    /// What is wrong and what was expected.
    pub reason: &'static str,
}

const ECHOED_CHARS: usize = 64;

impl TreePath {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// [`InvalidTreePath`] says what is wrong with it.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, InvalidTreePath> {
        let bytes = bytes.as_ref();
        match fault_of(bytes) {
            None => Ok(Self(bytes.into())),
            Some(reason) => {
                let path = String::from_utf8_lossy(bytes).chars().take(ECHOED_CHARS).collect();
                Err(InvalidTreePath { path, reason })
            }
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text; what is not UTF-8 is replaced.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

fn fault_of(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() || bytes.len() > MAX_TREE_PATH_BYTES {
        return Some("expected 1 to 4096 bytes");
    }
    if bytes.starts_with(b"/") {
        return Some("it is absolute; expected one relative to the repository's root");
    }
    if bytes.contains(&0) {
        return Some("it holds a zero byte");
    }
    bytes.split(|&byte| byte == b'/').find_map(|component| match component {
        b"" => Some("it has an empty component"),
        b"." | b".." => Some("it has a component . or .., which would leave its place"),
        dot_git if dot_git.eq_ignore_ascii_case(b".git") => Some("it lies in a .git folder"),
        _ => None,
    })
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_text(), f)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Bytes {
        #[serde(borrow)]
        base64: Cow<'a, str>,
    },
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Wire::Text(text.into()),
            Err(_) => Wire::Bytes { base64: BASE64.encode(&self.0).into() },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match Wire::deserialize(deserializer)? {
            Wire::Text(text) => text.into_owned().into_bytes(),
            Wire::Bytes { base64 } => BASE64.decode(base64.as_bytes()).map_err(de::Error::custom)?,
        };
        Self::new(bytes).map_err(de::Error::custom)
    }
}

impl JsonSchema for TreePath {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "tree_path".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "tree_path",
            "oneOf": [
                { "type": "string", "minLength": 1, "maxLength": MAX_TREE_PATH_BYTES },
                {
                    "type": "object",
                    "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                    "required": ["base64"],
                    "additionalProperties": false
                }
            ],
            "examples": ["src/main.rs"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_would_not_write_is_refused_with_the_reason() {
        for (bad, reason) in [
            ("", "1 to 4096"),
            ("/etc/passwd", "absolute"),
            ("a/../b", ".."),
            ("./a", ".."),
            ("a//b", "empty"),
            ("a/", "empty"),
            (".git/config", ".git"),
            ("a/.GIT/hooks/x", ".git"),
            ("a\0b", "zero"),
        ] {
            let error = TreePath::new(bad).expect_err(bad);
            assert!(error.reason.contains(reason), "{bad:?}: {error}");
        }
        for good in ["a", ".gitignore", "a b/ä", ".git2/x", "src/main.rs"] {
            TreePath::new(good).unwrap();
        }
    }

    #[test]
    fn a_path_reads_back_as_written_whatever_its_bytes() {
        for bytes in [b"src/main.rs".as_slice(), b"caf\xe9.txt", "ä/ö".as_bytes()] {
            let path = TreePath::new(bytes).unwrap();
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<TreePath>(&json).unwrap(), path, "{json}");
        }
        assert_eq!(serde_json::to_string(&TreePath::new("a/b").unwrap()).unwrap(), "\"a/b\"");
    }
}
