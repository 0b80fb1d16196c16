//! `selvedge task claim` and `renew`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{ClaimToken, QueueName},
    payload::{
        plan::UndoWish,
        task::{Claimed, MAX_CLAIM_WAIT_MS, TaskClaim, TaskRenew, TaskRenewed},
    },
};
use selvedge_kit::authority::UserKey;

use super::TaskNamed;
use crate::{
    commands::{
        lease::{Asking, Who},
        plan::short,
    },
    connect::Context,
    exit::{Done, Failure, INTERRUPTED},
    input::milliseconds,
    output::{fields, instant, visible, visible_line},
    stop,
};

/// Take the next task of a queue: it is yours until its claim ends, unless you renew it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task claim --as ada
  selvedge task claim --queue rust --wait 10m --ttl 2m --as ada -o json
  selvedge task claim --creds task.creds --as ada
  task=$(selvedge task claim --wait 1h --as ada -o json | jq -r .task.id)

It ends with 3 if no task came within the wait. Renew before the claim's end (`selvedge task renew`); what is
handed in after it is refused.")]
pub(crate) struct Claim {
    /// The queue.
    #[arg(long, default_value = "default")]
    queue: QueueName,
    /// How long to wait for a task.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = milliseconds)]
    wait: u64,
    /// How long the claim lasts without being renewed: 2s to 1h.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = milliseconds)]
    ttl: u64,
    /// Have a credential made for this attempt alone, and write it there (mode 0600): it ends with the attempt.
    #[arg(long, value_name = "FILE")]
    creds: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

impl Claim {
    pub(super) async fn run(self, context: &Context) -> Done {
        let stop = stop::on_signal()?;
        let asking = self.who.agent(context).await?;
        let key = self.creds.is_some().then(UserKey::generate);
        match stop.run_until_cancelled(self.wait_for_one(&asking, key.as_ref())).await {
            Some(Ok(Some(claimed))) => {
                if let (Some(path), Some(key)) = (&self.creds, &key) {
                    keep(&claimed, key, path)?;
                }
                Ok(context.output.print(&claimed, human)?)
            }
            Some(Ok(None)) => {
                let message = format!("no task of the queue {} came within the wait", self.queue);
                Err(Fault::not_found(message).into())
            }
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::Ended(INTERRUPTED)),
        }
    }

    /// Asks on: each call waits for some seconds and is answered as soon as there is a task.
    async fn wait_for_one(&self, asking: &Asking, key: Option<&UserKey>) -> Result<Option<Claimed>, Failure> {
        let credential_key = key.map(UserKey::public).transpose()?;
        let until = Instant::now() + Duration::from_millis(self.wait);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let claim = TaskClaim {
                queue: Some(self.queue.clone()),
                wait_ms: Some(left_ms.min(MAX_CLAIM_WAIT_MS)),
                ttl_ms: Some(self.ttl),
                credential_key: credential_key.clone(),
            };
            let claimed = asking.client.call::<call::TaskClaim>(&claim).await?.reply.claimed;
            if claimed.is_some() || left.is_zero() {
                return Ok(claimed);
            }
        }
    }
}

/// Writes the credential that came with the claim.
fn keep(claimed: &Claimed, key: &UserKey, path: &Path) -> Result<(), Failure> {
    let jwt = claimed.credential.as_ref().and_then(|granted| granted.credential.jwt.clone());
    let jwt =
        jwt.ok_or_else(|| Fault::internal("the claim came without the credential that was asked for"))?;
    key.credential(jwt)?.write(path)?;
    Ok(())
}

fn human(claimed: &Claimed) -> String {
    let Claimed { task, spec, inputs, plan_title, .. } = claimed;
    let claim = task.claim.as_ref();
    let mut text = fields(&[
        ("task", task.id.to_string()),
        ("plan", format!("{}/{}: {}", short(task.plan.as_str()), task.name, visible_line(plan_title))),
        ("title", visible_line(&spec.title)),
        ("attempt", format!("{} of {}", task.attempt, spec.attempts)),
        ("token", claim.map(|claim| claim.token.to_string()).unwrap_or_default()),
        ("renew before", claim.map(|claim| instant(claim.until_ms())).unwrap_or_default()),
        ("deadline", claim.map(|claim| instant(claim.deadline_ms)).unwrap_or_default()),
    ]);
    if !spec.description.is_empty() {
        text.push_str(&format!("\n{}\n", visible(&spec.description)));
    }
    if let Some(note) = &task.note {
        text.push_str(&format!("note     {} (by {})\n", visible_line(&note.text), note.by));
    }
    for input in inputs {
        let value =
            input.value.as_ref().map_or_else(|| "(see `selvedge task show`)".to_owned(), ToString::to_string);
        text.push_str(&format!("input    {}: {}\n", input.input.task, visible_line(&value)));
    }
    for lease in claim.iter().flat_map(|claim| &claim.leases) {
        text.push_str(&format!("lease    {} in {}, token {}\n", lease.lease, lease.space, lease.token));
    }
    for effect in &spec.effects {
        let undo = if effect.undo == UndoWish::Required { ", with its undo" } else { "" };
        text.push_str(&format!("effect   {}: {}{undo}\n", effect.name, visible_line(&effect.on.to_string())));
    }
    text
}

/// Renew the claim of a task that you have: it lasts its whole time from now on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task renew 0a1b2c3d4e5f/write-tests --as ada")]
pub(crate) struct Renew {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    /// The claim's token; that of the claim in force if absent.
    #[arg(long)]
    token: Option<ClaimToken>,
    #[command(flatten)]
    who: Who,
}

impl Renew {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.agent(context).await?;
        let (task, token) = self.task.held(&asking, self.token.as_ref()).await?;
        let renewed = asking.client.call::<call::TaskRenew>(&TaskRenew { task, token }).await?.reply;
        let human = |renewed: &TaskRenewed| format!("renewed until {}", instant(renewed.until_ms));
        Ok(context.output.print(&renewed, human)?)
    }
}
