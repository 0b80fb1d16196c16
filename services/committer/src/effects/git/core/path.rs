//! What git would refuse to check out, on whatever system: paths that some file system takes for `.git`,
//! and symlinks that lead out of the tree.

/// Why nothing may be written at this path, beyond what a tree path is anyway.
pub(super) fn fault_of(path: &[u8]) -> Option<&'static str> {
    path.split(|&byte| byte == b'/').find_map(|component| {
        is_dot_git(component)
            .then_some("some file system takes a part of it for .git, so git would not check it out")
    })
}

/// Whether NTFS or HFS+ may take a name for `.git` (git's `core.protectNTFS` and `core.protectHFS`).
fn is_dot_git(name: &[u8]) -> bool {
    may_be(name, |part| part == ".git" || part == "git~1")
}

/// The same of `.gitmodules`, also under the short names that NTFS gives it: `gitmod~1` to `~4`, and from then on
/// a hash of it (git's `is_ntfs_dotgitmodules`).
fn is_dot_gitmodules(name: &[u8]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = |part: &str| {
        let parts = part.split_once('~').filter(|(_, number)| part.len() == 8 && is_number(number));
        parts.is_some_and(|(start, _)| start == "gitmod" || "gi7eba".starts_with(start))
    };
    may_be(name, |part| part == ".gitmodules" || is_short(part))
}

/// Whether some file system takes a name for one that `is` it.
fn may_be(name: &[u8], is: impl Fn(&str) -> bool) -> bool {
    let text = String::from_utf8_lossy(name);
    let visible: String = text.chars().filter(|c| !is_ignored_by_hfs(*c)).collect();
    visible.to_lowercase().split(['\\', ':']).any(|part| is(part.trim_end_matches([' ', '.'])))
}

/// Code points that HFS+ leaves out when it compares names.
fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Why a symlink at `path` may not have this target. `..` may stand at its beginning only: after a name that
/// is a symlink itself it would lead elsewhere than it says.
pub(super) fn fault_of_target(path: &[u8], target: &[u8]) -> Option<&'static str> {
    const OUT: &str = "its target leads out of the tree";
    if path.rsplit(|&byte| byte == b'/').next().is_some_and(is_dot_gitmodules) {
        return Some(".gitmodules may not be a symlink");
    }
    if target.is_empty() || target.len() > 4_095 || target.contains(&0) {
        return Some("its target is no path: expected 1 to 4095 bytes, none of them zero");
    }
    if target.starts_with(b"/") {
        return Some(OUT);
    }
    let depth = path.iter().filter(|&&byte| byte == b'/').count();
    let parts: Vec<&[u8]> =
        target.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    let up = parts.iter().take_while(|part| **part == b"..").count();
    if up > depth {
        return Some(OUT);
    }
    let mut below = parts.iter().skip(up);
    below.find_map(|part| match *part {
        b".." => Some("its target goes up after it went down; write it without"),
        name if is_dot_git(name) => Some("its target leads into .git"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_file_system_takes_for_dot_git_are_refused() {
        for bad in
            ["git~1/x", ".git./x", ".Git /x", "a/.git::$INDEX_ALLOCATION", ".g\u{200c}it/x", "a\\.git\\x"]
        {
            assert!(fault_of(bad.as_bytes()).is_some(), "{bad}");
        }
        for good in [".gitignore", "git/x", "a.git/x", "git~2", ".github/x"] {
            assert_eq!(fault_of(good.as_bytes()), None, "{good}");
        }
    }

    #[test]
    fn a_symlink_stays_in_the_tree() {
        for (path, target) in [
            ("a.gitmodules", "b"),
            (".gitmodules/a", "b"),
            ("a~1", "b"),
            ("a", "b"),
            ("a/b", "../c"),
            ("a/b/c", "../../d/e"),
            ("a", "./b"),
            ("a/b", ".."),
        ] {
            assert_eq!(fault_of_target(path.as_bytes(), target.as_bytes()), None, "{path} -> {target}");
        }
        for (path, target, reason) in [
            ("a", "/etc/passwd", "out of the tree"),
            ("a", "../b", "out of the tree"),
            ("a/b", "../../c", "out of the tree"),
            ("a/b", "x/../../..", "goes up"),
            ("a", "", "no path"),
            ("a", ".GIT/config", "into .git"),
            (".gitmodules", "b", "may not be"),
            (".GitModules", "b", "may not be"),
            ("a/.gitmodules . ", "b", "may not be"),
            (".gitmodules:$DATA", "b", "may not be"),
            (".g\u{200d}itmodules", "b", "may not be"),
            ("GITMOD~1", "b", "may not be"),
            ("gi7eb~12", "b", "may not be"),
        ] {
            let found = fault_of_target(path.as_bytes(), target.as_bytes()).unwrap_or("nothing");
            assert!(found.contains(reason), "{path} -> {target}: {found}");
        }
    }
}
