//! `selvedge plan watch`: how far a plan is, as it goes.

use std::{collections::HashMap, io::IsTerminal as _, time::Duration};

use clap::Args;
use futures::StreamExt as _;
use selvedge_contracts::{
    fault::Fault,
    id::{IntentId, PlanId, TaskId},
    payload::{
        plan::{PlanReply, PlanState},
        task::{Phase, TaskLine},
    },
    subject::LIVE_PREFIX,
};
use selvedge_kit::clock::Deadline;
use serde::Serialize;

use super::{PlanNamed, consents::Consents, tree, whole};
use crate::{
    commands::lease::{Asking, Who},
    connect::Context,
    exit::{Done, Ending, Failure, INTERRUPTED},
    output::{Format, fitted, say, terminal, visible_line},
    stop,
};

/// Watch a plan until it is done, failed or cancelled: a live tree on a terminal, else a line a change.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan watch 0a1b2c3d4e5f
  selvedge plan watch 0a1b2c3d4e5f --as ada -o jsonl
  selvedge plan watch 0a1b2c3d4e5f && ./release.sh

With -o jsonl it prints a line a change, with -o json the plan as it ended.
It ends with 0 if the plan is done, 12 if it was cancelled, 13 if it failed, 130 if Ctrl-C ended it.")]
pub(crate) struct Watch {
    /// The plan: its id, or the first 8 or more hex digits of it.
    plan: PlanNamed,
    #[command(flatten)]
    who: Who,
}

/// How long the subscription may take to stand, in milliseconds.
const STAND_MS: u64 = 5_000;
/// What happens within this time is shown together.
const TOGETHER: Duration = Duration::from_millis(50);
/// How often it looks though it heard nothing: while the connection was down, things happened unheard.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);

impl Watch {
    pub(super) async fn run(self, context: &Context) -> Done {
        let stop = stop::on_signal()?;
        let asking = self.who.anybody(context).await?;
        let plan = self.plan.find(&asking.client).await?;
        match stop.run_until_cancelled(watch(&asking, &plan, context.output)).await {
            Some(ended) => ended,
            None => Err(Failure::Ended(INTERRUPTED)),
        }
    }
}

async fn watch(asking: &Asking, plan: &PlanId, output: Format) -> Done {
    let bus = asking.client.bus();
    let of_mission = |entity: &str| format!("{LIVE_PREFIX}.{}.{entity}.>", asking.mission);
    let mut heard = futures::stream::SelectAll::new();
    for entity in ["plan", "task", "intent"] {
        let subscribed = bus.subscribe(&of_mission(entity), None).await;
        heard.push(subscribed.map_err(|error| Fault::unavailable(error.to_string()))?);
    }
    bus.flush(Deadline::in_ms(STAND_MS)).await;
    let mut shown = Shown::new(output);
    loop {
        let reply = whole::shown(&asking.client, plan.clone()).await?;
        shown.show(&reply, &Consents::of(&asking.client, &reply.tasks).await?)?;
        if let Some(ended) = end(&reply) {
            if output == Format::Json {
                output.print(&reply, |_| String::new())?;
            }
            return ended;
        }
        // Whatever happens in the mission may be about it. What comes close together is looked at once.
        let _ = tokio::time::timeout(LOOK_ANYWAY, heard.next()).await;
        let together = tokio::time::sleep(TOGETHER);
        tokio::pin!(together);
        while let futures::future::Either::Left((Some(_), _)) =
            futures::future::select(heard.next(), together.as_mut()).await
        {}
    }
}

fn end(reply: &PlanReply) -> Option<Done> {
    let why = || {
        let reason = reply.plan.reason.as_deref().map(visible_line).unwrap_or_default();
        format!("the plan is {}: {reason}", reply.plan.state.name())
    };
    match reply.plan.state {
        PlanState::Running | PlanState::Paused => None,
        PlanState::Done => Some(Ok(())),
        PlanState::Failed => Some(Err(Ending::Failed.failure(why(), &[]))),
        PlanState::Cancelled => Some(Err(Ending::Cancelled.failure(why(), &[]))),
    }
}

/// How a task stands now.
#[derive(Serialize)]
struct Change<'a> {
    #[serde(flatten)]
    line: &'a TaskLine,
    /// Its intents that wait for a consent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for_approval: Vec<&'a IntentId>,
}

/// What was shown last.
struct Shown {
    output: Format,
    is_terminal: bool,
    lines: usize,
    /// Where each task stood: its phase, its attempt, and how many of its intents wait for a consent.
    phases: HashMap<TaskId, (Phase, u32, usize)>,
}

impl Shown {
    fn new(output: Format) -> Self {
        let is_terminal = output == Format::Human && std::io::stdout().is_terminal();
        Self { output, is_terminal, lines: 0, phases: HashMap::new() }
    }

    fn show(&mut self, reply: &PlanReply, consents: &Consents) -> std::io::Result<()> {
        if self.is_terminal {
            return self.redraw(&tree::of(reply, consents));
        }
        // One document is asked for: that of the end.
        let lines = if self.output == Format::Json { &[] } else { reply.tasks.as_slice() };
        for line in lines {
            let approvals = consents.intents(&line.id);
            let now = (line.phase, line.attempt, approvals.len());
            if self.phases.insert(line.id.clone(), now) != Some(now) {
                let change = Change { line, waits_for_approval: approvals };
                self.output.print(&change, |_| human(line, consents))?;
            }
        }
        Ok(())
    }

    /// Draws the tree in place of the one before.
    fn redraw(&mut self, tree: &str) -> std::io::Result<()> {
        let before = self.lines;
        // A line that wraps, or scrolls away, would not be gone over: one more holds the cursor.
        let (columns, lines) = terminal().unwrap_or((usize::MAX, usize::MAX));
        let tree = &fitted(tree, columns, lines.saturating_sub(1));
        self.lines = tree.lines().count();
        match before {
            0 => say(tree),
            // Up to the first line, and everything below it away (ECMA-48: CPL, ED).
            before => say(&format!("\u{1b}[{before}F\u{1b}[J{tree}")),
        }
    }
}

fn human(line: &TaskLine, consents: &Consents) -> String {
    let by = line.worker.as_ref().map(|worker| format!("  {worker}")).unwrap_or_default();
    // Why an attempt before came to nothing is no news of the one that follows it.
    let goes_on =
        matches!(line.phase, Phase::Running | Phase::Submitted | Phase::Committing | Phase::Validated);
    let reason = line.reason.as_deref().filter(|_| !goes_on).map(visible_line);
    let about = consents.told(&line.id).or(reason).map(|about| format!("  {about}")).unwrap_or_default();
    format!("{:<10} {} attempt {}{by}{about}", line.phase.name(), line.name, line.attempt)
}
