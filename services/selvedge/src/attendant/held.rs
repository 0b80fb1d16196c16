//! An attendant, seen from whoever wants the command.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context as _;
use selvedge_kit::authority::files;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
};

use super::{ATTEND, Ended, Order, capture::tail, run::own_binary};
use crate::exit::Failure;

/// How much of what an attendant says is shown if it fails, in bytes.
const SAID_BYTES: usize = 400;

/// A command and its attendant. Dropped, both end at once.
pub(crate) struct Attended {
    child: Child,
    line: ChildStdin,
    order: Order,
    said: PathBuf,
}

impl Attended {
    /// Starts a command; the order and what the attendant says are kept in `folder`, under `name`.
    pub(crate) fn start(order: Order, folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = folder.join(format!("{name}.order"));
        files::write(&path, &serde_json::to_string(&order).context("cannot write an order")?)?;
        let said = folder.join(format!("{name}.attendant"));
        let log = std::fs::File::create(&said).context("cannot keep what an attendant says")?;
        let mut command = Command::new(own_binary()?);
        command.arg(ATTEND).arg(&path).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().context("cannot start an attendant")?;
        let line = child.stdin.take().context("an attendant without a standard input")?;
        Ok(Self { child, line, order, said })
    }

    /// Waits until nothing of it is left.
    pub(crate) async fn ended(&mut self) -> Result<Ended, Failure> {
        let status = self.child.wait().await.context("cannot wait for an attendant")?;
        let ended = std::fs::read(&self.order.ended).ok().filter(|_| status.success());
        let ended = ended.and_then(|ended| serde_json::from_slice(&ended).ok());
        ended.ok_or_else(|| {
            anyhow::anyhow!(
                "the attendant of the command ended with {status}: {}",
                tail(&self.said, SAID_BYTES)
            )
            .into()
        })
    }

    /// Tells it to end; it is killed if that takes longer than its grace.
    pub(crate) async fn stop(&mut self) {
        self.say("stop\n").await;
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) {
        self.say("kill\n").await;
    }

    async fn say(&mut self, word: &str) {
        // It may have ended this very moment.
        let _ = self.line.write_all(word.as_bytes()).await;
        let _ = self.line.flush().await;
    }
}
