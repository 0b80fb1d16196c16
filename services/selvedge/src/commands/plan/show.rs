//! `selvedge plan show`.

use clap::Args;
use selvedge_contracts::payload::{case::CaseLine, plan::PlanReply};

use super::{PlanNamed, consents::Consents, short, tree, whole};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::Done,
    output::{fields, instant, visible_line},
};

/// Show a plan, and how each of its tasks stands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan show 0a1b2c3d4e5f
  selvedge plan show 0a1b2c3d4e5f --as ada -o json")]
pub(crate) struct Show {
    /// The plan: its id, or the first 8 or more hex digits of it.
    plan: PlanNamed,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = self.plan.find(&asking.client).await?;
        let reply = whole::shown(&asking.client, plan).await?;
        let consents = Consents::of(&asking.client, &reply.tasks).await?;
        context.output.print(&reply, |reply| human_with(reply, &consents))?;
        Ok(())
    }
}

/// A plan none of whose tasks waits for a consent that is known of.
pub(super) fn human(reply: &PlanReply) -> String {
    human_with(reply, &Consents::default())
}

fn human_with(reply: &PlanReply, consents: &Consents) -> String {
    let plan = &reply.plan;
    let head = fields(&[
        ("plan", plan.id.to_string()),
        ("title", visible_line(&plan.spec.title)),
        ("state", plan.state.name().to_owned()),
        ("reason", plan.reason.as_deref().map(visible_line).unwrap_or_default()),
        ("planner", format!("{} of {}", plan.planner, plan.owner)),
        ("submitted", instant(plan.submitted_at_ms)),
        ("revision", reply.revision.to_string()),
    ]);
    let cases: String = reply.cases.iter().map(case).collect();
    format!("{head}\n{}{cases}", tree::of(reply, consents))
}

fn case(case: &CaseLine) -> String {
    let reason = case.reason.as_deref().map(visible_line).unwrap_or_default();
    let (why, state) = (case.why.name(), case.state.name());
    format!(
        "\ncase {} about {}, {why}, {state}: asks an {}: {reason}",
        short(case.id.as_str()),
        case.name,
        case.to
    )
}
