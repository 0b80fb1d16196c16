//! `selvedge saga …`: intents that are done in order, and undone in reverse.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    payload::intent::{Intent, SagaPropose, SagaReply, SagaShow},
};

use super::{
    intent::{SagaNamed, read, short, shown, waits_for},
    lease::Who,
};
use crate::{
    connect::Context,
    exit::Done,
    output::{fields, instant, name, visible_line},
};

/// Sagas: intents that are done in order, and undone in reverse if one of them fails.
#[derive(Debug, Subcommand)]
pub(crate) enum Saga {
    Propose(Propose),
    Show(Show),
}

impl Saga {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Propose(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
        }
    }
}

/// Propose a saga: the same steps are the same saga.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge saga propose release.json --as ada
  jq .saga plan.json | selvedge saga propose - --as ada -o json

The file holds what governance.saga_propose takes (contracts/schemas): a title and steps, each with its
effect and what undoes it.")]
pub(crate) struct Propose {
    /// File with the saga as JSON, or - for standard input.
    file: PathBuf,
    #[command(flatten)]
    who: Who,
}

impl Propose {
    async fn run(self, context: &Context) -> Done {
        let wanted: SagaPropose = read(&self.file)?;
        let asking = self.who.anybody(context).await?;
        let reply = asking.client.call::<call::SagaPropose>(&wanted).await?.reply;
        context.output.print(&reply, human)?;
        Ok(())
    }
}

/// Show a saga: its steps and where each stands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge saga show 0a1b2c3d4e5f
  selvedge saga show 0a1b2c3d4e5f --as ada -o json")]
pub(crate) struct Show {
    /// The saga: its id, or the first 8 or more hex digits of it.
    saga: SagaNamed,
    #[command(flatten)]
    who: Who,
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let saga = self.saga.find(&asking.client).await?;
        let reply = asking.client.call::<call::SagaShow>(&SagaShow { saga }).await?.reply;
        context.output.print(&reply, human)?;
        Ok(())
    }
}

fn human(reply: &SagaReply) -> String {
    let saga = &reply.saga;
    let head = fields(&[
        ("saga", saga.id.to_string()),
        ("title", visible_line(&saga.title)),
        ("status", name(&reply.status)),
        ("proposer", format!("{} of {}", saga.proposer, saga.owner)),
        ("proposed", instant(saga.proposed_at_ms)),
        ("revision", reply.revision.to_string()),
    ]);
    let last = reply.steps.len().saturating_sub(1);
    let steps: String = reply.steps.iter().enumerate().map(|(at, step)| branch(step, at == last)).collect();
    format!("{head}\n{steps}")
}

/// One step, and below it what it waits for, what came of it, and why it went no further.
fn branch(step: &Intent, is_last: bool) -> String {
    let (fork, trunk) = if is_last { ("└─", "  ") } else { ("├─", "│ ") };
    let mut text = format!(
        "{fork} {}  {}  {}  {}\n",
        short(&step.id),
        step.state.name(),
        shown::in_a_word(&step.effect),
        visible_line(&step.title)
    );
    let mut leaf = |what: String| text += &format!("{trunk}     {what}\n");
    if let Some(waits) = waits_for(step) {
        leaf(format!("waits for {waits}"));
    }
    if let Some(receipt) = &step.receipt {
        leaf(shown::receipt(receipt));
    }
    if let Some(undone) = &step.undone {
        leaf(format!("taken back: {}", shown::receipt(undone)));
    }
    for reason in &step.reasons {
        leaf(format!("reason: {} {}", visible_line(&reason.at), visible_line(&reason.message)));
    }
    text
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::SagaId,
        payload::intent::{IntentState, Saga, SagaStatus},
    };

    use super::*;
    use crate::commands::intent::intent_for_tests;

    #[test]
    fn the_tree_shows_each_step_and_what_it_waits_for() {
        let (waiting, mut done) = (intent_for_tests(), intent_for_tests());
        done.state = IntentState::Committed;
        let saga = Saga {
            id: SagaId::new(&format!("saga_{}", "0".repeat(64))).unwrap(),
            mission: done.mission.clone(),
            title: "release".to_owned(),
            proposer: done.proposer.clone(),
            owner: done.owner.clone(),
            steps: vec![done.id.clone(), waiting.id.clone()],
            proposed_at_ms: 1_000,
        };
        let reply = SagaReply { saga, status: SagaStatus::Running, steps: vec![done, waiting], revision: 3 };
        let text = human(&reply);
        assert!(text.contains("status    running"), "{text}");
        assert!(
            text.contains("├─ 0a1b2c3d0a1b  committed  memory decisions/auth  write it down\n└─ "),
            "{text}"
        );
        assert!(text.contains("\n       waits for 1 of 2 approvals"), "{text}");
    }
}
