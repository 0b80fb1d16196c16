//! The steps of an effect, named, so that a test can stop the process at each of them.

/// Steps of every effect: before the attempt is on record, after, after the effect, after its end is on record.
pub const OF_EVERY_EFFECT: &[&str] = &["redeemed", "executing", "acted", "committed"];
/// Steps of an HTTP request, beyond those.
pub const OF_HTTP: &[&str] = &["http:ready", "http:probed", "http:asked", "http:answered", "http:stored"];
/// Steps of a record of memory, beyond those.
pub const OF_MEMORY: &[&str] = &["memory:ready", "memory:written"];
/// Steps of an effector's effect, beyond those.
pub const OF_EXTERNAL: &[&str] = &["external:probed", "external:asked", "external:answered"];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// The steps that the code under `folder` reaches.
    fn reached(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                reached(&entry.path(), found);
                continue;
            }
            let text = fs::read_to_string(entry.path()).unwrap();
            let calls = text.split(".reached(\"").skip(1);
            found.extend(calls.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }

    #[test]
    fn the_lists_name_every_step_that_is_reached() {
        let mut found = BTreeSet::new();
        reached(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let listed = [OF_EVERY_EFFECT, OF_HTTP, OF_MEMORY, OF_EXTERNAL].concat();
        let mine = found.iter().filter(|step| !step.starts_with("git:")).map(String::as_str);
        assert_eq!(
            mine.collect::<Vec<_>>(),
            listed.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
    }
}
