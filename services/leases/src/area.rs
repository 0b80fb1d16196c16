//! Areas: the paths that one claim covers, and whether two areas have one in common.

use crate::{
    automaton::{Automaton, Below, Effort},
    path::Path,
    pattern::Pattern,
};

/// A set of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Area {
    /// A path and everything below it.
    Below(Path),
    /// One path. To whatever is named below it, it is a folder: it must go before that can be made.
    File(Path),
    /// What a glob covers.
    Glob(Pattern),
}

/// Whether two areas have a path in common. Never wrongly no.
pub(crate) fn overlap(one: &Area, other: &Area, effort: &mut Effort) -> bool {
    match (one, other) {
        (Area::Below(one) | Area::File(one), Area::Below(other) | Area::File(other)) => {
            one.holds(other) || other.holds(one)
        }
        (Area::Glob(glob), Area::Below(path)) | (Area::Below(path), Area::Glob(glob)) => {
            meets(glob, path.as_str(), Below::May, effort)
        }
        (Area::Glob(glob), Area::File(path)) | (Area::File(path), Area::Glob(glob)) => {
            meets(glob, path.as_str(), Below::No, effort)
        }
        (Area::Glob(one), Area::Glob(other)) => {
            !one.is_apart(other) && effort.meet(one.covers(), other.covers())
        }
    }
}

/// Whether a glob covers a path, or something below it if that counts too. Whatever a glob names as its
/// folder counts in any case.
pub(crate) fn meets(glob: &Pattern, path: &str, below: Below, effort: &mut Effort) -> bool {
    let is_its_folder =
        glob.head().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path.is_empty() || is_its_folder || effort.meet(glob.covers(), Automaton::literal(path, below))
}
