//! `selvedge lease hold`: a command that runs only as long as its lease is held.

mod command;
mod renewals;
mod signals;
mod terminal;

use std::{ffi::OsString, time::Duration};

use clap::Args;
use selvedge_contracts::payload::lease::{Acquire as Request, Lease, LeaseList, LeaseState};

use self::{
    command::{Ended, Running},
    renewals::Renewals,
    signals::{Heard, Signals},
};
use super::{
    Asking,
    acquire::Wanted,
    left, list,
    queue::{Queue, fresh_key, release},
    watch::Events,
};
use crate::{
    connect::Context,
    exit::{Done, Failure, INTERRUPTED},
    input,
    output::{Format, hint},
    stop,
};
use selvedge_kit::clock::now_ms;

/// Take a lease, run a command under it, and give it back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease hold src/ -- make format
  selvedge lease hold Cargo.lock --wait 2m --purpose 'new dependency' -- cargo update
  selvedge lease hold --resource port:8080 -- sh -c 'serve --fence $SELVEDGE_LEASE_TOKEN'

The command finds SELVEDGE_LEASE, SELVEDGE_LEASE_TOKEN, SELVEDGE_SPACE, SELVEDGE_AGENT and
SELVEDGE_MISSION in its environment. The lease is renewed at a third of its life. If it is lost (taken,
over with its session, or not renewed in time), the command's process group is told to end with
SIGTERM, killed after --grace or when the lease's time is over, and hold ends with 75. A lease that is
not renewed counts as lost a tenth of its life, at most 5 seconds, before its end: a command that needs
longer to end wants a longer --ttl. Else hold ends as the command does: with its code, or with 128 and
the number of the signal that ended it; with 126 or 127 if it could not be run. Signals
are passed on. What the command leaves running in the background is not waited for.")]
pub(crate) struct Hold {
    #[command(flatten)]
    wanted: Wanted,
    /// How long the command may take to end once the lease is lost, before it is killed; never longer than
    /// the lease would have lasted.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = input::milliseconds)]
    grace: u64,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Hold {
    pub(super) async fn run(self, context: &Context) -> Done {
        // Before anything is held: a signal may come at any time.
        let mut signals = Signals::listen()?;
        let stop = stop::on_signal()?;
        let (request, claims, _) = self.wanted.request()?;
        let asking = self.wanted.who.agent(context).await?;
        let queue =
            Queue { asking: &asking, request: request.clone(), key: fresh_key(), output: context.output };
        let lease = queue.acquire(&stop).await;
        let lease = lease.map_err(|failure| self.wanted.refused(context, &claims, failure))?;
        let ended = if stop.is_cancelled() {
            Err(Failure::Ended(INTERRUPTED))
        } else {
            self.under(context, &asking, &mut signals, &lease).await
        };
        match ended {
            // It is somebody else's by now, or nobody's.
            Err(Failure::Lost(reason)) => {
                Err(Failure::Lost(format!("{reason}{}", holders(&asking, &request).await)))
            }
            ended => {
                release(&asking, &request, lease.id).await;
                ended
            }
        }
    }

    /// Runs the command under the lease.
    async fn under(&self, context: &Context, asking: &Asking, signals: &mut Signals, lease: &Lease) -> Done {
        // Before the first renewal: what happens before it is seen by it, what happens later is heard.
        let mut events = Events::of(asking, lease).await?;
        let mut renewals = Renewals::new(asking, lease)?;
        renewals.begin().await.map_err(Failure::Lost)?;
        let mut running =
            Running::start(&self.command, &environment(context, asking, lease, renewals.token()))?;
        let ended = {
            let kept = renewals.keep(&mut events);
            tokio::pin!(kept);
            loop {
                tokio::select! {
                    ended = running.ended() => break Ok(ended?),
                    reason = &mut kept => break Err(reason),
                    heard = signals.next() => match heard {
                        Heard::Pass(signal) => running.signal(signal),
                        Heard::Child => running.look_at_suspension(),
                    },
                }
            }
        };
        match ended {
            Ok(Ended(0)) => Ok(()),
            Ok(Ended(code)) => Err(Failure::Ended(code)),
            Err(reason) => {
                if context.output == Format::Human {
                    hint(&format!("the lease {} is lost; the command is told to end", lease.id));
                }
                // When its time is over another may work on it: there is no grace beyond that.
                running.stop(Duration::from_millis(self.grace).min(renewals.left())).await?;
                Err(Failure::Lost(format!(
                    "the lease {} was lost and the command stopped: {reason}",
                    lease.id
                )))
            }
        }
    }
}

/// What the command finds in its environment.
fn environment(
    context: &Context,
    asking: &Asking,
    lease: &Lease,
    token: u64,
) -> Vec<(&'static str, OsString)> {
    vec![
        ("SELVEDGE_LEASE", lease.id.as_str().into()),
        ("SELVEDGE_LEASE_TOKEN", token.to_string().into()),
        ("SELVEDGE_SPACE", lease.space.as_str().into()),
        // So that the verbs and the hook within mean the same.
        ("SELVEDGE_AGENT", asking.me.as_str().into()),
        ("SELVEDGE_MISSION", asking.mission.as_str().into()),
        ("SELVEDGE_KLUSTER", context.kluster.as_str().into()),
        ("SELVEDGE_HOME", context.home.path().into()),
    ]
}

/// Who holds what was claimed, if anybody does and it can be known.
async fn holders(asking: &Asking, request: &Request) -> String {
    let wanted = LeaseList {
        space: Some(request.space.clone()),
        except: Some(asking.me.clone()),
        state: Some(LeaseState::Held),
        claims: Some(request.claims.clone()),
        ..LeaseList::default()
    };
    let found = list::all(&asking.client, &wanted).await.unwrap_or_default();
    found.iter().fold(String::new(), |text, lease| {
        let claims: Vec<String> = lease.claims.iter().map(ToString::to_string).collect();
        let remaining = left(lease.remaining_ms(now_ms()));
        text + &format!("\n  now {} holds {} ({remaining} left)", lease.holder, claims.join(", "))
    })
}
