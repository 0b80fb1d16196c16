//! Tasks as people name them: by their ids, or as PLAN/NAME.

use std::str::FromStr;

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{ClaimToken, TaskId, TaskName},
    payload::task::{TaskShow, TaskShown},
};
use selvedge_kit::client::Client;

use crate::{
    commands::{lease::Asking, plan::PlanNamed},
    exit::Failure,
};

/// A task as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) enum TaskNamed {
    Id(TaskId),
    Of(PlanNamed, TaskName),
}

impl FromStr for TaskNamed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((plan, name)) => {
                Ok(Self::Of(plan.parse()?, TaskName::new(name).map_err(|error| error.to_string())?))
            }
            None => TaskId::new(text).map(Self::Id).map_err(|_| {
                format!(
                    "{text:?} is no task: expected its id, or PLAN/NAME, for example 0a1b2c3d4e5f/write-tests"
                )
            }),
        }
    }
}

impl TaskNamed {
    /// The task that is meant.
    ///
    /// # Errors
    /// As for the plan.
    pub(in crate::commands) async fn find(&self, client: &Client) -> Result<TaskId, Failure> {
        match self {
            Self::Id(id) => Ok(id.clone()),
            Self::Of(plan, name) => Ok(plan.find(client).await?.task(name)),
        }
    }

    /// The task that is meant, as it stands.
    ///
    /// # Errors
    /// As for the plan; `not_found`.
    pub(in crate::commands) async fn look(&self, client: &Client) -> Result<TaskShown, Failure> {
        let task = self.find(client).await?;
        let shown = client.call::<call::TaskShow>(&TaskShow { task }).await;
        Ok(shown.map_err(|fault| self.unless_unknown(fault))?.reply)
    }

    /// What is not there, as it was named.
    fn unless_unknown(&self, fault: Fault) -> Fault {
        match self {
            Self::Of(plan, name) if fault.code == Code::NotFound => Fault::not_found(format!(
                "plan {plan} has no task {name}; `selvedge plan show {plan}` shows those it has"
            )),
            _ => fault,
        }
    }

    /// The task that is meant, and the token of the claim under which the asker has it; the one said, if one
    /// is.
    ///
    /// # Errors
    /// Conflict if somebody else has it.
    pub(super) async fn held(
        &self,
        asking: &Asking,
        said: Option<&ClaimToken>,
    ) -> Result<(TaskId, ClaimToken), Failure> {
        if let Some(token) = said {
            return Ok((self.find(&asking.client).await?, token.clone()));
        }
        let task = self.look(&asking.client).await?.task;
        let held = task.and_then(|task| Some((task.id.clone(), task.claim?)));
        match held {
            Some((id, claim)) if claim.worker == asking.me => Ok((id, claim.token)),
            Some((_, claim)) => {
                Err(Fault::conflict(format!("{} has it, not {}", claim.worker, asking.me)).into())
            }
            None => Err(Fault::conflict("nobody has it; `selvedge task claim` takes one").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_its_id_or_its_place_in_a_plan() {
        assert!(
            matches!("0a1b2c3d4e5f/build".parse(), Ok(TaskNamed::Of(_, name)) if name.as_str() == "build")
        );
        assert!(matches!(format!("task_{}", "0a".repeat(16)).parse(), Ok(TaskNamed::Id(_))));
        for bad in ["build", "0a/build", "0a1b2c3d/", "task_0a"] {
            assert!(bad.parse::<TaskNamed>().is_err(), "{bad}");
        }
    }
}
