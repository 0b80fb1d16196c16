//! What an attempt's command finds: its folders and its environment.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use selvedge_contracts::payload::task::Claimed;
use selvedge_kit::authority::UserKey;

use super::{collect, prompt, run::Setup};
use crate::{exit::Failure, rooms::Room};

/// The folders of one attempt.
///
/// | folder | what | the command may |
/// |---|---|---|
/// | `workspace` | where it runs: the checkout, or nothing | write |
/// | `home`, `tmp` | its own | write |
/// | `out` | its output | write |
/// | `in` | inputs, the task, the prompt, the credential | read |
/// | `private` | orders, of which the environment is a part | nothing |
#[derive(Debug, Clone)]
pub(super) struct Folders {
    pub(super) workspace: PathBuf,
    pub(super) home: PathBuf,
    pub(super) tmp: PathBuf,
    pub(super) out: PathBuf,
    pub(super) given: PathBuf,
    pub(super) private: PathBuf,
}

impl Folders {
    pub(super) fn of(room: &Room) -> Result<Self, Failure> {
        Ok(Self {
            workspace: room.path.join("workspace"),
            home: room.folder("home")?,
            tmp: room.folder("tmp")?,
            out: room.folder("out")?,
            given: room.folder("in")?,
            private: room.folder("private")?,
        })
    }

    pub(super) fn output(&self) -> PathBuf {
        self.out.join("output.json")
    }

    pub(super) fn prompt(&self) -> PathBuf {
        self.given.join("prompt.md")
    }

    /// Where the command writes what its task is to change outside.
    pub(super) fn effects(&self) -> PathBuf {
        self.out.join("effects")
    }

    fn inputs(&self) -> PathBuf {
        self.given.join("inputs")
    }

    fn task(&self) -> PathBuf {
        self.given.join("task.json")
    }

    /// The credential for this attempt alone.
    pub(super) fn creds(&self) -> PathBuf {
        self.given.join("task.creds")
    }

    /// Where `selvedge` within looks for a fabric: there is none of its own.
    fn fabric(&self) -> PathBuf {
        self.given.join("fabric")
    }
}

/// Writes what the command is given; gives the prompt.
pub(super) fn give(
    claimed: &Claimed,
    folders: &Folders,
    schema: Option<&serde_json::Value>,
    key: &UserKey,
) -> Result<String, Failure> {
    let write = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for folder in [folders.inputs(), folders.fabric(), folders.effects()] {
        std::fs::create_dir_all(folder).context("cannot make the folders of an attempt")?;
    }
    collect::inputs(claimed, &folders.inputs())?;
    // The credential has a file of its own.
    let told = Claimed { credential: None, ..claimed.clone() };
    write(folders.task(), &serde_json::to_string_pretty(&told).context("cannot write the task")?)?;
    let text = prompt::text(claimed, schema);
    write(folders.prompt(), &text)?;
    let jwt = claimed.credential.as_ref().and_then(|reply| reply.credential.jwt.clone());
    if let Some(jwt) = jwt {
        key.credential(jwt)?.write(&folders.creds())?;
    }
    Ok(text)
}

/// All of the command's environment; `base` is the commit that was checked out.
pub(super) fn environment(
    setup: &Setup,
    claimed: &Claimed,
    folders: &Folders,
    base: Option<&str>,
) -> Vec<(OsString, OsString)> {
    let task = &claimed.task;
    let texts = [
        ("SELVEDGE_TASK", task.id.to_string()),
        ("SELVEDGE_ATTEMPT", task.attempt.to_string()),
        ("SELVEDGE_AGENT", setup.me.to_string()),
        ("SELVEDGE_MISSION", setup.mission.to_string()),
        ("SELVEDGE_KLUSTER", setup.kluster.to_string()),
        ("SELVEDGE_NATS__URL", setup.url.clone()),
        ("NATS_URL", setup.url.clone()),
        ("SELVEDGE_LEASES", leases(claimed)),
        ("GIT_AUTHOR_NAME", setup.me.to_string()),
        ("GIT_AUTHOR_EMAIL", format!("{}@localhost", setup.me)),
        ("GIT_COMMITTER_NAME", setup.me.to_string()),
        ("GIT_COMMITTER_EMAIL", format!("{}@localhost", setup.me)),
    ];
    let (inputs, task, fabric) = (folders.inputs(), folders.task(), folders.fabric());
    let (output, effects, prompt) = (folders.output(), folders.effects(), folders.prompt());
    let places: [(&str, &Path); 9] = [
        ("HOME", &folders.home),
        ("TMPDIR", &folders.tmp),
        ("SELVEDGE_WORKSPACE", &folders.workspace),
        ("SELVEDGE_INPUTS", &inputs),
        ("SELVEDGE_TASK_FILE", &task),
        ("SELVEDGE_OUTPUT", &output),
        ("SELVEDGE_EFFECTS", &effects),
        ("SELVEDGE_PROMPT", &prompt),
        ("SELVEDGE_HOME", &fabric),
    ];
    let mut all = setup.held.environment();
    all.extend(
        texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.into(), text.into())),
    );
    all.extend(places.into_iter().map(|(name, place)| (name.into(), place.into())));
    all.extend(base.map(|base| ("SELVEDGE_BASE".into(), base.into())));
    if let (Some(reply), creds) = (&claimed.credential, folders.creds()) {
        all.push(("SELVEDGE_CREDS".into(), creds.into()));
        all.push(("SELVEDGE_INBOX_PREFIX".into(), reply.credential.inbox_prefix.clone().into()));
    }
    all
}

/// The leases of the claim, as `--lease` takes them.
fn leases(claimed: &Claimed) -> String {
    let leases = claimed.task.claim.iter().flat_map(|claim| &claim.leases);
    let all: Vec<String> =
        leases.map(|held| format!("{}:{}={}", held.space, held.lease, held.token)).collect();
    all.join(" ")
}
