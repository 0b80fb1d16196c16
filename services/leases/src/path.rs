//! Literal paths, relative to the space's root: components joined by `/`.

use std::sync::Arc;

use crate::claim::{Malformed, plain};

/// A path of checked components; empty for the root itself. Compared byte by byte: a file system that folds
/// case or Unicode forms is the business of whoever names its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Arc<str>);

impl Path {
    /// The space's root.
    pub(crate) fn root() -> Self {
        Self("".into())
    }

    /// A path with what is below it: `src`, `src/`, or `.` for the whole space.
    ///
    /// # Errors
    /// [`Malformed`] if it is absolute, climbs, or is not in its simplest form.
    pub(crate) fn folder(text: &str) -> Result<Self, Malformed> {
        match text {
            "." | "./" => Ok(Self::root()),
            "/" => Self::file(text),
            _ => Self::file(text.strip_suffix('/').unwrap_or(text)),
        }
    }

    /// A path of one file.
    ///
    /// # Errors
    /// [`Malformed`] if it is absolute, climbs, is not in its simplest form or ends in `/`.
    pub(crate) fn file(text: &str) -> Result<Self, Malformed> {
        plain(text)?;
        if text.contains('\\') {
            return Err(Malformed("holds a backslash; expected components joined by /".into()));
        }
        text.split('/').try_for_each(component)?;
        Ok(Self(text.into()))
    }

    /// Its text; empty for the root.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this path or lies below it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        match other.0.strip_prefix(&*self.0) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

/// The folders that a path lies in, from the root (empty) down; without the path itself.
pub(crate) fn folders(path: &str) -> impl Iterator<Item = &str> {
    let root = (!path.is_empty()).then_some("");
    root.into_iter().chain(path.match_indices('/').filter_map(|(at, _)| path.get(..at)))
}

/// The last component of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Refuses what is no name of a file or folder.
///
/// # Errors
/// [`Malformed`] if it is empty, `.` or `..`.
pub(crate) fn component(text: &str) -> Result<(), Malformed> {
    match text {
        "" => Err(Malformed(
            "has an empty component; expected one / between two names and none at the end".into(),
        )),
        "." => Err(Malformed("has a component that is .; leave it out".into())),
        ".." => Err(Malformed("climbs with ..; expected a path below the space's root".into())),
        _ => Ok(()),
    }
}
