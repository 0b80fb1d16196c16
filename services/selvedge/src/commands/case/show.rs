//! `selvedge case show`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::{
        case::{Case, CaseOutput, CaseReply, CaseShow, Decided},
        task::Input,
    },
};

use super::CaseNamed;
use crate::{
    commands::{lease::Who, plan::short},
    connect::Context,
    exit::Done,
    output::{fields, instant, visible, visible_line},
};

/// Show a case: what was to be done, what came of each attempt, what was handed in and on what it rests.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge case show 0a1b2c3d4e5f
  selvedge case show 0a1b2c3d4e5f --as judy -o json

Of outputs that disagree, the one that stands first is newer.")]
pub(crate) struct Show {
    /// The case: its id, or the first 8 or more hex digits of it.
    case: CaseNamed,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let case = self.case.find(&asking.client).await?;
        let reply = asking.client.call::<call::CaseShow>(&CaseShow { case }).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

pub(super) fn human(reply: &CaseReply) -> String {
    let case = &reply.case;
    let (to, queue) = case.asks();
    let mut text = fields(&[
        ("case", case.id.to_string()),
        ("task", format!("{}/{}", short(case.plan.as_str()), case.name)),
        ("title", visible_line(&case.spec.title)),
        ("why", case.why.name().to_owned()),
        ("state", case.state.name().to_owned()),
        ("asks", format!("{to}, in the queue {queue}")),
        ("until", case.due_at_ms().map(instant).unwrap_or_default()),
        ("opened", instant(case.opened_at_ms)),
        ("rests on", inputs(&case.inputs)),
        ("letter", short(case.letter.as_str())),
        ("decision", decision(case)),
    ]);
    if !case.spec.description.is_empty() {
        text.push_str(&format!("\n{}\n", visible(&case.spec.description)));
    }
    for past in &case.past {
        let (cause, reason) = (past.cause.name(), visible_line(&past.reason));
        text.push_str(&format!("attempt {} by {} ({cause}): {reason}\n", past.attempt, past.worker));
    }
    for finding in &case.findings {
        let mark = if finding.passed { '✓' } else { '✗' };
        text.push_str(&format!("{mark} {}: {}\n", visible_line(&finding.check), visible_line(&finding.seen)));
    }
    for output in &case.outputs {
        text.push_str(&handed_in(output));
    }
    text
}

fn handed_in(output: &CaseOutput) -> String {
    let value = output.value.as_ref().map_or_else(|| "(too large)".to_owned(), |value| format!("{value:#}"));
    let validated = if output.is_validated { ", validated" } else { "" };
    format!(
        "\noutput {} of {}, attempt {}{validated}, at revision {}\n  by {} of {}; rests on {}\n{}\n",
        output.digest,
        output.task,
        output.attempt,
        output.revision,
        output.worker,
        output.owner,
        if output.inputs.is_empty() { "nothing".to_owned() } else { inputs(&output.inputs) },
        visible(&value)
    )
}

fn inputs(inputs: &[Input]) -> String {
    let said: Vec<_> = inputs
        .iter()
        .map(|input| {
            let digest: String = input.digest.as_str().chars().take(12).collect();
            format!("{} {digest} at revision {}", input.task, input.revision)
        })
        .collect();
    said.join(", ")
}

fn decision(case: &Case) -> String {
    let Some(decision) = &case.decision else { return String::new() };
    let more = match &decision.what {
        Decided::Split { plan, result } => format!(" into {}, for its {result}", short(plan.as_str())),
        Decided::Accept { output, .. } => format!(" {output}"),
        Decided::Retry { note } => {
            note.as_deref().map(|note| format!(", note: {}", visible_line(note))).unwrap_or_default()
        }
        Decided::Abort => String::new(),
    };
    format!("{}{more}, by {}: {}", decision.what.name(), decision.by, visible_line(&decision.reason))
}
