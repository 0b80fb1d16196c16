//! Claims: what a lease covers. On the wire a claim is an object with exactly one of `path`, `file`,
//! `glob`, `files`, `resource` and `pool`. Whether paths and globs are well formed is checked by the
//! service `leases`, which names every one that is not.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    id::{PoolName, ResourceName},
    payload::lease::MAX_SLOTS,
};

/// Longest path or glob, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1_024;

/// What a lease covers. Two claims clash if something is covered by both and not both are shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Claim {
    /// A path, relative to the space's root, and everything below it.
    Path {
        /// The path: components joined by `/`.
        path: String,
        /// Alone or together with others.
        mode: Mode,
    },
    /// One file, relative to the space's root, and nothing else: clashes with a glob only if the glob
    /// covers this very file.
    File {
        /// The path: components joined by `/`.
        path: String,
        /// Alone or together with others.
        mode: Mode,
    },
    /// Everything that one line of a `.gitignore` in the space's root would cover: what matches, and what
    /// lies below a folder that matches. As the service does not know what is a folder, anything may be.
    Glob {
        /// The pattern, in the syntax of gitignore, without `!` and without `/` at its start.
        glob: String,
        /// Alone or together with others.
        mode: Mode,
    },
    /// The files that match a pattern, but nothing below a folder that does: `**/*.rs` and `**/*.md` are
    /// apart as files, though not as globs (a folder could be called `x.rs`).
    Files {
        /// The pattern, as of [`Claim::Glob`], not ending in `/`.
        glob: String,
        /// Alone or together with others.
        mode: Mode,
    },
    /// A named resource: a port, a database, a device.
    Resource {
        /// Its name.
        name: ResourceName,
        /// Alone or together with others.
        mode: Mode,
    },
    /// Slots of a pool.
    Slots {
        /// The pool.
        pool: PoolName,
        /// How many of its slots, at least 1.
        slots: u32,
    },
}

/// Whether what is claimed may be claimed by others too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By nobody else.
    #[default]
    Exclusive,
    /// By others who share it too.
    Shared,
}

impl Claim {
    /// A path and everything below it, exclusively.
    pub fn path(path: impl Into<String>) -> Self {
        Self::Path { path: path.into(), mode: Mode::Exclusive }
    }

    /// One file, exclusively.
    pub fn file(path: impl Into<String>) -> Self {
        Self::File { path: path.into(), mode: Mode::Exclusive }
    }

    /// A glob, exclusively.
    pub fn glob(glob: impl Into<String>) -> Self {
        Self::Glob { glob: glob.into(), mode: Mode::Exclusive }
    }

    /// The files that match a glob, exclusively.
    pub fn files(glob: impl Into<String>) -> Self {
        Self::Files { glob: glob.into(), mode: Mode::Exclusive }
    }

    /// Slots of a pool.
    pub fn slots(pool: PoolName, slots: u32) -> Self {
        Self::Slots { pool, slots }
    }

    /// A resource, exclusively.
    pub fn resource(name: ResourceName) -> Self {
        Self::Resource { name, mode: Mode::Exclusive }
    }

    /// The same claim in this mode; slots have none.
    #[must_use]
    pub fn with_mode(mut self, wanted: Mode) -> Self {
        match &mut self {
            Self::Path { mode, .. }
            | Self::File { mode, .. }
            | Self::Glob { mode, .. }
            | Self::Files { mode, .. }
            | Self::Resource { mode, .. } => *mode = wanted,
            Self::Slots { .. } => {}
        }
        self
    }

    /// Its mode; slots are shared by their nature.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Path { mode, .. }
            | Self::File { mode, .. }
            | Self::Glob { mode, .. }
            | Self::Files { mode, .. }
            | Self::Resource { mode, .. } => *mode,
            Self::Slots { .. } => Mode::Shared,
        }
    }
}

impl fmt::Display for Claim {
    /// `path src/main.rs`, `glob src/** (shared)`, `2 slots of gpu`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, .. } => write!(f, "path {path}")?,
            Self::File { path, .. } => write!(f, "file {path}")?,
            Self::Glob { glob, .. } => write!(f, "glob {glob}")?,
            Self::Files { glob, .. } => write!(f, "files {glob}")?,
            Self::Resource { name, .. } => write!(f, "resource {name}")?,
            Self::Slots { pool, slots } => return write!(f, "{slots} slots of {pool}"),
        }
        match self.mode() {
            Mode::Exclusive => Ok(()),
            Mode::Shared => f.write_str(" (shared)"),
        }
    }
}

/// A claim as it stands on the wire.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// A path, relative to the space's root, and everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    path: Option<String>,
    /// One file, relative to the space's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    file: Option<String>,
    /// What a line of a `.gitignore` would cover: what matches, and what lies below a folder that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    glob: Option<String>,
    /// The files that match a pattern of gitignore's syntax, and nothing below a folder that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    files: Option<String>,
    /// A named resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<ResourceName>,
    /// A pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<PoolName>,
    /// How many of the pool's slots; 1 if absent. With `pool` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    slots: Option<u32>,
    /// Exclusive if absent. Not with `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
}

/// Fields that make no claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaim {
    /// None of the fields that say what is claimed, or several.
    #[error("a claim has exactly one of path, file, glob, files, resource and pool")]
    NotOne,
    /// Slots without a pool, or a mode with one.
    #[error("slots stands with pool alone, and mode never does")]
    Misplaced,
    /// Too few or too many slots.
    #[error("slots is a number from 1 to {MAX_SLOTS}")]
    Slots,
}

impl TryFrom<Fields> for Claim {
    type Error = InvalidClaim;
    fn try_from(fields: Fields) -> Result<Self, InvalidClaim> {
        let Fields { path, file, glob, files, resource, pool, slots, mode: wanted } = fields;
        if slots.is_some() && pool.is_none() || wanted.is_some() && pool.is_some() {
            return Err(InvalidClaim::Misplaced);
        }
        let mode = wanted.unwrap_or_default();
        match (path, file, glob, files, resource, pool) {
            (Some(path), None, None, None, None, None) => Ok(Self::Path { path, mode }),
            (None, Some(path), None, None, None, None) => Ok(Self::File { path, mode }),
            (None, None, Some(glob), None, None, None) => Ok(Self::Glob { glob, mode }),
            (None, None, None, Some(glob), None, None) => Ok(Self::Files { glob, mode }),
            (None, None, None, None, Some(name), None) => Ok(Self::Resource { name, mode }),
            (None, None, None, None, None, Some(pool)) => match slots.unwrap_or(1) {
                slots @ 1..=MAX_SLOTS => Ok(Self::Slots { pool, slots }),
                _ => Err(InvalidClaim::Slots),
            },
            _ => Err(InvalidClaim::NotOne),
        }
    }
}

impl From<Claim> for Fields {
    fn from(claim: Claim) -> Self {
        let mode = (claim.mode() == Mode::Shared).then_some(Mode::Shared);
        match claim {
            Claim::Path { path, .. } => Self { path: Some(path), mode, ..Self::default() },
            Claim::File { path, .. } => Self { file: Some(path), mode, ..Self::default() },
            Claim::Glob { glob, .. } => Self { glob: Some(glob), mode, ..Self::default() },
            Claim::Files { glob, .. } => Self { files: Some(glob), mode, ..Self::default() },
            Claim::Resource { name, .. } => Self { resource: Some(name), mode, ..Self::default() },
            Claim::Slots { pool, slots } => Self { pool: Some(pool), slots: Some(slots), ..Self::default() },
        }
    }
}

impl JsonSchema for Claim {
    fn schema_name() -> Cow<'static, str> {
        "Claim".into()
    }

    /// The fields, of which exactly one says what is claimed.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Fields::json_schema(generator);
        let one = ["path", "file", "glob", "files", "resource", "pool"];
        let one: Vec<Schema> = one.iter().map(|name| json_schema!({ "required": [name] })).collect();
        schema.insert("oneOf".to_owned(), one.into_iter().map(Schema::to_value).collect());
        schema.insert("dependentRequired".to_owned(), serde_json::json!({ "slots": ["pool"] }));
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_reads_back_as_written() {
        let claims = [
            Claim::path("src"),
            Claim::file("src/main.rs").with_mode(Mode::Shared),
            Claim::glob("src/**"),
            Claim::files("*.rs"),
            Claim::resource(ResourceName::new("port:8080").unwrap()),
            Claim::slots(PoolName::new("gpu").unwrap(), 2),
        ];
        for claim in claims {
            let text = serde_json::to_string(&claim).unwrap();
            assert_eq!(serde_json::from_str::<Claim>(&text).unwrap(), claim, "{text}");
        }
        assert_eq!(serde_json::to_string(&Claim::path("src")).unwrap(), r#"{"path":"src"}"#);
    }

    #[test]
    fn a_claim_says_one_thing() {
        let refused = [
            ("{}", "exactly one of"),
            (r#"{"path":"a","glob":"b"}"#, "exactly one of"),
            (r#"{"path":"a","slots":1}"#, "slots stands with pool alone"),
            (r#"{"pool":"gpu","mode":"shared"}"#, "mode never does"),
            (r#"{"pool":"gpu","slots":0}"#, "from 1 to"),
            (r#"{"pool":"gpu","slots":1000001}"#, "from 1 to"),
            (r#"{"pool":"gpu","slots":-1}"#, "-1"),
            (r#"{"pool":"a.b"}"#, "pool_name"),
            (r#"{"resource":"a b"}"#, "resource_name"),
            (r#"{"path":"a","colour":"red"}"#, "unknown field"),
        ];
        for (text, why) in refused {
            let error = serde_json::from_str::<Claim>(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
