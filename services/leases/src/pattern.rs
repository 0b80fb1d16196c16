//! Globs, in the syntax of gitignore.

use crate::{
    claim::{Malformed, plain},
    path::Path,
};

/// A checked glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: Box<str>,
    below: bool,
}

impl Pattern {
    /// What a line of a `.gitignore` covers.
    pub(crate) fn glob(text: &str) -> Result<Self, Malformed> {
        check(text).map(|()| Self { text: text.into(), below: true })
    }

    /// The files that match.
    pub(crate) fn files(text: &str) -> Result<Self, Malformed> {
        check(text)?;
        if text.ends_with('/') {
            return Err(Malformed("ends in /, so that no file matches; claim it as a glob".into()));
        }
        Ok(Self { text: text.into(), below: false })
    }

    /// The components before the first that is no literal; none if it matches at any depth.
    fn prefix(&self) -> Vec<&str> {
        let anchored = self.text.trim_end_matches('/').contains('/');
        let wild = |component: &&str| !component.contains(['*', '?', '[', '\\']);
        if anchored { self.text.split('/').take_while(wild).collect() } else { Vec::new() }
    }

    /// Whether it may cover anything at or below the path. Never wrongly no.
    pub(crate) fn meets(&self, path: &Path) -> bool {
        self.prefix().iter().zip(path.components()).all(|(mine, theirs)| *mine == &**theirs)
    }

    /// Whether something may be covered by both. Never wrongly no.
    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.prefix().iter().zip(other.prefix()).all(|(mine, theirs)| *mine == theirs)
    }
}

fn check(text: &str) -> Result<(), Malformed> {
    plain(text)?;
    if text.starts_with('!') {
        return Err(Malformed(
            "starts with !: what is left out cannot be claimed; claim what is meant".into(),
        ));
    }
    if text.split('/').any(|component| matches!(component, "." | "..")) {
        return Err(Malformed(
            "has a component that is . or ..; expected a glob below the space's root".into(),
        ));
    }
    Ok(())
}
