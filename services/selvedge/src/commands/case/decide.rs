//! `selvedge case decide`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use selvedge_contracts::{
    call,
    id::{Digest, TaskName},
    payload::case::{Case, CaseDecide, CaseShow, Choice},
};
use selvedge_kit::client::Client;

use super::{CaseNamed, show::human};
use crate::{
    commands::{lease::Who, plan::plan_in},
    connect::Context,
    exit::{Done, Failure},
};

/// Decide a case, signed with your identity key. The first decision stands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge case decide 0a1b2c3d4e5f retry --note 'the table has a header' --reason 'it was close' --as judy
  selvedge case decide 0a1b2c3d4e5f accept --digest af1349b9f5f9 --reason 'the check is too strict' --as judy
  selvedge case decide 0a1b2c3d4e5f split --plan smaller.yaml --result join --reason 'too much at once' --as judy
  selvedge case decide 0a1b2c3d4e5f escalate --reason 'not mine to decide' --as judy
  selvedge case decide 0a1b2c3d4e5f abort --reason 'nobody wants it any more'

It ends with 4 if somebody else was first, with 5 if you are not asked, or would accept what is your own.")]
pub(crate) struct Decide {
    /// The case: its id, or the first 8 or more hex digits of it.
    case: CaseNamed,
    /// What.
    #[arg(value_enum)]
    decision: Word,
    /// Why.
    #[arg(long)]
    reason: String,
    /// With retry: what the next worker is told.
    #[arg(long)]
    note: Option<String>,
    /// With accept: the output's digest, or the first 8 or more digits of it; the only one there is, if not said.
    #[arg(long)]
    digest: Option<String>,
    /// With split: file with the plan that takes the task's place, YAML or JSON, or - for standard input.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// With split: the task of that plan whose output becomes the task's.
    #[arg(long, value_name = "NAME")]
    result: Option<TaskName>,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// One more attempt.
    Retry,
    /// One of the outputs is the task's.
    Accept,
    /// Another plan does it.
    Split,
    /// The next step of the escalation path, at once.
    Escalate,
    /// It will not be done.
    Abort,
}

impl Decide {
    pub(super) async fn run(self, context: &Context) -> Done {
        self.fits()?;
        let asking = self.who.anybody(context).await?;
        let case = self.case.find(&asking.client).await?;
        let decision = match (self.decision, &self.plan, &self.result) {
            (Word::Retry, ..) => Choice::Retry { note: self.note.clone() },
            (Word::Escalate, ..) => Choice::Escalate,
            (Word::Abort, ..) => Choice::Abort,
            (Word::Accept, ..) => {
                let shown = show(&asking.client, &CaseShow { case: case.clone() }).await?;
                Choice::Accept { output: meant(&shown, self.digest.as_deref())? }
            }
            (Word::Split, Some(file), Some(result)) => {
                Choice::Split { plan: Box::new(plan_in(file)?), result: result.clone() }
            }
            (Word::Split, ..) => return Err(Failure::usage("a split needs --plan FILE and --result NAME")),
        };
        let decide = CaseDecide { case, decision, reason: self.reason };
        let reply = asking.client.call::<call::CaseDecide>(&decide).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }

    /// Refuses what belongs to another decision.
    fn fits(&self) -> Result<(), Failure> {
        let options = [
            ("--note", self.note.is_some(), Word::Retry),
            ("--digest", self.digest.is_some(), Word::Accept),
            ("--plan", self.plan.is_some(), Word::Split),
            ("--result", self.result.is_some(), Word::Split),
        ];
        let foreign = options.iter().find(|(_, is_said, word)| *is_said && *word != self.decision);
        foreign.map_or(Ok(()), |(option, ..)| {
            Err(Failure::usage(format!("{option} belongs to another decision; see --help")))
        })
    }
}

async fn show(client: &Client, wanted: &CaseShow) -> Result<Case, Failure> {
    Ok(client.call::<call::CaseShow>(wanted).await?.reply.case)
}

/// The one output that is meant.
fn meant(case: &Case, said: Option<&str>) -> Result<Digest, Failure> {
    /// Fewest hex digits by which an output may be named.
    const FEWEST: usize = 8;
    if said.is_some_and(|said| said.len() < FEWEST) {
        return Err(Failure::usage(format!("say {FEWEST} or more digits of the digest")));
    }
    let mut found: Vec<&Digest> = case
        .outputs
        .iter()
        .map(|output| &output.digest)
        .filter(|digest| said.is_none_or(|said| digest.as_str().starts_with(said)))
        .collect();
    found.dedup();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::usage("the case has no such output; `selvedge case show` shows those there are")),
        _ => Err(Failure::usage("the case has several such outputs: say --digest, with more digits")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_output_is_named_by_its_first_digits_or_by_being_the_only_one() {
        let output = |digit: &str| {
            json!({ "digest": digit.repeat(64), "task": "a", "attempt": 1, "worker": "ada-0a1b2c3d",
                "owner": "person:ada", "revision": 1, "is_validated": false, "value": 1 })
        };
        let case = |outputs: serde_json::Value| -> Case {
            serde_json::from_value(json!({
                "id": format!("case_{}", "0a".repeat(16)), "mission": "demo",
                "plan": format!("plan_{}", "0a".repeat(32)), "task": format!("task_{}", "0a".repeat(16)),
                "name": "a", "attempt": 1, "why": "conflict", "spec": { "id": "a", "title": "a" },
                "letter": format!("dead_{}", "0a".repeat(16)), "arbitration": {}, "opened_at_ms": 0,
                "state": "open", "step": 0, "step_at_ms": 0, "splits": 0, "outputs": outputs,
            }))
            .unwrap()
        };
        let two = case(json!([output("a"), output("b")]));
        assert_eq!(meant(&two, Some("aaaaaaaa")).unwrap().as_str(), "a".repeat(64));
        assert!(meant(&two, None).is_err() && meant(&two, Some("cccccccc")).is_err());
        assert!(meant(&two, Some("a")).is_err());
        assert_eq!(meant(&case(json!([output("b")])), None).unwrap().as_str(), "b".repeat(64));
        assert!(meant(&case(json!([])), None).is_err());
    }
}
