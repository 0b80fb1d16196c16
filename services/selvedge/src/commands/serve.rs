//! `selvedge serve`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::role::Service;

use crate::{connect::Context, exit::Failure, serve};

/// Runs services against a nats-server that runs already; as many replicas as wanted, anywhere.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  selvedge serve registry                                    one more replica beside `selvedge up`
  selvedge serve registry --url nats://n1:4222,nats://n2:4222 \\
      --creds registry.creds --signers signers/              on another machine

A machine without the key folder needs two things from the one where `selvedge init` ran:
creds/<kluster>/<service>.creds and, for the registry, authority/klusters/<kluster>/registry/.
SIGTERM or Ctrl-C drains. Liveness, readiness and metrics are served at telemetry.listen.")]
pub(crate) struct Serve {
    /// The services.
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<Service>,
    /// Servers, separated by commas. Else the settings', else the running `up`.
    #[arg(long)]
    url: Option<String>,
    /// Credential of the service; for one service at a time. Else the folder's.
    #[arg(long, value_name = "FILE")]
    creds: Option<PathBuf>,
    /// Folder with what the registry signs with. Else the folder's.
    #[arg(long, value_name = "DIR")]
    signers: Option<PathBuf>,
}

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`serve::run`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        let Self { mut services, url, creds, signers } = self;
        services.sort();
        services.dedup();
        if creds.is_some() && services.len() > 1 {
            return Err(Failure::Usage(
                "--creds is the credential of one service: run one `serve` for each".to_owned(),
            ));
        }
        serve::run(context, serve::Wanted { services, url, creds, signers }).await
    }
}
