//! `selvedge verifier`.

use std::{sync::Arc, time::Duration};

use clap::Args;
use selvedge_contracts::{id::QueueName, role::Role};

use super::{attending::Attending, lease::Who};
use crate::{
    bounds::Bounds,
    connect::Context,
    exit::Done,
    input::milliseconds,
    verifier::{Setup, verify},
};

/// Run the commands of tasks' checks on what was handed in, and judge by what is seen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge verifier --as vera
  selvedge verifier --as vera --queue rust --cap 2 --read ~/.cargo --read ~/.rustup --pass-env RUSTUP_HOME
  selvedge verifier --as vera --idle-exit 1m -o jsonl

It takes what others handed in and waits for a verdict, makes a clean checkout of the base with the change set
in it, and runs each command of the task's checks there: in a fresh environment, sandboxed, within its time
and memory. The evidence says by what it was isolated, how the command ended, which base, change and tree were
looked at, where the whole log is stored (artifacts keep it for artifacts.grace_ms), and the end of it.
The command finds SELVEDGE_OUTPUT (what was handed in) and SELVEDGE_TASK_FILE. Where the checkout cannot be
made, or a program is missing here, the task is left to others after three tries: nothing is judged then.")]
pub(crate) struct Verifier {
    /// Only tasks of this queue; of all if absent.
    #[arg(long)]
    queue: Option<QueueName>,
    /// Most tasks at once: 1 to 256.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    cap: u16,
    /// One task, then exit.
    #[arg(long)]
    once: bool,
    /// Exit after so long without a task.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    idle_exit: Option<u64>,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    who: Who,
}

impl Verifier {
    pub(crate) async fn run(self, context: &Context) -> Done {
        let held = self.bounds.held(context, &[], false)?;
        let folder = self.bounds.work_folder.as_deref();
        let attending = Attending::begin(context, &self.who, Some(Role::Verifier), folder).await?;
        let setup = Setup {
            client: attending.client.clone(),
            queue: self.queue,
            cap: usize::from(self.cap),
            once: self.once,
            idle_exit: self.idle_exit.map(Duration::from_millis),
            rooms: attending.rooms()?,
            events: attending.events,
            stop: attending.stop.clone(),
            left: Default::default(),
            held,
        };
        attending.events.tell("started", &setup.held.isolation.told());
        let stopped = "what is under way is stopped and left to others".to_owned();
        attending.until_stopped(stopped, verify(Arc::new(setup))).await
    }
}
