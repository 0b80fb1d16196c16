//! `selvedge task judge` and `open`: what somebody else than the worker decides.

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    payload::{
        plan::Check,
        task::{Finding, TaskJudge, TaskOpen, commands},
    },
};

use super::{TaskNamed, hand_in::human};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Failure},
};

/// Judge what was handed in, as a verifier that is not the worker: what each command of its checks ended with.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task judge 0a1b2c3d4e5f/write-tests --passed 'status 0 in 3 s' --as vera
  selvedge task judge 0a1b2c3d4e5f/build --passed 'status 0' --failed 'status 101: 2 tests failed' --as vera

Say --passed or --failed, with what was seen, once for each command, in the order of the task's checks
(`selvedge task show`). If one failed, the attempt came to nothing.")]
pub(crate) struct Judge {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    /// A command ended with status 0: what was seen.
    #[arg(long, value_name = "EVIDENCE")]
    passed: Vec<String>,
    /// A command did not: what was seen.
    #[arg(long, value_name = "EVIDENCE")]
    failed: Vec<String>,
    #[command(flatten)]
    who: Who,
}

impl Judge {
    pub(super) async fn run(self, context: &Context) -> Done {
        let said = said(std::env::args());
        let asking = self.who.anybody(context).await?;
        let shown = self.task.look(&asking.client).await?;
        let Some(task) = shown.task else {
            return Err(Fault::conflict("nothing was handed in yet").into());
        };
        let checks: Vec<&Check> = commands(&shown.spec).collect();
        if checks.len() != said.len() {
            return Err(Failure::usage(format!(
                "the task has {} commands: say --passed or --failed for each, in their order",
                checks.len()
            )));
        }
        let finding = |(check, (passed, seen)): (&&Check, (bool, String))| Finding {
            check: check.to_string(),
            passed,
            seen,
        };
        let findings = checks.iter().zip(said).map(finding).collect();
        let judge = TaskJudge { task: task.id, attempt: task.attempt, findings };
        let reply = asking.client.call::<call::TaskJudge>(&judge).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// What was said of each command, in the order in which it was said: the grammar knows each option's values,
/// not how they were mixed.
fn said(arguments: impl Iterator<Item = String>) -> Vec<(bool, String)> {
    let mut said = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        for (option, passed) in [("--passed", true), ("--failed", false)] {
            match argument.strip_prefix(option) {
                Some("") => said.extend(arguments.next().map(|seen| (passed, seen))),
                Some(rest) => said.extend(rest.strip_prefix('=').map(|seen| (passed, seen.to_owned()))),
                None => {}
            }
        }
    }
    said
}

/// Let a task pass its gate: signed with your identity key, as an approver of another owner than the plan's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task show 0a1b2c3d4e5f/release --as olga     # what is asked
  selvedge task open 0a1b2c3d4e5f/release --as olga")]
pub(crate) struct Open {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    #[command(flatten)]
    who: Who,
}

impl Open {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.agent(context).await?;
        let task = self.task.find(&asking.client).await?;
        let reply = asking.client.call::<call::TaskOpen>(&TaskOpen { task }).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_stays_in_its_order() {
        let line = [
            "selvedge",
            "task",
            "judge",
            "x",
            "--failed",
            "one",
            "--passed=two",
            "--as",
            "v",
            "--failed",
            "three",
        ];
        let found = said(line.iter().map(ToString::to_string));
        let expected = [(false, "one"), (true, "two"), (false, "three")];
        assert_eq!(found, expected.map(|(passed, seen)| (passed, seen.to_owned())));
    }
}
