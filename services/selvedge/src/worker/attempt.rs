//! One attempt: from the claim to what is handed in or given back.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Instant,
};

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::CommitHash,
    payload::{
        contract::ContractShow,
        task::{Claim, Claimed, MAX_SAID_BYTES, Task, TaskFail, TaskReply, TaskState, TaskSubmit},
    },
};
use selvedge_kit::{authority::UserKey, client::Options, clock::now_ms};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Prompt, collect,
    environment::{self, Folders},
    prompt::filled,
    renewals,
    run::{Keep, Setup},
};
use crate::{
    attendant::{Attended, Ended, How, Order, Output, Why, tail},
    commands::plan::short,
    exit::Failure,
    rooms::Room,
    sandbox::Reach,
    workspace::{Change, Checkout, changes},
};

/// Most of what a command says that is kept, in bytes for each of its outputs.
const MAX_OUTPUT_BYTES: u64 = 16 << 20;
/// How much of what a command said last stands in the reason of its failure, in bytes.
const REASON_BYTES: usize = 500;
/// Status by which a command asks to be tried again: EX_TEMPFAIL of sysexits(3).
const AGAIN: i32 = 75;
/// Status by which a command says that it is no use to try again: EX_DATAERR of sysexits(3).
const NEVER: i32 = 65;
/// Status of shells, and of what is to become a command, where something could not be run.
const CLOSED: i32 = 126;
/// Pause before what nobody answered is handed in again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds, or waits for a verifier.
    HandedIn,
    /// It does not, or it was given back.
    Nothing,
}

/// One attempt under way.
pub(super) struct Attempt {
    setup: Arc<Setup>,
    claimed: Claimed,
    room: Room,
    lost: Arc<Lost>,
    renewing: AbortHandle,
}

/// Whether the claim is lost, and why.
#[derive(Default)]
struct Lost {
    token: CancellationToken,
    reason: OnceLock<String>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Why an attempt came to nothing.
struct Failed {
    reason: String,
    again: Again,
}

/// Whether an attempt that came to nothing is to be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// By one, if there is one left.
    Wanted,
    /// By one, and this was no try: it was not made, or asks for another time.
    Later,
    /// By none.
    Useless,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { reason: failure.chain(), again: Again::Wanted }
    }
}

fn failed(reason: impl Into<String>) -> Failed {
    Failed { reason: reason.into(), again: Again::Wanted }
}

impl Attempt {
    /// Begins: the claim, which was asked for at `since`, is renewed from now on.
    pub(super) fn begin(setup: &Arc<Setup>, claimed: &Claimed, since: Instant) -> Result<Self, Failure> {
        let task = &claimed.task;
        let name = format!("{}-{}-{}", short(task.plan.as_str()), task.name, task.attempt);
        let room = setup.rooms.room(&name)?;
        let lost = Arc::<Lost>::default();
        let claim = task.claim.clone().ok_or_else(|| Fault::internal("a claimed task without a claim"))?;
        let (client, id, told) = (setup.client.clone(), task.id.clone(), Arc::clone(&lost));
        let renewing = tokio::spawn(async move {
            let reason = renewals::keep(&client, id, &claim, since).await;
            let _ = told.reason.set(reason); // nobody else does
            told.token.cancel();
        });
        Ok(Self {
            setup: Arc::clone(setup),
            claimed: claimed.clone(),
            room,
            lost,
            renewing: renewing.abort_handle(),
        })
    }

    /// Makes it.
    pub(super) async fn make(self, key: UserKey) -> Outcome {
        let made = self.made(&key).await;
        if let Some(reason) = self.lost.reason.get() {
            return self.leave("lost", reason, true);
        }
        match made {
            Ok(reply) => self.judged(&reply),
            Err(failed) => self.failed(failed).await,
        }
    }

    async fn made(&self, key: &UserKey) -> Result<TaskReply, Failed> {
        let folders = Folders::of(&self.room)?;
        let checkout = self.prepared(&folders).await?;
        let schema = self.schema().await;
        let claimed = collect::fetched(&self.setup.client, self.claimed.clone()).await.map_err(failed)?;
        let prompt = environment::give(&claimed, &folders, schema.as_ref(), key)?;
        let base = checkout.as_ref().map(|checkout| &checkout.base);
        let ended = self.run(self.order(&folders, &prompt, base)?, &folders).await?;
        self.setup.events.tell_of(&self.claimed.task, "ended", &ended.to_string());
        self.worth_handing_in(&ended)?;
        let (output, change) = self.collected(&folders, checkout.as_ref()).await?;
        self.submitted(output, change.as_ref(), &folders.effects()).await
    }

    /// The folder that the command runs in.
    async fn prepared(&self, folders: &Folders) -> Result<Option<Checkout>, Failed> {
        let Some(wanted) = &self.claimed.spec.workspace else {
            std::fs::create_dir(&folders.workspace).map_err(Failure::from)?;
            return Ok(None);
        };
        // It takes seconds where there are many files.
        let of = format!("a checkout of {} {}", wanted.repository, wanted.branch);
        self.setup.events.tell_of(&self.claimed.task, "preparing", &of);
        let making = self.setup.rooms.copies.check_out(&self.setup.client, wanted, None, &self.room.path);
        let made = tokio::select! {
            made = making => made,
            () = self.lost.token.cancelled() => return Err(failed("the claim is lost")),
            () = self.setup.stop.cancelled() => {
                return Err(Failed { reason: "the worker was stopped".to_owned(), again: Again::Later });
            }
        };
        made.map(Some).map_err(|failure| failed(format!("the workspace cannot be made: {}", failure.chain())))
    }

    /// Schema of the output, for the prompt alone.
    async fn schema(&self) -> Option<serde_json::Value> {
        let pin = self.claimed.spec.output_contract.as_ref()?;
        let show = ContractShow { name: pin.name.clone(), version: Some(pin.version) };
        let shown = self.setup.client.call::<call::ContractShow>(&show).await.ok()?;
        Some(shown.reply.contract.schema)
    }

    fn order(&self, folders: &Folders, prompt: &str, base: Option<&CommitHash>) -> Result<Order, Failed> {
        let setup = &self.setup;
        let (prompt_file, output) = (folders.prompt(), folders.output());
        let (prompt_path, output_path) = (prompt_file.to_string_lossy(), output.to_string_lossy());
        let workspace = folders.workspace.to_string_lossy();
        let places = [
            ("prompt", prompt),
            ("prompt_file", &*prompt_path),
            ("output", &*output_path),
            ("workspace", &*workspace),
        ];
        let command = setup.command.iter().map(|word| match word.to_str() {
            Some(word) => filled(word, &places).into(),
            None => word.clone(),
        });
        let spec = &self.claimed.spec;
        let mut read = vec![folders.given.clone()];
        read.extend(spec.workspace.as_ref().map(|wanted| setup.rooms.copies.of(&wanted.repository)));
        let write =
            [&folders.workspace, &folders.home, &folders.tmp, &folders.out].map(PathBuf::clone).to_vec();
        let network = spec.workspace.as_ref().is_some_and(|workspace| workspace.network);
        let reach = setup.port.map_or(Reach::Nothing, Reach::Port);
        let deadline_ms = self.claimed.task.claim.as_ref().map_or(0, |claim| claim.deadline_ms);
        Ok(Order {
            command: command.collect(),
            environment: environment::environment(
                setup,
                &self.claimed,
                folders,
                base.map(CommitHash::as_str),
            ),
            directory: folders.workspace.clone(),
            rules: setup.held.rules(read, write, network, reach),
            stdin: (setup.prompt == Prompt::Stdin).then_some(prompt_file),
            output: Output::Apart {
                stdout: self.room.path.join("stdout"),
                stderr: self.room.path.join("stderr"),
            },
            max_output_bytes: MAX_OUTPUT_BYTES,
            timeout_ms: deadline_ms.saturating_sub(now_ms()),
            grace_ms: setup.grace_ms,
            memory_bytes: None,
            ended: folders.private.join("ended.json"),
        })
    }

    /// Runs the command to its end, which comes when the claim is lost or the worker is stopped, too.
    async fn run(&self, order: Order, folders: &Folders) -> Result<Ended, Failed> {
        let mut attended = Attended::start(order, &folders.private, "command")?;
        self.setup.events.tell_of(&self.claimed.task, "running", "");
        let (mut is_told, mut is_killed) = (false, false);
        loop {
            tokio::select! {
                ended = attended.ended() => return Ok(ended?),
                () = self.lost.token.cancelled(), if !is_told => {
                    is_told = true;
                    attended.stop().await;
                }
                () = self.setup.stop.cancelled(), if !is_told => {
                    is_told = true;
                    attended.stop().await;
                }
                () = self.setup.kill.cancelled(), if !is_killed => {
                    (is_told, is_killed) = (true, true);
                    attended.kill().await;
                }
            }
        }
    }

    /// Whether what a command left is to be handed in.
    fn worth_handing_in(&self, ended: &Ended) -> Result<(), Failed> {
        if ended.how == Some(How::Status(0)) && ended.why != Why::Timeout {
            return Ok(());
        }
        let said = [self.room.path.join("stderr"), self.room.path.join("stdout")];
        let said = said.iter().map(|path| tail(path, REASON_BYTES)).find(|said| !said.is_empty());
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let what = match (ended.why, ended.how) {
            (Why::Told, _) => "the worker was stopped",
            (_, Some(How::Status(AGAIN))) => "the command asks to be tried again",
            (_, Some(How::Status(NEVER))) => "the command says that it cannot be done",
            (_, Some(How::Status(CLOSED))) => {
                "the command could not run something; what the sandbox does not open, --read DIR does"
            }
            _ => "the command failed",
        };
        let is_useless = ended.how == Some(How::Status(NEVER)) && ended.why == Why::Itself;
        let is_later =
            ended.why == Why::Told || (ended.why == Why::Itself && ended.how == Some(How::Status(AGAIN)));
        let again = match (is_useless, is_later) {
            (true, _) => Again::Useless,
            (false, true) => Again::Later,
            (false, false) => Again::Wanted,
        };
        Err(Failed { reason: format!("{what} ({ended}){said}"), again })
    }

    async fn collected(
        &self,
        folders: &Folders,
        checkout: Option<&Checkout>,
    ) -> Result<(serde_json::Value, Option<Change>), Failed> {
        let setup = &self.setup;
        let (output, stdout) = (folders.output(), self.room.path.join("stdout"));
        let left = collect::Left { output: &output, stdout: &stdout, workspace: &folders.workspace };
        let document =
            collect::document(&setup.client, setup.collect, &left, &setup.files, checkout.is_some());
        let document = document.await.map_err(failed)?;
        let wanted = self.claimed.spec.workspace.as_ref();
        let change = match wanted.zip(checkout) {
            Some((wanted, checkout)) => {
                let message = collect::message(&self.claimed);
                let found = changes(&setup.client, wanted, checkout, &message).await;
                found.map_err(|failure| failed(format!("the change set: {}", failure.chain())))?
            }
            None => None,
        };
        if setup.collect == collect::Collect::Diff && change.is_none() {
            return Err(failed("nothing was changed in the workspace"));
        }
        let output = collect::with_change(document, wanted, change.as_ref()).map_err(failed)?;
        Ok((output, change))
    }

    /// Hands in, again and again while nobody answers and the claim stands.
    async fn submitted(
        &self,
        output: serde_json::Value,
        change: Option<&Change>,
        effects: &Path,
    ) -> Result<TaskReply, Failed> {
        let task = &self.claimed.task;
        let claim = task.claim.as_ref().ok_or_else(|| failed("a claimed task without a claim"))?;
        let effects = collect::effects(&self.claimed, change, effects).map_err(failed)?;
        let submit = TaskSubmit { task: task.id.clone(), token: claim.token.clone(), output, effects };
        let options =
            Options { idempotency_key: Some(format!("submit {}", claim.token)), ..Options::default() };
        loop {
            match self.setup.client.call_with::<call::TaskSubmit>(&submit, &options).await {
                Ok(answered) => return Ok(answered.reply),
                Err(fault) if fault.is_retryable() && !self.lost.token.is_cancelled() => {
                    self.setup.events.tell_of(task, "away", &fault.to_string());
                    tokio::time::sleep(PAUSE).await;
                }
                Err(fault) => return Err(Failure::from(fault).into()),
            }
        }
    }

    /// Tells what was found about what was handed in.
    fn judged(&self, reply: &TaskReply) -> Outcome {
        let task = &reply.task;
        let state = crate::output::name(&task.state);
        match task.state {
            TaskState::Submitted | TaskState::Committing | TaskState::Validated => {
                self.leave(&state, "", false);
                Outcome::HandedIn
            }
            _ => {
                let reason = task.past.last().map(|past| past.reason.as_str()).unwrap_or_default();
                self.leave("rejected", reason, true)
            }
        }
    }

    /// Gives the attempt back.
    async fn failed(&self, Failed { reason, again }: Failed) -> Outcome {
        let task = &self.claimed.task;
        let place = self.kept(true).map(|place| format!("; kept in {}", place.display())).unwrap_or_default();
        let room = MAX_SAID_BYTES.saturating_sub(place.len());
        let reason = format!("{}{place}", cut(&reason, room));
        give_back(&self.setup, task, reason, again).await;
        Outcome::Nothing
    }

    fn leave(&self, event: &str, message: &str, is_failure: bool) -> Outcome {
        let place = self.kept(is_failure).map(|place| format!("kept in {}", place.display()));
        let parts: Vec<&str> =
            [Some(message), place.as_deref()].into_iter().flatten().filter(|it| !it.is_empty()).collect();
        self.setup.events.tell_of(&self.claimed.task, event, &parts.join("; "));
        Outcome::Nothing
    }

    /// Removes the room, or keeps it without its secrets; gives where.
    fn kept(&self, is_failure: bool) -> Option<PathBuf> {
        let is_kept = match self.setup.keep {
            Keep::Always => true,
            Keep::Failed => is_failure,
            Keep::Never => false,
        };
        if !is_kept {
            self.room.remove();
            return None;
        }
        // What it was ordered holds its environment; the credential ends by itself, and is of no use to anybody.
        let _ = std::fs::remove_dir_all(self.room.path.join("private"));
        let _ = std::fs::remove_file(self.room.path.join("in/task.creds"));
        Some(self.setup.rooms.keep(&self.room))
    }
}

fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Gives an attempt back, and tells so.
pub(super) async fn give_back(setup: &Setup, task: &Task, reason: String, again: Again) {
    setup.events.tell_of(task, "failed", &reason);
    let Some(claim) = &task.claim else { return };
    release(setup, task, claim, reason, again).await;
}

/// Ends a claim under which nothing is handed in.
pub(super) async fn release(setup: &Setup, task: &Task, claim: &Claim, reason: String, again: Again) {
    let reason = cut(&reason, MAX_SAID_BYTES).to_owned();
    let (is_final, is_returned) = (again == Again::Useless, again == Again::Later);
    let fail = TaskFail { task: task.id.clone(), token: claim.token.clone(), reason, is_final, is_returned };
    match setup.client.call::<call::TaskFail>(&fail).await {
        Ok(_) => {}
        // Its time was over before: the dispatcher knows.
        Err(fault) if fault.code == Code::Conflict => {}
        Err(fault) => setup.events.tell_of(task, "away", &fault.to_string()),
    }
}
