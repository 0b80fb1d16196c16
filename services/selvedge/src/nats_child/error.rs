//! What can go wrong with the child.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why nats-server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none on this machine.
    #[error(
        "no nats-server of version {wanted} or newer: put one on PATH, name one in SELVEDGE_NATS_SERVER, \
         or run `make nats` in Selvedge's sources{rejected}"
    )]
    NotFound {
        /// The oldest version that will do.
        wanted: &'static str,
        /// Those that were found and will not do, each with its reason.
        rejected: String,
    },
    /// The one that was named will not do.
    #[error("SELVEDGE_NATS_SERVER={} will not do: {reason}", path.display())]
    Named {
        /// What it names.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file or folder could not be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The configuration could not be made from the key folder.
    #[error("cannot write nats-server's configuration")]
    Keys(#[from] selvedge_kit::authority::Error),
    /// A nats-server of an earlier run could not be stopped.
    #[error("a nats-server of an earlier run of this folder, process {pid}, does not stop: end it by hand")]
    Leftover {
        /// Its process id.
        pid: i32,
    },
    /// It could not be started.
    #[error("cannot start nats-server")]
    Spawn(#[source] io::Error),
    /// It ended before it was ready.
    #[error("nats-server ended before it was ready ({}); the end of its log:\n{log}", ended(*status))]
    Ended {
        /// How it ended.
        status: Option<ExitStatus>,
        /// The last lines it wrote.
        log: String,
    },
    /// It takes too long.
    #[error("nats-server is not ready after {} s; the end of its log:\n{log}", waited.as_secs())]
    NotReady {
        /// How long was waited.
        waited: Duration,
        /// The last lines it wrote.
        log: String,
    },
}

fn ended(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "nobody knows how".to_owned(), |status| status.to_string())
}
