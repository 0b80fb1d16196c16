//! `selvedge intent propose git`: what differs in a checkout, as a commit to be made.

use std::{
    collections::BTreeMap,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context as _;
use clap::Args;
use selvedge_contracts::{
    id::{CommitHash, Digest, RepositoryName},
    payload::intent::{Effect, FileChange, GitEffect, TreePath},
};
use selvedge_kit::{client::Client, transfer};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout},
};

use super::{Following, about::About, propose};
use crate::{
    commands::artifact::progress::Progress,
    connect::Context,
    draft::{Changed, Draft},
    exit::{Done, Failure},
    repository::Repository,
};

/// Propose a commit: what differs between a checkout and its base, with every file that is not ignored.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent propose git --repository record --branch main -m 'Fix the login page' --as ada
  selvedge intent propose git --repository record --branch main -m 'Fix it' --lease shop:lease_0a1b=1793268000000042
  selvedge intent propose git --repository record --branch main --commit HEAD -m 'As reviewed' --wait 10m

Staged, unstaged and new files count alike; nothing in the checkout is changed. The base is the last commit
that the checkout has in common with origin/BRANCH, else with BRANCH, else its HEAD. Every content is put
as an artifact first, once. Submodules are refused.")]
pub(super) struct Git {
    /// The repository, as `selvedge repository list` names it.
    #[arg(long)]
    repository: RepositoryName,
    /// Its branch.
    #[arg(long)]
    branch: String,
    /// The commit that the work is based on.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Propose what differs between the base and this commit, instead of the work tree.
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// The checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    from: PathBuf,
    /// The commit's message; more of them are its paragraphs.
    #[arg(short, long, required = true)]
    message: Vec<String>,
    /// A file or folder that the work rests on without changing it, from the checkout's folder on; if it
    /// changes, the intent is stale. Repeat for more.
    #[arg(long = "reads", value_name = "PATH")]
    reads: Vec<PathBuf>,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    following: Following,
}

impl Git {
    pub(super) async fn run(self, context: &Context) -> Done {
        let reads = reads(&self.from, &self.reads)?;
        let draft = match &self.commit {
            Some(_) => Draft::over(&self.from)?,
            None => Draft::of_work_tree(&self.from)?,
        };
        let (base, changed) = difference(&draft, &self.branch, self.base.as_deref(), self.commit.as_deref())?;
        if changed.is_empty() {
            return Err(Failure::usage(format!("nothing differs from {base}")));
        }
        let asking = self.following.who.anybody(context).await?;
        let stored = store(&draft, &asking.client, &changed).await?;
        let message = self.message.join("\n\n");
        let effect = GitEffect {
            repository: self.repository,
            branch: self.branch,
            base,
            changes: changes(changed, &stored)?,
            message: message.clone(),
            reads,
        };
        let request = self.about.proposal(Effect::Git(effect), &message)?;
        propose(context, &asking, &request, &self.following.creating, self.following.wait).await
    }
}

fn reads(from: &Path, typed: &[PathBuf]) -> Result<Vec<TreePath>, Failure> {
    if typed.is_empty() {
        return Ok(Vec::new());
    }
    let repository = Repository::around(from)?.map_or_else(|| Repository::plain(from), Ok)?;
    let read = |typed: &PathBuf| {
        let wrong = |reason: String| Failure::usage(format!("--reads {} {reason}", typed.display()));
        let inside = repository.below(typed).map_err(wrong)?;
        TreePath::new(inside.as_os_str().as_bytes()).map_err(|error| wrong(error.to_string()))
    };
    typed.iter().map(read).collect()
}

/// The base, and what differs from it.
fn difference(
    draft: &Draft,
    branch: &str,
    base: Option<&str>,
    commit: Option<&str>,
) -> Result<(CommitHash, Vec<Changed>), Failure> {
    let meant = |revision: &str| {
        draft.commit(revision).ok_or_else(|| {
            Failure::usage(format!("{} has no commit {revision}", draft.directory().display()))
        })
    };
    let ours = meant(commit.unwrap_or("HEAD"))?;
    let base = match base {
        Some(revision) => meant(revision)?,
        None => shared(draft, branch, &ours).unwrap_or_else(|| ours.clone()),
    };
    let changed = match commit {
        Some(_) => draft.between(&base, &ours)?,
        None => draft.of_files(&base)?,
    };
    Ok((base, changed))
}

/// The last commit that ours has in common with the branch, as far as it is known here.
fn shared(draft: &Draft, branch: &str, ours: &CommitHash) -> Option<CommitHash> {
    let known = [format!("refs/remotes/origin/{branch}"), format!("refs/heads/{branch}")];
    let theirs = known.iter().find_map(|reference| draft.commit(reference))?;
    draft.merge_base(ours, &theirs)
}

/// What is stored of each content, by its name in git.
pub(crate) type StoredAs = BTreeMap<String, Digest>;

/// Stores every content once.
pub(crate) async fn store(draft: &Draft, client: &Client, changed: &[Changed]) -> Result<StoredAs, Failure> {
    let mut command = tokio::process::Command::from(draft.command(&["cat-file", "--batch"]));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = child.spawn().context("cannot run git")?;
    let (asks, answers) = (child.stdin.take(), child.stdout.take());
    let (Some(asks), Some(answers)) = (asks, answers) else {
        return Err(anyhow::anyhow!("git has no standard input and output").into());
    };
    let mut contents = Contents { asks, answers: BufReader::new(answers) };
    let mut stored = StoredAs::new();
    let progress = Progress::of_bytes();
    for blob in changed.iter().filter_map(Changed::blob) {
        if !stored.contains_key(blob) {
            let digest = contents.store(blob, client, &progress).await;
            stored.insert(blob.to_owned(), digest.inspect_err(|_| progress.end())?);
        }
    }
    progress.end();
    Ok(stored)
}

/// Contents out of git, one after the other (git-cat-file(1), "Batch output").
struct Contents {
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Contents {
    async fn store(&mut self, blob: &str, client: &Client, progress: &Progress) -> Result<Digest, Failure> {
        let cannot = || format!("cannot read {blob} from git");
        self.asks.write_all(format!("{blob}\n").as_bytes()).await.with_context(cannot)?;
        self.asks.flush().await.with_context(cannot)?;
        let mut head = String::new();
        self.answers.read_line(&mut head).await.with_context(cannot)?;
        let size = head.strip_prefix(blob).and_then(|rest| rest.trim().strip_prefix("blob "));
        let size: u64 = size.and_then(|size| size.parse().ok()).with_context(cannot)?;
        let told = |done, _| progress.told(done, Some(size));
        let stored = transfer::put_stream(client, (&mut self.answers).take(size), &told).await?;
        self.answers.read_u8().await.with_context(cannot)?; // the newline after it
        if stored.size_bytes != size {
            return Err(anyhow::anyhow!("git ended early").context(cannot()).into());
        }
        Ok(stored.digest)
    }
}

/// The change set, contents by their digests.
pub(crate) fn changes(changed: Vec<Changed>, stored: &StoredAs) -> Result<Vec<FileChange>, Failure> {
    let digest = |blob: &str| -> Result<Digest, Failure> {
        Ok(stored.get(blob).cloned().ok_or_else(|| anyhow::anyhow!("{blob} was not stored"))?)
    };
    let change = |changed| -> Result<FileChange, Failure> {
        Ok(match changed {
            Changed::Put { path, blob, mode } => FileChange::Put { path, content: digest(&blob)?, mode },
            Changed::Delete { path } => FileChange::Delete { path },
            Changed::Rename { from, path, blob } => {
                FileChange::Rename { from, path, content: blob.as_deref().map(digest).transpose()? }
            }
        })
    };
    changed.into_iter().map(change).collect()
}
