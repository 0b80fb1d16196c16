//! `selvedge init`.

use std::path::PathBuf;

use clap::Args;

use crate::{connect::Context, exit::Failure, init};

/// Makes a fabric of a NATS cluster that somebody else runs, in two steps.
#[derive(Debug, Args)]
#[command(after_help = "\
Step 1, before the servers know us: makes the keys in the folder and writes nats-auth.conf, which
their operators include in every server's configuration.
Step 2, once they run with it: tells them the accounts, makes the streams, installs the operator and
writes the services' credentials. Both steps may be run again; they change only what is missing.

Examples:
  selvedge init --url nats://n1:4222,nats://n2:4222,nats://n3:4222 --out ./for-the-servers
  selvedge init --provision
  selvedge serve registry")]
pub(crate) struct Init {
    /// Servers, separated by commas; kept in the folder's selvedge.toml. Else the settings'.
    #[arg(long)]
    url: Option<String>,
    /// Copies of every stream, on different servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
    /// Folder for nats-auth.conf. Else the fabric's folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Step 2: the servers run with nats-auth.conf.
    #[arg(long)]
    provision: bool,
}

impl Init {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`init::prepare`] and [`init::provision`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        let Self { url, replicas, out, provision } = self;
        let wanted = init::Wanted { url, replicas, out };
        if provision {
            init::provision(&context, &wanted).await
        } else {
            init::prepare(&context, &wanted).await
        }
    }
}
