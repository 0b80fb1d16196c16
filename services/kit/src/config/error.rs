//! What can be wrong with the settings. Every message names the key and where it came from.

use std::{io, path::PathBuf};

use figment::{
    error::Kind,
    providers::{Format, Toml},
};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A settings file cannot be read.
    #[error("cannot read the settings file {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A settings file is not TOML.
    #[error("the settings file {path} is not TOML", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: <Toml as Format>::Error,
    },
    /// A key that is no setting.
    #[error("there is no setting `{key}` ({origin}); known there: {}", known.join(", "))]
    Unknown {
        /// The key, `section.key`.
        key: String,
        /// The file or variable.
        origin: String,
        /// The keys that exist at that place.
        known: Vec<String>,
    },
    /// A value that the setting cannot take.
    #[error("setting `{key}` ({origin}) must be {expected}, found {found}")]
    Value {
        /// The key, `section.key`.
        key: String,
        /// The file or variable.
        origin: String,
        /// What it takes.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Anything else wrong with a setting.
    #[error("setting `{key}` ({origin}): {message}")]
    Other {
        /// The key, `section.key`.
        key: String,
        /// The file or variable.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// The selected context of the `nats` tool cannot be read.
    #[error("cannot read the nats context `{name}` in {path}", path = path.display())]
    ContextUnreadable {
        /// The context.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The selected context of the `nats` tool is not what that tool writes.
    #[error("the nats context `{name}` in {path} is not as expected", path = path.display())]
    ContextSyntax {
        /// The context.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The name of a context that could lead out of the folder of contexts.
    #[error("`{name}` cannot be the name of a nats context")]
    ContextName {
        /// The name.
        name: String,
    },
}

impl From<figment::Error> for Error {
    fn from(error: figment::Error) -> Self {
        let key = error.path.join(".");
        let origin = error.metadata.map_or_else(String::new, |metadata| metadata.name.into_owned());
        let (found, expected) = match error.kind {
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                (found.to_string(), expected)
            }
            Kind::UnknownVariant(found, known) => {
                (format!("{found:?}"), format!("one of {}", known.join(", ")))
            }
            other => {
                return Self::Other { key, origin, message: other.to_string() };
            }
        };
        Self::Value { key, origin, expected: plain(expected), found: plain_found(&found) }
    }
}

/// A Rust type's name as a person would say it.
fn plain(expected: String) -> String {
    match expected.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => {
            format!("a whole number that fits {expected}")
        }
        "a string" | "string" => "a text".into(),
        _ if expected.starts_with("struct ") => "a section".into(),
        _ => expected,
    }
}

/// The value found, without the name figment gives its type.
fn plain_found(found: &str) -> String {
    let bare = ["string ", "unsigned int ", "signed int ", "float ", "bool "];
    let value = bare.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
    value.replace('`', "")
}
