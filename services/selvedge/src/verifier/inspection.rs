//! Looking at one task.

use std::{path::PathBuf, sync::Arc, time::Duration};

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        plan::Check,
        task::{Finding, HandedIn, INSPECTION_TTL_MS, MAX_SAID_BYTES, TaskInspect, TaskJudge, commands},
    },
};
use selvedge_kit::client::Options;
use tokio_util::sync::CancellationToken;

use super::{check::Bench, run::Setup};
use crate::{
    commands::plan::short,
    exit::Failure,
    rooms::Room,
    workspace::{Unfit, change_set},
};

/// How often it is said that a task is still looked at.
const KEEP: Duration = Duration::from_millis(INSPECTION_TTL_MS / 3);
/// Pause before a verdict that nobody answered is handed in again.
const PAUSE: Duration = Duration::from_secs(1);
/// Most sendings of one verdict.
const SENDINGS: u32 = 30;

/// One task that is looked at.
pub(super) struct Inspection {
    setup: Arc<Setup>,
    handed_in: HandedIn,
}

/// What was made of a task: what was seen, or that it is wrong before any command could be run.
enum Seen {
    Findings(Vec<Finding>),
    Wrong(String),
}

impl Inspection {
    pub(super) fn of(setup: Arc<Setup>, handed_in: HandedIn) -> Self {
        Self { setup, handed_in }
    }

    /// Looks, and says what was seen: whether it holds, in words; or why nothing can be said.
    pub(super) async fn made(self) -> Result<(bool, String), String> {
        let over = CancellationToken::new();
        let keeping = async {
            self.keep(&over).await;
            std::future::pending().await
        };
        tokio::select! {
            result = self.looked(&over) => result,
            result = keeping => result,
        }
    }

    async fn looked(&self, over: &CancellationToken) -> Result<(bool, String), String> {
        let task = &self.handed_in.task;
        let name = format!("check-{}-{}-{}", short(task.plan.as_str()), task.name, task.attempt);
        let room = self.setup.rooms.room(&name).map_err(|failure| failure.chain())?;
        let seen = self.seen(&room, over).await;
        room.remove();
        let findings = match seen.map_err(|failure| failure.chain())? {
            Seen::Findings(findings) => findings,
            Seen::Wrong(why) => self.all_failed(&why),
        };
        if over.is_cancelled() {
            return Err("it waits for no verdict any more".to_owned());
        }
        if self.setup.stop.is_cancelled() {
            return Err("the verifier is stopped".to_owned());
        }
        self.judged(findings).await
    }

    /// Says again and again that it is looked at, and hears when that is of no use any more.
    async fn keep(&self, over: &CancellationToken) {
        let task = &self.handed_in.task;
        let keep = TaskInspect { task: Some(task.id.clone()), ..TaskInspect::default() };
        loop {
            tokio::time::sleep(KEEP).await;
            let Ok(kept) = self.setup.client.call::<call::TaskInspect>(&keep).await else { continue };
            if kept.reply.handed_in.is_none_or(|kept| kept.task.attempt != task.attempt) {
                over.cancel();
                return;
            }
        }
    }

    async fn seen(&self, room: &Room, over: &CancellationToken) -> Result<Seen, Failure> {
        let HandedIn { task, spec, .. } = &self.handed_in;
        let mut bench = match self.bench(room).await {
            Ok(bench) => bench,
            Err(Unfit::Wrong(why)) => return Ok(Seen::Wrong(why)),
            Err(Unfit::Unknown(failure)) => return Err(failure),
        };
        bench.give(task, spec)?;
        let mut findings = Vec::new();
        for (index, check) in commands(spec).enumerate() {
            let Check::Command { run, timeout_ms, memory_bytes } = check else { continue };
            let done = bench.run(index, check, (run, *timeout_ms, *memory_bytes), over).await?;
            let passed = done.passed;
            findings.push(done);
            if over.is_cancelled() || self.setup.stop.is_cancelled() {
                break;
            }
            if !passed {
                // What comes after it may rest on it, and one that failed is enough.
                let skipped = commands(spec).skip(index + 1);
                findings
                    .extend(skipped.map(|check| self.finding(check, false, "not run: one before it failed")));
                break;
            }
        }
        Ok(Seen::Findings(findings))
    }

    /// A clean workspace with what was handed in.
    async fn bench<'a>(&'a self, room: &'a Room) -> Result<Bench<'a>, Unfit> {
        let HandedIn { task, spec, .. } = &self.handed_in;
        let Some(wanted) = &spec.workspace else {
            std::fs::create_dir(room.path.join("workspace"))?;
            return Ok(Bench::new(&self.setup, room, spec, "no workspace".to_owned()));
        };
        let change = change_set(&self.setup.client, wanted, task).await?;
        let base = change.as_ref().map(|(change, _)| &change.base);
        let checkout =
            self.setup.rooms.copies.check_out(&self.setup.client, wanted, base, &room.path).await?;
        let what = match &change {
            Some((change, named)) => {
                let tree = checkout.apply(&self.setup.client, change).await?;
                format!("base {} {named} tree {tree}", checkout.base)
            }
            None => format!("base {} unchanged", checkout.base),
        };
        Ok(Bench::new(&self.setup, room, spec, what))
    }

    fn finding(&self, check: &Check, passed: bool, seen: &str) -> Finding {
        let seen = format!("{}: {seen}", self.setup.held.isolation.name());
        Finding { check: check.to_string(), passed, seen: cut(&seen, MAX_SAID_BYTES).to_owned() }
    }

    fn all_failed(&self, why: &str) -> Vec<Finding> {
        commands(&self.handed_in.spec)
            .map(|check| self.finding(check, false, &format!("not run: {why}")))
            .collect()
    }

    async fn judged(&self, findings: Vec<Finding>) -> Result<(bool, String), String> {
        let task = &self.handed_in.task;
        let passed = findings.iter().all(|finding| finding.passed);
        let told = findings.iter().find(|finding| !finding.passed).or(findings.last());
        let said = told.map(|finding| format!("{}: {}", finding.check, finding.seen)).unwrap_or_default();
        let judge = TaskJudge { task: task.id.clone(), attempt: task.attempt, findings };
        let key = format!("judge {} {} {}", task.id, task.attempt, self.handed_in.revision);
        let options = Options { idempotency_key: Some(key), ..Options::default() };
        for _ in 0..SENDINGS {
            match self.setup.client.call_with::<call::TaskJudge>(&judge, &options).await {
                Ok(_) => return Ok((passed, said)),
                Err(fault) if fault.is_retryable() => tokio::time::sleep(PAUSE).await,
                Err(fault) if fault.code == Code::Conflict => {
                    return Err(format!("another was first: {fault}"));
                }
                Err(fault) => return Err(fault.to_string()),
            }
        }
        Err("nobody took the verdict".to_owned())
    }
}

/// As much of a text as there is room for.
pub(super) fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Where what a command said is kept.
pub(super) fn log(room: &Room, index: usize) -> PathBuf {
    room.path.join(format!("check-{index}.log"))
}
