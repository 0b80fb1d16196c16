//! `selvedge plan submit`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    payload::plan::{Plan, PlanChecked, PlanState, PlanSubmit},
};

use super::{file, short, show, whole};
use crate::{
    commands::{creating::Creating, lease::Who},
    connect::Context,
    exit::{Done, Ending},
    output::fields,
};

/// Submit a plan: the same plan again is the same plan.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan submit plan.yaml --as pia
  selvedge plan submit plan.json --check --as pia
  generate-plan | selvedge plan submit - --occurrence 2026-11-21 --as pia -o json
  selvedge plan submit plan.yaml --overlap proceed --as pia

The file holds contract plan/1, as JSON or YAML (contracts/schemas/dispatcher.plan_submit.1.json). A plan that
is wrong is refused with everything that is wrong, and nothing is recorded. Nothing is recorded either of a plan
that looks like one that is there, or on its way, before it is decided what is to become of it: that is asked on a
terminal or said by --overlap, else the exit code is 17.")]
pub(crate) struct Submit {
    /// File with the plan, or - for standard input.
    file: PathBuf,
    /// Only say what is wrong with it.
    #[arg(long)]
    check: bool,
    /// Do the same plan once more: a name for this time.
    #[arg(long, value_name = "NAME")]
    occurrence: Option<String>,
    #[command(flatten)]
    creating: Creating,
    #[command(flatten)]
    who: Who,
}

impl Submit {
    pub(super) async fn run(self, context: &Context) -> Done {
        let mut plan = file::plan(&self.file)?;
        plan.occurrence = self.occurrence.or(plan.occurrence);
        let asking = self.who.anybody(context).await?;
        let submit = PlanSubmit { plan };
        if !self.check {
            let client = &asking.client;
            let create =
                async || client.call::<call::PlanSubmit>(&submit).await.map(|answered| answered.reply);
            let Some(reply) = self.creating.run(client, create).await? else { return Ok(()) };
            context.output.print(&whole::whole(client, reply.clone()).await?, show::human)?;
            return over(&reply.plan);
        }
        let checked = asking.client.call::<call::PlanCheck>(&submit).await?.reply;
        if !checked.errors.is_empty() {
            let fault = Fault { details: checked.errors, ..Fault::invalid("the plan is wrong in itself") };
            return Err(fault.into());
        }
        context.output.print(&checked, human)?;
        Ok(())
    }
}

/// The same plan again is the same plan: of one that was cancelled nothing will come, whoever submits it.
fn over(plan: &Plan) -> Done {
    if plan.state != PlanState::Cancelled {
        return Ok(());
    }
    let why = "the same plan was submitted before and is cancelled: nothing will be done; to do it once more, name the time with --occurrence NAME";
    Err(Ending::Cancelled.failure(why, &[]))
}

fn human(checked: &PlanChecked) -> String {
    fields(&[("plan", short(checked.id.as_str())), ("errors", "none".to_owned())])
}
