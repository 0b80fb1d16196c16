//! `selvedge task show`.

use clap::Args;
use selvedge_contracts::payload::task::{Finding, PastAttempt, TaskShown, TaskState};

use super::TaskNamed;
use crate::{
    commands::{lease::Who, plan::short},
    connect::Context,
    exit::Done,
    output::{fields, instant, visible, visible_line},
};

/// Show a task: what is to be done, who has it, what was handed in, and what was found about it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task show 0a1b2c3d4e5f/write-tests
  selvedge task show task_0a1b2c3d4e5f60718293a4b5c6d7e8f9 --as ada -o json")]
pub(crate) struct Show {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let shown = self.task.look(&asking.client).await?;
        context.output.print(&shown, human)?;
        Ok(())
    }
}

pub(super) fn human(shown: &TaskShown) -> String {
    let TaskShown { line, spec, task, .. } = shown;
    let claim = task.as_ref().and_then(|task| task.claim.as_ref());
    let waits_for: Vec<_> = line.waits_for.iter().map(|name| name.as_str()).collect();
    let mut text = fields(&[
        ("task", line.id.to_string()),
        ("plan", format!("{}/{}", short(line.plan.as_str()), line.name)),
        ("title", visible_line(&spec.title)),
        ("phase", line.phase.name().to_owned()),
        ("waits for", waits_for.join(", ")),
        ("waits", line.waits_for_lease.as_deref().map(visible_line).unwrap_or_default()),
        ("queue", format!("{}, for a {}", line.queue, spec.role)),
        ("attempt", format!("{} of {}", line.attempt, spec.attempts)),
        ("worker", line.worker.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("deadline", claim.map(|claim| instant(claim.deadline_ms)).unwrap_or_default()),
        ("token", claim.map(|claim| claim.token.to_string()).unwrap_or_default()),
        ("gate", spec.gate.as_ref().map(|gate| visible_line(&gate.asks)).unwrap_or_default()),
    ]);
    if !spec.description.is_empty() {
        text.push_str(&format!("\n{}\n", visible(&spec.description)));
    }
    for check in &spec.checks {
        text.push_str(&format!("check    {}\n", visible_line(&check.to_string())));
    }
    for reservation in &spec.reserve {
        text.push_str(&format!("reserves {}\n", visible_line(&reservation.to_string())));
    }
    for lease in claim.iter().flat_map(|claim| &claim.leases) {
        text.push_str(&format!("lease    {} in {}, token {}\n", lease.lease, lease.space, lease.token));
    }
    for effect in &spec.effects {
        text.push_str(&format!("effect   {}: {}\n", effect.name, visible_line(&effect.on.to_string())));
    }
    let is_wanted =
        |state| matches!(state, TaskState::Submitted | TaskState::Committing | TaskState::Validated);
    for effect in task.iter().filter(|task| is_wanted(task.state)).flat_map(|task| &task.effects) {
        let receipt = effect.receipt.as_ref().and_then(|receipt| serde_json::to_string(receipt).ok());
        let became = receipt.unwrap_or_else(|| "under way".to_owned());
        text.push_str(&format!("intent   {}: {} {}\n", effect.name, effect.intent, visible_line(&became)));
    }
    if let Some(output) = task.as_ref().and_then(|task| task.output.as_ref()) {
        text.push_str(&format!("\noutput   {}\n", visible(&format!("{:#}", output.value))));
    }
    let findings = task.iter().filter_map(|task| task.verdict.as_ref()).flat_map(|verdict| &verdict.findings);
    findings.for_each(|found| text.push_str(&finding(found)));
    task.iter().flat_map(|task| &task.past).for_each(|past| text.push_str(&attempt(past)));
    text
}

fn finding(finding: &Finding) -> String {
    let mark = if finding.passed { '✓' } else { '✗' };
    format!("{mark} {}: {}\n", visible_line(&finding.check), visible_line(&finding.seen))
}

fn attempt(past: &PastAttempt) -> String {
    let PastAttempt { attempt, worker, ended_at_ms, cause, reason, effects, .. } = past;
    let (at, cause, reason) = (instant(*ended_at_ms), cause.name(), visible_line(reason));
    let mut text = format!("attempt {attempt} by {worker} ended {at} ({cause}): {reason}\n");
    for effect in effects {
        text.push_str(&format!("  effect {}: {} ({})\n", effect.name, effect.end.name(), effect.intent));
    }
    text
}
