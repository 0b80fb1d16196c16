//! What a command made, as the output of its task.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use anyhow::Context as _;
use clap::ValueEnum;
use selvedge_contracts::{
    call,
    id::{Digest, TaskName},
    payload::{
        intent::{Effect, MAX_MESSAGE_BYTES, Propose},
        plan::{EffectTarget, Workspace},
        task::{Claimed, EffectOffer, Input, MAX_OFFER_BYTES, MAX_OUTPUT_BYTES, Output, TaskShow},
    },
};
use selvedge_kit::{client::Client, transfer};
use serde_json::{Map, Value, json};

use crate::{exit::Failure, workspace::Change};

/// What is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Collect {
    /// The output file if it was written; else standard output if it is JSON; else nothing but the change set.
    #[default]
    Auto,
    /// What was written to the file that `SELVEDGE_OUTPUT` names.
    File,
    /// Standard output, or its last line.
    Stdout,
    /// The change set of the workspace alone; there has to be one.
    Diff,
    /// The files that --file names, stored as artifacts: {"files": {"path": "digest"}}.
    Files,
}

/// Where a command has left what it made.
pub(super) struct Left<'a> {
    pub(super) output: &'a Path,
    pub(super) stdout: &'a Path,
    pub(super) workspace: &'a Path,
}

/// What it made beside its change set; says what is missing.
pub(super) async fn document(
    client: &Client,
    how: Collect,
    left: &Left<'_>,
    files: &[PathBuf],
    has_checkout: bool,
) -> Result<Value, String> {
    const NOTHING: &str = "nothing was written to SELVEDGE_OUTPUT";
    match how {
        Collect::File => of_file(left.output)?.ok_or_else(|| NOTHING.to_owned()),
        Collect::Stdout => of_stdout(left.stdout),
        Collect::Diff => Ok(json!({})),
        Collect::Files => stored(client, left.workspace, files).await,
        Collect::Auto => match (of_file(left.output)?, of_stdout(left.stdout)) {
            (Some(value), _) | (None, Ok(value)) => Ok(value),
            (None, Err(_)) if has_checkout => Ok(json!({})),
            (None, Err(why)) => Err(format!("{NOTHING}, and {why}")),
        },
    }
}

/// A file that a command made is read as what it is: no link is followed.
fn of_file(path: &Path) -> Result<Option<Value>, String> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(|error| format!("the output cannot be read: {error}"))?,
    };
    if !meta.is_file() {
        return Err("SELVEDGE_OUTPUT is no file".to_owned());
    }
    if meta.len() == 0 {
        return Ok(None);
    }
    // As JSON it may be written with more blanks than it is counted with.
    if meta.len() > 16 * MAX_OUTPUT_BYTES as u64 {
        return Err(format!("the output has {} bytes; at most {MAX_OUTPUT_BYTES} are accepted", meta.len()));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("the output cannot be read: {error}"))?;
    serde_json::from_str(&text).map(Some).map_err(|error| format!("the output is not JSON: {error}"))
}

fn of_stdout(path: &Path) -> Result<Value, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("standard output cannot be read: {error}"))?;
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    let whole =
        serde_json::from_str(text.trim()).or_else(|error| serde_json::from_str(last).map_err(|_| error));
    whole.map_err(|error| match text.trim() {
        "" => "standard output is empty".to_owned(),
        _ => format!("standard output is not JSON: {error}"),
    })
}

async fn stored(client: &Client, workspace: &Path, files: &[PathBuf]) -> Result<Value, String> {
    let mut found = Map::new();
    for file in files {
        let path = inside(workspace, file)?;
        let stored = transfer::put_file(client, &path, &|_, _| {}).await;
        let stored = stored.map_err(|error| format!("{} cannot be stored: {error}", file.display()))?;
        found.insert(file.to_string_lossy().into_owned(), json!(stored.digest));
    }
    Ok(json!({ "files": found }))
}

/// A file below the workspace that no link on its way leads out of.
fn inside(workspace: &Path, file: &Path) -> Result<PathBuf, String> {
    let wrong = |why: &str| format!("{} {why}", file.display());
    if !file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(wrong("is no path below the workspace"));
    }
    let real = workspace.join(file).canonicalize().map_err(|_| wrong("was not made"))?;
    let is_inside = workspace.canonicalize().is_ok_and(|workspace| real.starts_with(workspace));
    if is_inside && real.is_file() { Ok(real) } else { Err(wrong("is no file of the workspace")) }
}

/// Puts the reference to a change set where the plan wants it; whatever stood there goes.
pub(super) fn with_change(
    mut output: Value,
    workspace: Option<&Workspace>,
    change: Option<&Change>,
) -> Result<Value, String> {
    let Some(workspace) = workspace else { return Ok(output) };
    if !output.is_object() {
        return Err(
            "the output is no object, in which the reference to the change set has a place".to_owned()
        );
    }
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let parts: Vec<String> = workspace.change().split('/').skip(1).map(unescaped).collect();
    let Some((last, folders)) = parts.split_last() else { return Ok(output) };
    let in_the_way = || format!("the output has something else on the way to {:?}", workspace.change());
    let mut at = &mut output;
    for folder in folders {
        let fields = at.as_object_mut().ok_or_else(in_the_way)?;
        at = fields.entry(folder.clone()).or_insert_with(|| json!({}));
    }
    let fields = at.as_object_mut().ok_or_else(in_the_way)?;
    match change {
        Some(change) => drop(fields.insert(last.clone(), json!(change.digest))),
        None => drop(fields.remove(last)),
    }
    Ok(output)
}

/// Largest file with an effect, in bytes: more is not taken of all of them together.
const MAX_EFFECT_BYTES: u64 = MAX_OFFER_BYTES as u64;

/// What the task is to change outside: as the command wrote it, and the change set for the one that it fits.
///
/// # Errors
/// What cannot be read, in words.
pub(super) fn effects(
    claimed: &Claimed,
    change: Option<&Change>,
    folder: &Path,
) -> Result<Vec<EffectOffer>, String> {
    let mut offers = Vec::new();
    for declared in &claimed.spec.effects {
        offers.extend(written(&declared.name, folder)?);
    }
    let is_written = |name: &TaskName| offers.iter().any(|offer| offer.name == *name);
    let changed: Vec<EffectOffer> = changed(claimed, change, is_written).into_iter().collect();
    offers.extend(changed);
    Ok(offers)
}

/// An effect as the command wrote it; nothing if it wrote none.
fn written(name: &TaskName, folder: &Path) -> Result<Option<EffectOffer>, String> {
    let path = folder.join(format!("{name}.json"));
    let wrong = |why: String| format!("the effect {name} ($SELVEDGE_EFFECTS/{name}.json): {why}");
    let Ok(about) = fs::symlink_metadata(&path) else { return Ok(None) };
    if !about.is_file() || about.len() > MAX_EFFECT_BYTES {
        return Err(wrong(format!("expected a file of at most {MAX_EFFECT_BYTES} bytes")));
    }
    let text = fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    let propose = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("expected the payload of governance.propose: {error}")))?;
    Ok(Some(EffectOffer { name: name.clone(), propose }))
}

/// The declared effect that the change set is, unless the command wrote that itself.
fn changed(
    claimed: &Claimed,
    change: Option<&Change>,
    is_written: impl Fn(&TaskName) -> bool,
) -> Option<EffectOffer> {
    let change = change?;
    let is_it = |on: &EffectTarget| match on {
        EffectTarget::Git { repository, branch } => {
            *repository == change.effect.repository && *branch == change.effect.branch
        }
        _ => false,
    };
    let offer = |name: &TaskName| EffectOffer {
        name: name.clone(),
        propose: Propose {
            title: claimed.spec.title.clone(),
            effect: Effect::Git(change.effect.clone()),
            undo: None,
            occurrence: None,
            inputs: Vec::new(),
            preconditions: Vec::new(),
            tokens: Vec::new(),
            expires_after_ms: None,
        },
    };
    let mut declared = claimed.spec.effects.iter().filter(|declared| is_it(&declared.on));
    declared.find(|declared| !is_written(&declared.name)).map(|declared| offer(&declared.name))
}

/// The message of the commit that the change set is.
pub(super) fn message(claimed: &Claimed) -> String {
    let mut text = claimed.spec.title.clone();
    let description = claimed.spec.description.trim();
    if !description.is_empty() {
        text.push_str("\n\n");
        text.push_str(description);
    }
    let mut end = text.len().min(MAX_MESSAGE_BYTES / 2);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Fetches the inputs that the claim had no room for: each as the claim pins it.
///
/// # Errors
/// Which of them cannot be had, and why.
pub(super) async fn fetched(client: &Client, mut claimed: Claimed) -> Result<Claimed, String> {
    for input in claimed.inputs.iter_mut().filter(|input| input.value.is_none()) {
        let show = TaskShow { task: input.id.clone() };
        let shown = client.call::<call::TaskShow>(&show).await;
        let cannot = |why: &str| format!("the input {} cannot be had: {why}", input.input.task);
        let task = shown.map_err(|fault| cannot(&fault.to_string()))?.reply.task;
        let output = task.and_then(|task| task.output);
        input.value = Some(pinned(output, &input.input).map_err(|why| cannot(&why))?);
    }
    Ok(claimed)
}

/// What a needed task handed in, if it is what the claim rests on.
fn pinned(output: Option<Output>, wanted: &Input) -> Result<Value, String> {
    let value = output.ok_or_else(|| "its task has no output".to_owned())?.value;
    let digest = Digest::of_json(&value);
    if digest == wanted.digest {
        return Ok(value);
    }
    Err(format!("its digest is {digest}, and the claim rests on {}", wanted.digest))
}

/// Writes the inputs, each into a file of its own.
///
/// # Errors
/// A file cannot be written, or an input was not fetched.
pub(super) fn inputs(claimed: &Claimed, folder: &Path) -> Result<(), Failure> {
    for input in &claimed.inputs {
        let value = input.value.as_ref().with_context(|| format!("no input {}", input.input.task))?;
        let text = serde_json::to_string_pretty(value).context("cannot write an input")?;
        fs::write(folder.join(format!("{}.json", input.input.task)), text)
            .context("cannot write an input")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::intent::GitEffect;

    use super::*;

    fn change() -> Change {
        let effect: GitEffect = serde_json::from_value(json!({
            "repository": "record", "branch": "main", "base": "0".repeat(40), "message": "m",
            "changes": [{ "op": "delete", "path": "a" }],
        }))
        .unwrap();
        Change { digest: Digest::of_json(&json!(1)), effect }
    }

    #[test]
    fn the_change_stands_where_the_plan_wants_it_and_nothing_forged_does() {
        let workspace = |at: &str| -> Workspace {
            serde_json::from_value(json!({ "repository": "record", "branch": "main", "change": at })).unwrap()
        };
        let change = change();
        let put = |output: Value, at: &str, change: Option<&Change>| {
            with_change(output, Some(&workspace(at)), change)
        };
        let digest = json!(change.digest);
        assert_eq!(
            put(json!({ "a": 1 }), "/change", Some(&change)).unwrap(),
            json!({ "a": 1, "change": digest })
        );
        assert_eq!(put(json!({}), "/x/a~1b", Some(&change)).unwrap(), json!({ "x": { "a/b": digest } }));
        assert_eq!(put(json!({ "change": "forged" }), "/change", None).unwrap(), json!({}));
        assert!(put(json!([]), "/change", None).unwrap_err().contains("no object"));
        assert!(put(json!({ "x": 1 }), "/x/y", None).unwrap_err().contains("on the way"));
        assert_eq!(with_change(json!([1]), None, None).unwrap(), json!([1]));
    }

    #[test]
    fn an_output_is_read_from_its_file_or_from_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("good"), "{\"a\": 1}\n").unwrap();
        fs::write(path("bad"), "{a").unwrap();
        fs::write(path("empty"), "").unwrap();
        std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
        assert_eq!(of_file(&path("good")), Ok(Some(json!({ "a": 1 }))));
        assert_eq!((of_file(&path("none")), of_file(&path("empty"))), (Ok(None), Ok(None)));
        assert!(of_file(&path("bad")).unwrap_err().contains("not JSON"));
        assert!(of_file(&path("link")).unwrap_err().contains("no file"));
        fs::write(path("said"), "at work\n{\"a\": 2}\n").unwrap();
        assert_eq!(of_stdout(&path("said")), Ok(json!({ "a": 2 })));
        assert!(of_stdout(&path("empty")).unwrap_err().contains("is empty"));
        assert!(of_stdout(&path("bad")).unwrap_err().contains("not JSON"));
    }

    #[test]
    fn an_input_is_what_the_claim_rests_on_or_none() {
        let wanted =
            Input { task: TaskName::new("a").unwrap(), digest: Digest::of_json(&json!(7)), revision: 1 };
        let output = |value: Value| Output { digest: Digest::of_json(&json!(7)), value, at_ms: 1 };
        assert_eq!(pinned(Some(output(json!(7))), &wanted), Ok(json!(7)));
        assert!(pinned(Some(output(json!(8))), &wanted).unwrap_err().contains("rests on"));
        assert!(pinned(None, &wanted).unwrap_err().contains("no output"));
    }

    #[test]
    fn an_input_that_was_not_fetched_is_no_file_that_says_null() {
        let folder = tempfile::tempdir().unwrap();
        let (id, plan) = (format!("task_{}", "1".repeat(32)), format!("plan_{}", "2".repeat(64)));
        let claimed = |value: Value| -> Claimed {
            serde_json::from_value(json!({
                "task": { "id": id, "mission": "demo", "plan": plan, "name": "b", "state": "running",
                    "attempt": 1, "tries": 1, "round": 0 },
                "revision": 1, "plan_title": "p", "spec": { "id": "b", "title": "b" },
                "inputs": [{ "input": { "task": "a", "digest": Digest::of_json(&json!(7)), "revision": 1 },
                    "id": id, "value": value }],
            }))
            .unwrap()
        };
        assert!(inputs(&claimed(Value::Null), folder.path()).is_err());
        assert!(!folder.path().join("a.json").exists());
        inputs(&claimed(json!(7)), folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a.json")).unwrap(), "7");
    }

    #[test]
    fn a_file_outside_of_the_workspace_is_not_handed_in() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("w");
        fs::create_dir(&workspace).unwrap();
        fs::write(workspace.join("a"), "x").unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", workspace.join("link")).unwrap();
        assert!(inside(&workspace, Path::new("a")).is_ok());
        for bad in ["../secret", "link", "none", "/etc/passwd"] {
            assert!(inside(&workspace, Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn effects_are_what_the_command_wrote_and_the_change_set_for_one_that_is_left() {
        let git = json!({ "kind": "git", "repository": "record", "branch": "main" });
        let claimed: Claimed = serde_json::from_value(json!({
            "task": { "id": format!("task_{}", "1".repeat(32)), "mission": "demo",
                "plan": format!("plan_{}", "2".repeat(64)), "name": "b", "state": "running", "attempt": 1,
                "tries": 1, "round": 0 },
            "revision": 1, "plan_title": "a plan", "inputs": [],
            "spec": { "id": "b", "title": "Do it", "effects": [
                { "name": "first", "on": git, "undo": "required" }, { "name": "second", "on": git },
                { "name": "note", "on": { "kind": "memory", "key": "k" } },
            ] },
        }))
        .unwrap();
        let change = change();
        let folder = tempfile::tempdir().unwrap();
        let names = |found: Vec<EffectOffer>| -> Vec<String> {
            found.iter().map(|offer| format!("{}: {}", offer.name, offer.propose.title)).collect()
        };
        assert_eq!(names(effects(&claimed, None, folder.path()).unwrap()), [""; 0]);
        assert_eq!(names(effects(&claimed, Some(&change), folder.path()).unwrap()), ["first: Do it"]);
        let propose = |title: &str| json!({ "title": title, "effect": { "kind": "memory", "key": "k", "value": 1, "revision": 0 } });
        fs::write(folder.path().join("first.json"), propose("by hand").to_string()).unwrap();
        fs::write(folder.path().join("other.json"), "of nobody").unwrap();
        let found = effects(&claimed, Some(&change), folder.path()).unwrap();
        assert_eq!(names(found), ["first: by hand", "second: Do it"]);
        fs::write(folder.path().join("note.json"), "{}").unwrap();
        let wrong = effects(&claimed, None, folder.path()).unwrap_err();
        assert!(wrong.contains("NAME") || wrong.contains("note.json") && wrong.contains("title"), "{wrong}");
        fs::remove_file(folder.path().join("note.json")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("note.json")).unwrap();
        assert!(effects(&claimed, None, folder.path()).unwrap_err().contains("expected a file"));
    }
}
