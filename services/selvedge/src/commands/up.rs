//! `selvedge up`.

use clap::Args;
use selvedge_contracts::{id::Mission, role::Service};

use crate::{connect::Context, exit::Failure, up};

/// Starts the fabric: nats-server, every service, keys and streams; stays until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  selvedge up                            in ./.selvedge, on port 4222
  selvedge up --port 0 --output json     on any free port; the first line of output says which
  selvedge up --mission auth --mission billing
  selvedge up --without committer        for `selvedge serve committer` in a process of its own

Ctrl-C drains: requests in flight are answered, then nats-server stops. A second Ctrl-C ends at once.")]
pub(crate) struct Up {
    /// Port for clients; 0 takes any that is free. Else server.port of the settings.
    #[arg(long)]
    port: Option<u16>,
    /// Mission to be there; may be given several times. On the first start, demo.
    #[arg(long = "mission", value_name = "NAME")]
    missions: Vec<Mission>,
    /// Service that other processes run; may be given several times.
    #[arg(long, value_name = "SERVICE")]
    without: Vec<Service>,
}

impl Up {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`up::run`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        let Self { port, missions, without } = self;
        up::run(context, up::Wanted { port, missions, without }).await
    }
}
