//! `selvedge task submit` and `fail`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{ClaimToken, TaskName},
    payload::task::{EffectOffer, Task, TaskFail, TaskReply, TaskState, TaskSubmit},
};

use super::TaskNamed;
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Ending, Failure},
    input,
    output::{fields, visible_line},
};

/// Hand in what was made of a task that you have; it is judged at once, as far as the service can.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task submit 0a1b2c3d4e5f/write-tests result.json --as ada
  echo '{\"passed\": true}' | selvedge task submit 0a1b2c3d4e5f/write-tests - --as ada -o json
  selvedge task submit 0a1b2c3d4e5f/land result.json --effect land=commit.json --as ada

It ends with 0 if what was handed in holds, waits for a verifier or for its effects, with 13 if it was found not to hold: there
is another attempt then, or none is left. What comes after the claim's end is refused (4) and kept as a dead
letter.")]
pub(crate) struct Submit {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    /// File with the output as JSON, or - for standard input.
    #[arg(value_name = "OUTPUT")]
    file: PathBuf,
    /// The claim's token; that of the claim in force if absent.
    #[arg(long)]
    token: Option<ClaimToken>,
    /// What the task is to change outside: the effect's name in the plan, and a file with the proposal as JSON
    /// (the payload of governance.propose). Once for each effect that the plan declares.
    #[arg(long = "effect", value_name = "NAME=FILE", value_parser = named_file)]
    effects: Vec<(TaskName, PathBuf)>,
    #[command(flatten)]
    who: Who,
}

fn named_file(text: &str) -> Result<(TaskName, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((TaskName::new(name).map_err(|error| error.to_string())?, PathBuf::from(file)))
}

/// What is in the files.
fn offers(effects: &[(TaskName, PathBuf)]) -> Result<Vec<EffectOffer>, Failure> {
    let mut offers = Vec::with_capacity(effects.len());
    for (name, file) in effects {
        let propose = serde_json::from_value(input::json(file)?).map_err(|error| {
            let message = format!("{}: no proposal: {error}", file.display());
            Fault::invalid(message)
                .at(format!("/effects/{name}"), "expected the payload of governance.propose")
        })?;
        offers.push(EffectOffer { name: name.clone(), propose });
    }
    Ok(offers)
}

impl Submit {
    pub(super) async fn run(self, context: &Context) -> Done {
        let (output, effects) = (input::json(&self.file)?, offers(&self.effects)?);
        let asking = self.who.agent(context).await?;
        let (task, token) = self.task.held(&asking, self.token.as_ref()).await?;
        let submit = TaskSubmit { task, token, output, effects };
        let reply = asking.client.call::<call::TaskSubmit>(&submit).await?.reply;
        context.output.print(&reply, human)?;
        match reply.task.state {
            TaskState::Submitted | TaskState::Committing | TaskState::Validated => Ok(()),
            _ => Err(Ending::Failed.failure("what was handed in does not hold", &[])),
        }
    }
}

/// Give up a task that you have: there is another attempt, or none is left.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task fail 0a1b2c3d4e5f/write-tests --reason 'the compiler is missing' --as ada
  selvedge task fail 0a1b2c3d4e5f/write-tests --reason 'it cannot be done' --final --as ada")]
pub(crate) struct Fail {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    /// Why.
    #[arg(long)]
    reason: String,
    /// It is not to be tried again.
    #[arg(long = "final")]
    is_final: bool,
    /// The claim's token; that of the claim in force if absent.
    #[arg(long)]
    token: Option<ClaimToken>,
    #[command(flatten)]
    who: Who,
}

impl Fail {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.agent(context).await?;
        let (task, token) = self.task.held(&asking, self.token.as_ref()).await?;
        let fail = TaskFail { task, token, reason: self.reason, is_final: self.is_final, is_returned: false };
        let reply = asking.client.call::<call::TaskFail>(&fail).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

pub(super) fn human(reply: &TaskReply) -> String {
    let Task { id, name, state, attempt, verdict, past, .. } = &reply.task;
    let mut text = fields(&[
        ("task", id.to_string()),
        ("name", name.to_string()),
        ("state", crate::output::name(state)),
        ("attempt", attempt.to_string()),
        (
            "reason",
            past.last()
                .filter(|past| past.attempt == *attempt)
                .map(|past| visible_line(&past.reason))
                .unwrap_or_default(),
        ),
        ("revision", reply.revision.to_string()),
    ]);
    for finding in verdict.iter().flat_map(|verdict| &verdict.findings) {
        let mark = if finding.passed { '✓' } else { '✗' };
        text.push_str(&format!("{mark} {}: {}\n", visible_line(&finding.check), visible_line(&finding.seen)));
    }
    let is_wanted = matches!(state, TaskState::Submitted | TaskState::Committing | TaskState::Validated);
    for effect in reply.task.effects.iter().filter(|_| is_wanted) {
        text.push_str(&format!("effect   {}: {}\n", effect.name, effect.intent));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_a_name_and_a_file() {
        let (name, file) = named_file("land=a=b.json").unwrap();
        assert_eq!((name.as_str(), file), ("land", PathBuf::from("a=b.json")));
        assert!(named_file("land").is_err() && named_file("Land=x").is_err());
    }
}
