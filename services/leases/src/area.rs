//! Areas: the paths that one claim covers, and whether two areas have one in common.

use crate::{path::Path, pattern::Pattern};

/// A set of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Area {
    /// A path and everything below it.
    Below(Path),
    /// One path. To whatever is named below it it is a folder: it must go before that can be made.
    File(Path),
    /// What a glob covers.
    Glob(Pattern),
}

/// Whether two areas have a path in common. Never wrongly no.
pub(crate) fn overlap(one: &Area, other: &Area) -> bool {
    match (one, other) {
        (Area::Below(one) | Area::File(one), Area::Below(other) | Area::File(other)) => {
            one.holds(other) || other.holds(one)
        }
        (Area::Glob(glob), Area::Below(path) | Area::File(path))
        | (Area::Below(path) | Area::File(path), Area::Glob(glob)) => glob.meets(path),
        (Area::Glob(one), Area::Glob(other)) => one.intersects(other),
    }
}
