//! What a commit would change in its files, as git itself shows it: the base out of a clone, the new contents
//! out of the artifacts, in an index and an object store of our own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use selvedge_contracts::{
    call,
    id::Digest,
    payload::{
        Nothing,
        intent::{FileChange, FileMode, GitEffect, TreePath},
    },
};

use super::preview::{Content, Looks, how_to_get};
use crate::{
    commands::lease::Asking,
    draft::{Draft, Kind, kind_of, lossy},
    exit::Failure,
};

/// What differs, and what could not be shown.
pub(super) struct Difference {
    /// A unified diff, after a summary.
    pub(super) text: String,
    /// What is missing in it.
    pub(super) left_out: Vec<String>,
}

/// What the commit would change against its base; nothing if no clone has that.
pub(super) async fn difference(
    looks: &Looks<'_>,
    git: &GitEffect,
    clone: Option<&Path>,
) -> Result<Option<Difference>, Failure> {
    let draft = match clone {
        Some(folder) => Some(draft_in(folder, git)?.ok_or_else(|| {
            Failure::usage(format!("{} has no commit {}: fetch first", folder.display(), git.base))
        })?),
        None => found(looks.asking, git).await?,
    };
    let Some(draft) = draft else { return Ok(None) };
    let (blobs, left_out) = contents(looks, git, &draft).await?;
    Ok(Some(Difference { text: shown(&draft, git, &blobs)?, left_out }))
}

/// A draft over a clone that has the base.
fn draft_in(folder: &Path, git: &GitEffect) -> Result<Option<Draft>, Failure> {
    let draft = Draft::over(folder)?;
    Ok((draft.commit(git.base.as_str()).as_ref() == Some(&git.base)).then_some(draft))
}

/// Over the repository around the current folder, else the record itself if it lies on this machine.
async fn found(asking: &Asking, git: &GitEffect) -> Result<Option<Draft>, Failure> {
    // A folder that is no repository is none with the base.
    let has = |folder: &Path| draft_in(folder, git).ok().flatten();
    if let Some(here) = has(Path::new(".")) {
        return Ok(Some(here));
    }
    let known = asking.client.call::<call::RepositoryList>(&Nothing {}).await?.reply.repositories;
    let record = known.into_iter().find(|known| known.repository.name == git.repository);
    let location = record.map(|record| PathBuf::from(record.repository.location));
    Ok(location.filter(|location| location.is_absolute() && location.is_dir()).and_then(|at| has(&at)))
}

/// Contents in git, by their digests.
type Blobs = BTreeMap<Digest, String>;

async fn contents(
    looks: &Looks<'_>,
    git: &GitEffect,
    draft: &Draft,
) -> Result<(Blobs, Vec<String>), Failure> {
    let (mut blobs, mut left_out) = (Blobs::new(), Vec::new());
    for change in &git.changes {
        let Some(content) = change.content().filter(|content| !blobs.contains_key(*content)) else {
            continue;
        };
        match looks.small(content).await? {
            Content::Small(bytes) => {
                let stored = draft.git_with(&["hash-object", "-w", "--no-filters", "--stdin"], &bytes)?;
                blobs.insert(content.clone(), String::from_utf8_lossy(&stored).trim().to_owned());
            }
            Content::Large(size) => left_out.push(how_to_get(&change.path().to_text(), content, size)),
        }
    }
    Ok((blobs, left_out))
}

/// A mode and a content, as an index has them.
#[derive(Clone)]
struct Entry {
    mode: String,
    blob: String,
}

fn shown(draft: &Draft, git: &GitEffect, blobs: &Blobs) -> Result<String, Failure> {
    draft.git(&["read-tree", git.base.as_str()])?;
    let base = if git.changes.iter().any(|change| matches!(change, FileChange::Rename { .. })) {
        entries(&draft.git(&["ls-files", "--stage", "-z"])?)
    } else {
        BTreeMap::new()
    };
    // What goes before what comes: a file may stand where a folder was.
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for change in &git.changes {
        applied(change, &base, blobs, &mut gone, &mut come);
    }
    gone.append(&mut come);
    draft.git_with(&["update-index", "-z", "--index-info"], &gone)?;
    let text = draft.git_apart(&[
        "diff-index",
        "--cached",
        "--patch-with-stat",
        "-M",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        git.base.as_str(),
    ])?;
    Ok(lossy(std::os::unix::ffi::OsStrExt::from_bytes(text.as_slice())))
}

/// Adds lines for `git update-index --index-info`.
fn applied(
    change: &FileChange,
    base: &BTreeMap<Vec<u8>, Entry>,
    blobs: &Blobs,
    gone: &mut Vec<u8>,
    come: &mut Vec<u8>,
) {
    match change {
        FileChange::Put { path, content, mode } => {
            if let Some(blob) = blobs.get(content) {
                line(come, mode_name(*mode), blob, path);
            }
        }
        FileChange::Delete { path } => line(gone, "0", NONE, path),
        FileChange::Rename { from, path, content } => {
            line(gone, "0", NONE, from);
            let before = base.get(from.as_bytes());
            let blob = match content {
                Some(content) => blobs.get(content),
                None => before.map(|entry| &entry.blob),
            };
            if let (Some(blob), Some(before)) = (blob, before) {
                line(come, &before.mode, blob, path);
            }
        }
    }
}

/// No object.
const NONE: &str = "0000000000000000000000000000000000000000";

fn line(lines: &mut Vec<u8>, mode: &str, blob: &str, path: &TreePath) {
    lines.extend(format!("{mode} {blob}\t").bytes());
    lines.extend(path.as_bytes());
    lines.push(0);
}

fn mode_name(mode: FileMode) -> &'static str {
    match mode {
        FileMode::Regular => "100644",
        FileMode::Executable => "100755",
        FileMode::Symlink => "120000",
    }
}

/// The files of an index, by path: `100644 <blob> 0\t<path>`.
fn entries(listed: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
    let read = |item: &[u8]| {
        let at = item.iter().position(|byte| *byte == b'\t')?;
        let (head, path) = item.split_at_checked(at)?;
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        let (mode, blob) = (words.next()?.to_owned(), words.next()?.to_owned());
        matches!(kind_of(&mode), Some(Kind::File(_))).then_some(())?;
        Some((path.get(1..)?.to_vec(), Entry { mode, blob }))
    };
    listed.split(|byte| *byte == 0).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_commit_cannot_say_that_its_texts_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C").arg(folder.path()).args(["-c", "user.name=x", "-c", "user.email=x@x.invalid"]);
            assert!(git.args(arguments).output().unwrap().status.success(), "{arguments:?}");
        };
        run(&["init", "--quiet"]);
        run(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        let draft = Draft::over(folder.path()).unwrap();
        let put = |path: &str, digest: &str| json!({ "op": "put", "path": path, "content": digest });
        let (attributes, text) = ("a".repeat(64), "b".repeat(64));
        let git: GitEffect = serde_json::from_value(json!({
            "repository": "record", "branch": "main", "message": "x",
            "base": draft.commit("HEAD").unwrap(),
            "changes": [put(".gitattributes", &attributes), put("x.rs", &text)],
        }))
        .unwrap();
        let stored = [(attributes, "* -diff\n"), (text, "evil();\n")].map(|(digest, text)| {
            let blob = draft.git_with(&["hash-object", "-w", "--stdin"], text.as_bytes()).unwrap();
            (Digest::new(&digest).unwrap(), String::from_utf8(blob).unwrap().trim().to_owned())
        });
        let shown = shown(&draft, &git, &stored.into()).unwrap();
        assert!(shown.contains("+evil();") && shown.contains("+* -diff"), "{shown}");
    }
}
