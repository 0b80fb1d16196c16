//! What rules may want to know of the paths of a commit. Cedar cannot look into the members of a set, so the
//! folders are spelled out.

use std::collections::BTreeSet;

use selvedge_contracts::payload::intent::TreePath;

/// Most bytes of all distinct folders of one commit: a commit of a thousand paths, each two thousand folders
/// deep, would be gigabytes.
const MAX_FOLDER_BYTES: usize = 4 << 20;

/// What is known of the paths of a commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Paths {
    pub(super) paths: BTreeSet<String>,
    /// Every folder above any of them, with `/` at its end; not the root.
    pub(super) folders: BTreeSet<String>,
    /// The deepest folder above all of them, with `/` at its end; empty: the root.
    pub(super) common_folder: String,
    pub(super) names: BTreeSet<String>,
    pub(super) not_utf8: usize,
}

impl Paths {
    /// # Errors
    /// There are too many folders to judge.
    pub(super) fn of<'a>(paths: impl IntoIterator<Item = &'a TreePath>) -> Result<Self, String> {
        let (mut known, mut common, mut bytes) = (Self::default(), None::<String>, 0);
        for path in paths {
            known.not_utf8 += usize::from(std::str::from_utf8(path.as_bytes()).is_err());
            let path = path.to_text().into_owned();
            let (folder, name) =
                path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
            let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            bytes += known.add_folders(&folder, MAX_FOLDER_BYTES.saturating_sub(bytes))?;
            common = Some(common.map_or_else(|| folder.clone(), |common| shared(&common, &folder)));
            known.names.insert(name.to_owned());
            known.paths.insert(path);
        }
        known.common_folder = common.unwrap_or_default();
        Ok(known)
    }

    /// Adds a folder and those above it, the deepest first, up to one that is known: so are those above that.
    fn add_folders(&mut self, folder: &str, most_bytes: usize) -> Result<usize, String> {
        let (mut folder, mut bytes) = (folder, 0);
        while !folder.is_empty() && self.folders.insert(folder.to_owned()) {
            bytes += folder.len();
            if bytes > most_bytes {
                return Err(format!(
                    "the commit touches more folders than a policy can look at ({MAX_FOLDER_BYTES} bytes of their \
                     names); make several commits"
                ));
            }
            let above = folder.strip_suffix('/').and_then(|folder| folder.rfind('/'));
            folder = above.and_then(|slash| folder.get(..=slash)).unwrap_or("");
        }
        Ok(bytes)
    }
}

/// The deepest folder above both.
fn shared(one: &str, other: &str) -> String {
    let components = one.split_inclusive('/').zip(other.split_inclusive('/'));
    components.take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(paths: &[&str]) -> Paths {
        let paths: Vec<_> = paths.iter().map(|path| TreePath::new(path).unwrap()).collect();
        Paths::of(&paths).unwrap()
    }

    fn texts(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn folders_names_and_the_common_folder_follow_from_the_paths() {
        let known = of(&["docs/api/a.md", "docs/api/v2/b.md", "docs/api/a.txt"]);
        assert_eq!(texts(&known.folders), ["docs/", "docs/api/", "docs/api/v2/"]);
        assert_eq!(texts(&known.names), ["a.md", "a.txt", "b.md"]);
        assert_eq!(known.common_folder, "docs/api/");
        assert_eq!(of(&["docs/a", "docs2/a"]).common_folder, "", "a name's start is no folder");
        assert_eq!(of(&["docs/a", "README.md"]).common_folder, "");
        assert_eq!(
            of(&["README.md"]),
            Paths {
                paths: ["README.md".to_owned()].into(),
                names: ["README.md".to_owned()].into(),
                ..Paths::default()
            }
        );
    }

    #[test]
    fn a_path_that_is_not_utf8_is_counted() {
        let paths = [TreePath::new(b"caf\xe9/x").unwrap(), TreePath::new("a").unwrap()];
        let known = Paths::of(&paths).unwrap();
        assert_eq!((known.not_utf8, known.folders.contains("caf\u{fffd}/")), (1, true));
    }

    #[test]
    fn more_folders_than_can_be_looked_at_are_refused() {
        let deep = |n: usize| TreePath::new(format!("{n}/{}", "a/".repeat(2_000)) + "x").unwrap();
        let paths: Vec<_> = (0..100).map(deep).collect();
        assert!(Paths::of(&paths).unwrap_err().contains("several commits"));
        assert!(Paths::of(&[deep(0)]).is_ok());
    }

    proptest! {
        #[test]
        fn every_path_lies_in_the_common_folder_and_in_known_folders(
            paths in prop::collection::vec("[ab](/[ab]){0,4}", 1..6)
        ) {
            let trees: Vec<_> = paths.iter().map(|path| TreePath::new(path).unwrap()).collect();
            let known = Paths::of(&trees).unwrap();
            for path in &paths {
                prop_assert!(path.starts_with(&known.common_folder));
                for (slash, _) in path.match_indices('/') {
                    prop_assert!(known.folders.contains(path.get(..=slash).unwrap()));
                }
            }
            let is_above_one = |folder: &String| paths.iter().any(|path| path.starts_with(folder.as_str()));
            prop_assert!(known.folders.iter().all(is_above_one));
        }
    }
}
