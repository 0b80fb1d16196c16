//! Running the commands of a task's checks, each in a fresh environment, in the workspace that was made for them.

use std::ffi::OsString;

use anyhow::Context as _;
use selvedge_contracts::{
    id::Digest,
    payload::{
        plan::{Check, TaskSpec},
        task::{Finding, MAX_SAID_BYTES, Task},
    },
};
use selvedge_kit::transfer;
use tokio_util::sync::CancellationToken;

use super::{
    inspection::{cut, log},
    run::Setup,
};
use crate::{
    attendant::{Attended, Ended, How, Order, Output, Why, tail},
    exit::Failure,
    rooms::Room,
    sandbox::Reach,
};

/// Most of what a command says that is kept, in bytes.
const MAX_LOG_BYTES: u64 = 16 << 20;
/// Time between being told to end and being killed, in milliseconds.
const GRACE_MS: u64 = 2_000;

/// Where the commands of one task are run.
pub(super) struct Bench<'a> {
    setup: &'a Setup,
    room: &'a Room,
    spec: &'a TaskSpec,
    /// What lies in the workspace, for the evidence.
    what: String,
}

impl<'a> Bench<'a> {
    pub(super) fn new(setup: &'a Setup, room: &'a Room, spec: &'a TaskSpec, what: String) -> Self {
        Self { setup, room, spec, what }
    }

    /// Writes what commands may look at beside the workspace: the task and its output.
    pub(super) fn give(&mut self, task: &Task, spec: &TaskSpec) -> Result<(), Failure> {
        let given = self.room.folder("in")?;
        let output = task.output.as_ref().map(|output| &output.value);
        let text = |value: serde_json::Result<String>| value.context("cannot write what was handed in");
        std::fs::write(given.join("output.json"), text(serde_json::to_string_pretty(&output))?)?;
        let said = serde_json::json!({ "task": task, "spec": spec });
        std::fs::write(given.join("task.json"), text(serde_json::to_string_pretty(&said))?)?;
        Ok(())
    }

    /// Runs one command and says what was seen.
    ///
    /// # Errors
    /// It cannot be run here, which is no verdict.
    pub(super) async fn run(
        &mut self,
        index: usize,
        check: &Check,
        (command, timeout_ms, memory_bytes): (&[String], u64, Option<u64>),
        over: &CancellationToken,
    ) -> Result<Finding, Failure> {
        findable(command)?;
        let order = self.order(index, command, timeout_ms, memory_bytes)?;
        let private = self.room.folder("private")?;
        let mut attended = Attended::start(order, &private, &format!("check-{index}"))?;
        let mut is_told = false;
        let ended = loop {
            tokio::select! {
                ended = attended.ended() => break ended?,
                () = over.cancelled(), if !is_told => { is_told = true; attended.kill().await; }
                () = self.setup.stop.cancelled(), if !is_told => { is_told = true; attended.kill().await; }
            }
        };
        let digest = self.stored(index).await?;
        let passed = ended.how == Some(How::Status(0)) && ended.why == Why::Itself;
        Ok(Finding { check: check.to_string(), passed, seen: self.seen(index, &ended, &digest) })
    }

    /// The evidence: by what it was isolated, how it ended, what was checked, where its whole log is, and its end.
    fn seen(&self, index: usize, ended: &Ended, digest: &Digest) -> String {
        let isolation = self.setup.held.isolation.name();
        let head = format!("{isolation}: {ended}; {}; log {digest}", self.what);
        let room = MAX_SAID_BYTES.saturating_sub(head.len() + 2);
        let said = tail(&log(self.room, index), room);
        let seen = if said.is_empty() { head } else { format!("{head}; {said}") };
        cut(&seen, MAX_SAID_BYTES).to_owned()
    }

    async fn stored(&self, index: usize) -> Result<Digest, Failure> {
        let path = log(self.room, index);
        Ok(transfer::put_file(&self.setup.client, &path, &|_, _| {}).await?.digest)
    }

    fn order(
        &self,
        index: usize,
        command: &[String],
        timeout_ms: u64,
        memory_bytes: Option<u64>,
    ) -> Result<Order, Failure> {
        let workspace = self.room.path.join("workspace");
        let (home, tmp) =
            (self.room.folder(&format!("home-{index}"))?, self.room.folder(&format!("tmp-{index}"))?);
        let given = self.room.folder("in")?;
        let mut environment = self.setup.held.environment();
        let places = [
            ("HOME", home.clone()),
            ("TMPDIR", tmp.clone()),
            ("SELVEDGE_WORKSPACE", workspace.clone()),
            ("SELVEDGE_OUTPUT", given.join("output.json")),
            ("SELVEDGE_TASK_FILE", given.join("task.json")),
        ];
        environment.extend(places.into_iter().map(|(name, place)| (OsString::from(name), place.into())));
        let mut read = vec![given];
        let wanted = self.spec.workspace.as_ref();
        read.extend(wanted.map(|wanted| self.setup.rooms.copies.of(&wanted.repository)));
        let network = wanted.is_some_and(|workspace| workspace.network);
        Ok(Order {
            command: command.iter().map(OsString::from).collect(),
            environment,
            directory: workspace.clone(),
            rules: self.setup.held.rules(read, vec![workspace, home, tmp], network, Reach::Nothing),
            stdin: None,
            output: Output::Together(log(self.room, index)),
            max_output_bytes: MAX_LOG_BYTES,
            timeout_ms,
            grace_ms: GRACE_MS,
            memory_bytes,
            ended: self.room.folder("private")?.join(format!("check-{index}.ended")),
        })
    }
}

/// A program that is named without a folder must be on our `PATH`: that it is not says nothing about what was
/// handed in.
fn findable(command: &[String]) -> Result<(), Failure> {
    let program = command.first().map(String::as_str).unwrap_or_default();
    if program.contains('/') || crate::bounds::on_path(program) {
        return Ok(());
    }
    Err(Failure::usage(format!("this verifier has no program {program} on its PATH")))
}
