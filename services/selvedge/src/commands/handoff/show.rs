//! `selvedge handoff show`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::handoff::{Handoff, HandoffReply, HandoffShow},
};

use super::HandoffNamed;
use crate::{
    commands::{lease::Who, plan::short},
    connect::Context,
    exit::Done,
    output::{fields, instant, instant_ms, visible, visible_line},
};

/// Show a handoff: what is offered, what is expected, and what happened to it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff show 0a1b2c3d4e5f
  selvedge handoff show 0a1b2c3d4e5f --as bob -o json")]
pub(crate) struct Show {
    /// The handoff: its id, or the first 8 or more hex digits of it.
    handoff: HandoffNamed,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let show = HandoffShow { handoff: self.handoff.find(&asking.client).await? };
        let reply = asking.client.call::<call::HandoffShow>(&show).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

pub(super) fn human(reply: &HandoffReply) -> String {
    let Handoff { id, from, owner, offer, state, receiver, result, reason, history, .. } = &reply.handoff;
    let artifacts: Vec<_> = offer.artifacts.iter().map(ToString::to_string).collect();
    let rests_on: Vec<_> = offer
        .preconditions
        .iter()
        .map(|rests| format!("{} {} at revision {}", rests.entity, rests.id, rests.revision))
        .collect();
    let mut text = fields(&[
        ("handoff", id.to_string()),
        ("title", visible_line(&offer.title)),
        ("state", state.name().to_owned()),
        ("reason", reason.as_deref().map(visible_line).unwrap_or_default()),
        ("from", format!("{from} of {owner}")),
        ("to", offer.to.to_string()),
        ("accepted by", receiver.as_ref().map(|taken| taken.by.to_string()).unwrap_or_default()),
        ("deadline", instant(offer.deadline_at_ms)),
        ("task", offer.task.as_ref().map(|task| short(task.as_str())).unwrap_or_default()),
        ("comes with", format!("{}{}", offer.input_contract, more(&artifacts))),
        ("expects", offer.output_contract.to_string()),
        ("from whom can", offer.capabilities.join(", ")),
        ("rests on", rests_on.join(", ")),
        ("revision", reply.revision.to_string()),
    ]);
    if !offer.description.is_empty() {
        text.push_str(&format!("\n{}\n", visible(&offer.description)));
    }
    for step in history {
        text.push_str(&format!("{}  {} by {}\n", instant_ms(step.at_ms), step.state.name(), step.by));
    }
    text.push_str(&format!("\ninput    {}\n", visible(&format!("{:#}", offer.input))));
    if let Some(result) = result {
        text.push_str(&format!("\noutput   {}\n", visible(&format!("{:#}", result.output))));
    }
    text
}

fn more(artifacts: &[String]) -> String {
    if artifacts.is_empty() { String::new() } else { format!(", and {}", artifacts.join(", ")) }
}
