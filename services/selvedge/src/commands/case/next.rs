//! `selvedge case next`.

use std::time::{Duration, Instant};

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{CaseId, QueueName},
    payload::case::{CaseNext, CaseReply, MAX_CASE_WAIT_MS},
};

use super::{CaseNamed, show::human};
use crate::{
    commands::lease::{Asking, Who},
    connect::Context,
    exit::{Done, Failure, INTERRUPTED},
    input::milliseconds,
    stop,
};

/// Show the case that has waited longest for your role, or wait for one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge case next --wait 10m --as judy
  case=$(selvedge case next --wait 1h --as judy -o json | jq -r .case.id)

It ends with 3 if no case came within the wait. It gives the case to nobody alone: of several decisions, the first
one stands.")]
pub(crate) struct Next {
    /// The queue.
    #[arg(long, default_value = "default")]
    queue: QueueName,
    /// How long to wait for a case.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = milliseconds)]
    wait: u64,
    /// Leave this case to others; as often as wanted.
    #[arg(long, value_name = "CASE")]
    except: Vec<CaseNamed>,
    #[command(flatten)]
    who: Who,
}

impl Next {
    pub(super) async fn run(self, context: &Context) -> Done {
        let stop = stop::on_signal()?;
        let asking = self.who.anybody(context).await?;
        let mut except = Vec::new();
        for case in &self.except {
            except.push(case.find(&asking.client).await?);
        }
        match stop.run_until_cancelled(self.wait_for_one(&asking, &except)).await {
            Some(Ok(Some(found))) => Ok(context.output.print(&found, human)?),
            Some(Ok(None)) => {
                let message = format!("no case of the queue {} came within the wait", self.queue);
                Err(Fault::not_found(message).into())
            }
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::Ended(INTERRUPTED)),
        }
    }

    /// Asks on: each call waits for some seconds and is answered as soon as there is a case.
    async fn wait_for_one(&self, asking: &Asking, except: &[CaseId]) -> Result<Option<CaseReply>, Failure> {
        let until = Instant::now() + Duration::from_millis(self.wait);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let next = CaseNext {
                queue: Some(self.queue.clone()),
                wait_ms: Some(left_ms.min(MAX_CASE_WAIT_MS)),
                except: except.to_vec(),
            };
            let found = asking.client.call::<call::CaseNext>(&next).await?.reply.found;
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
        }
    }
}
