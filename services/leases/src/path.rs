//! Literal paths, relative to the space's root: components joined by `/`.

use std::sync::Arc;

use crate::claim::{Malformed, plain};

/// A path of checked components; none for the root itself. Compared byte by byte: a file system that folds
/// case or Unicode forms is the business of whoever names its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Arc<[Box<str>]>);

impl Path {
    /// The space's root.
    pub(crate) fn root() -> Self {
        Self(Arc::new([]))
    }

    /// A path with what is below it: `src`, `src/`, or `.` for the whole space.
    ///
    /// # Errors
    /// [`Malformed`] if it is absolute, climbs, or is not in its simplest form.
    pub(crate) fn folder(text: &str) -> Result<Self, Malformed> {
        match text {
            "." | "./" => Ok(Self::root()),
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
        let components: Result<Arc<[Box<str>]>, Malformed> = text.split('/').map(component).collect();
        components.map(Self)
    }

    /// Its components, from the root down.
    pub(crate) fn components(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether `other` is this path or lies below it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

fn component(text: &str) -> Result<Box<str>, Malformed> {
    match text {
        "" => Err(Malformed(
            "has an empty component; expected one / between two names and none at the end".into(),
        )),
        "." => Err(Malformed("has a component that is .; leave it out".into())),
        ".." => Err(Malformed("climbs with ..; expected a path below the space's root".into())),
        _ => Ok(text.into()),
    }
}
