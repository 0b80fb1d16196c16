//! Globs against the crate `ignore` as oracle, and against all short paths.

use std::sync::LazyLock;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use proptest::prelude::*;

use super::*;
use crate::{
    area::{Area, overlap},
    automaton::Effort,
    path::{self, Path},
};

fn oracle(glob: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    builder.add_line(None, glob).unwrap();
    let oracle = builder.build().unwrap();
    assert_eq!(oracle.len(), 1, "{glob} is one pattern");
    oracle
}

/// Whether the file or a folder it lies in matches. (`matched_path_or_any_parents` takes the root for a folder
/// with an empty name, too, which `*` matches.)
fn oracle_covers(oracle: &Gitignore, path: &str) -> bool {
    let mut folders = path::folders(path).skip(1);
    oracle.matched(path, false).is_ignore() || folders.any(|folder| oracle.matched(folder, true).is_ignore())
}

fn covers(glob: &Pattern, path: &str) -> bool {
    Effort::new().meet(glob.covers(), Automaton::literal(path, Below::No))
}

fn overlaps(one: &Area, other: &Area) -> bool {
    let found = overlap(one, other, &mut Effort::new());
    assert_eq!(found, overlap(other, one, &mut Effort::new()), "{one:?} and {other:?} in either order");
    found
}

/// All well-formed paths of at most 8 bytes over a small alphabet.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..8 {
        last = last.iter().flat_map(|path| ['a', 'b', '/'].map(|next| format!("{path}{next}"))).collect();
        all.extend(last.iter().cloned());
    }
    all.retain(|path| path.split('/').all(|name| !name.is_empty()));
    all
});

fn name_glob() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 3 => Just("*"), 1 => Just("?"), 1 => Just("[ab]"), 1 => Just("[!a]"),
        1 => Just("\\a"), 1 => Just("[b-c]")
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat())
}

fn glob() -> impl Strategy<Value = String> {
    let component = prop_oneof![5 => name_glob(), 1 => Just("**".to_owned())];
    let end = prop_oneof![4 => Just(""), 1 => Just("/")];
    (prop::collection::vec(component, 1..4), end).prop_map(|(components, end)| components.join("/") + end)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]{1,3}", 1..5).prop_map(|names| names.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_glob_covers_what_gitignore_covers(glob in glob(), path in path()) {
        let expected = oracle_covers(&oracle(&glob), &path);
        let pattern = Pattern::glob(&glob).unwrap();
        prop_assert_eq!(covers(&pattern, &path), expected, "{} and {}", glob, path);
    }

    #[test]
    fn files_are_what_gitignore_matches_itself(glob in glob(), path in path()) {
        let glob = glob.trim_end_matches('/');
        let expected = oracle(glob).matched(&path, false).is_ignore();
        let pattern = Pattern::files(glob).unwrap();
        prop_assert_eq!(covers(&pattern, &path), expected, "{} and {}", glob, path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn two_globs_overlap_if_and_only_if_a_path_is_in_both(one in glob(), other in glob(), files in any::<bool>()) {
        let read = |text: &str| match files && !text.ends_with('/') {
            true => Pattern::files(text).unwrap(),
            false => Pattern::glob(text).unwrap(),
        };
        let (mine, theirs) = (read(&one), read(&other));
        let witness = PATHS.iter().find(|path| covers(&mine, path) && covers(&theirs, path));
        let found = overlaps(&Area::Glob(mine), &Area::Glob(theirs));
        if let Some(witness) = witness {
            prop_assert!(found, "{} and {} both cover {}", one, other, witness);
        } else if one.len() + other.len() <= 7 && !(one.clone() + &other).contains("[!") {
            // What two short globs have in common, they have in common on a short path. A negated class holds
            // the `/`, so that `[!a]*` and `a` both take `/a`, which is no path.
            prop_assert!(!found, "{} and {} cover nothing in common", one, other);
        }
    }

    #[test]
    fn a_path_that_the_oracle_finds_in_both_globs_makes_them_overlap(one in glob(), other in glob(), from in 0_usize..7) {
        let (mine, theirs) = (oracle(&one), oracle(&other));
        let mut paths = PATHS.iter().skip(from).step_by(7);
        if let Some(path) = paths.find(|path| oracle_covers(&mine, path) && oracle_covers(&theirs, path)) {
            let area = |glob| Area::Glob(Pattern::glob(glob).unwrap());
            prop_assert!(overlaps(&area(&one), &area(&other)), "{} and {} both cover {}", one, other, path);
        }
    }

    #[test]
    fn a_folder_overlaps_a_glob_that_covers_something_below_it(glob in glob(), path in path()) {
        let pattern = Pattern::glob(&glob).unwrap();
        let folder = Path::folder(&path).unwrap();
        let below = PATHS.iter().find(|found| folder.holds(&Path::file(found).unwrap()) && covers(&pattern, found));
        if let Some(witness) = below {
            prop_assert!(overlaps(&Area::Glob(pattern), &Area::Below(folder)), "{} and {} hold {}", glob, path, witness);
        }
    }

    #[test]
    fn no_text_makes_the_reader_stop(text in "\\PC{0,40}|[ab*?\\[\\]!/\\\\{}-]{0,30}") {
        if let Ok(pattern) = Pattern::glob(&text) {
            prop_assert!(overlaps(&Area::Glob(pattern.clone()), &Area::Glob(pattern)), "{} covers nothing", text);
        }
    }
}

fn area(text: &str) -> Area {
    match text.split_once(' ').unwrap() {
        ("glob", glob) => Area::Glob(Pattern::glob(glob).unwrap()),
        ("files", glob) => Area::Glob(Pattern::files(glob).unwrap()),
        ("file", path) => Area::File(Path::file(path).unwrap()),
        ("path", path) => Area::Below(Path::folder(path).unwrap()),
        _ => panic!("{text}"),
    }
}

#[test]
fn areas_overlap_as_people_expect() {
    let overlapping = [
        ("path src", "file src/main.rs"),
        ("path src/", "path src/a"),
        ("path .", "glob *.rs"),
        ("file src/main.rs", "glob *.rs"),
        ("file src/main.rs", "files **/*.rs"),
        ("file src/main.rs", "glob src"),
        ("glob target", "file x/target/debug/a.o"),
        ("glob target", "glob *.o"),
        ("glob build/", "file build/x"),
        ("glob src/**/*.rs", "glob src/a/**"),
        ("glob src/*/mod.rs", "files src/a*/mod.rs"),
        ("path docs", "files *.md"),
        ("file caf\u{e9}.txt", "glob caf?.txt"),
        ("file a", "path a/b"),
        ("glob \\*.rs", "file *.rs"),
    ];
    for (one, other) in overlapping {
        assert!(overlaps(&area(one), &area(other)), "{one} and {other} overlap");
    }
    let apart = [
        ("path src", "path srcs"),
        ("path src", "path docs"),
        ("file src/main.rs", "files *.md"),
        ("file src/main.rs", "glob *.md"),
        ("files **/*.rs", "files **/*.md"),
        ("glob src/*.rs", "file src/a/main.rs"),
        ("glob src/**/*.rs", "path docs"),
        ("glob build/", "file build"),
        ("files *_test.go", "files main*.rs"),
        ("glob src/**", "glob docs/**"),
        ("glob \\*.rs", "file a.rs"),
    ];
    for (one, other) in apart {
        assert!(!overlaps(&area(one), &area(other)), "{one} and {other} are apart");
    }
}

#[test]
fn a_glob_that_is_none_is_refused_and_says_why() {
    let long = "a".repeat(1_025);
    let wild = "*a".repeat(33);
    let refused = [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("C:/windows", "drive"),
        ("../secret", "climbs"),
        ("a/../b", "climbs"),
        ("a/\\.\\./b", "climbs"),
        ("./a", "leave it out"),
        ("a//b", "empty component"),
        ("a/b//", "empty component"),
        ("!a", "starts with !"),
        ("#a", "starts with #"),
        ("a ", "blank"),
        ("a[b", "without its ]"),
        ("a[", "without its ]"),
        ("[z-a]", "holds nothing"),
        ("[[:alpha:]]", "named class"),
        ("[\\]]", "backslash"),
        ("[\u{e9}]", "not ASCII"),
        ("*.{rs,md}", "brace"),
        ("a\\", "backslash"),
        ("a\nb", "control character"),
        ("a\0", "control character"),
        (long.as_str(), "1025 bytes"),
        (wild.as_str(), "33 wildcards"),
    ];
    for (glob, why) in refused {
        let error = Pattern::glob(glob).expect_err(glob).to_string();
        assert!(error.contains(why), "{glob}: {error}");
    }
    assert!(Pattern::files("src/").unwrap_err().to_string().contains("ends in /"));
}

#[test]
fn a_path_that_is_none_is_refused_and_says_why() {
    let long = "a/".repeat(600);
    let refused = [
        ("", "empty"),
        ("/", "absolute"),
        ("/etc/passwd", "absolute"),
        ("\\\\server\\share", "backslash"),
        ("C:\\windows", "drive"),
        ("..", "climbs"),
        ("a/..", "climbs"),
        ("a/./b", "leave it out"),
        ("a//b", "empty component"),
        ("a\u{7f}", "control character"),
        (long.as_str(), "1199 bytes"),
    ];
    for (path, why) in refused {
        let error = Path::folder(path).expect_err(path).to_string();
        assert!(error.contains(why), "{path}: {error}");
    }
    assert!(Path::file("src/").is_err());
    assert_eq!(path::folders("a/b/c").collect::<Vec<_>>(), ["", "a", "a/b"]);
}

#[test]
fn a_comparison_that_costs_too_much_says_yes_in_bounded_time() {
    let hard = |end: &str| Pattern::glob(&format!("{}{end}", "*a".repeat(31) + &"a".repeat(900))).unwrap();
    let (one, other) = (hard("b"), hard("c"));
    let (one, other) = (Area::Glob(one), Area::Glob(other));
    let mut effort = Effort::new();
    for _ in 0..100 {
        overlap(&one, &other, &mut effort);
    }
    assert!(overlap(&one, &other, &mut effort), "what cannot be ruled out counts as common");
}
