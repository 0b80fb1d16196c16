//! A checkout with a change set in it. Git itself makes it, as the committer does: what a check looks at is what
//! would be committed, and nothing that a change set says leads out of the checkout.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use selvedge_contracts::{
    id::{ArtifactRef, Digest},
    payload::{
        intent::{Effect, FileChange, FileMode, GitEffect, TreePath},
        plan::Workspace,
        task::Task,
    },
};
use selvedge_kit::{client::Client, transfer};

use super::{
    Checkout,
    git::{command, git, run},
};
use crate::exit::Failure;

/// Largest change set, without its contents, in bytes.
const MAX_CHANGE_BYTES: usize = 4 << 20;

/// Why there is no checkout of what was handed in.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// What was handed in is wrong: that is a verdict.
    Wrong(String),
    /// It cannot be told: that is none.
    Unknown(Failure),
}

impl<E: Into<Failure>> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self::Unknown(error.into())
    }
}

/// The change set that was handed in with a task: that of its declared effect, or the one that its output refers to.
///
/// # Errors
/// [`Unfit`].
pub(crate) async fn change_set(
    client: &Client,
    wanted: &Workspace,
    task: &Task,
) -> Result<Option<(GitEffect, String)>, Unfit> {
    let is_meant = |git: &&GitEffect| git.repository == wanted.repository && git.branch == wanted.branch;
    let declared = task.effects.iter().filter_map(|effect| match effect.propose.as_deref()?.effect {
        Effect::Git(ref git) => Some(git).filter(is_meant),
        _ => None,
    });
    if let Some(git) = declared.into_iter().next() {
        return fitting(git.clone(), wanted, format!("effect {}", Digest::of_json(&json(git)?))).map(Some);
    }
    let value = task.output.as_ref().and_then(|output| output.value.pointer(wanted.change()));
    let Some(value) = value else { return Ok(None) };
    let reference = value.as_str().and_then(|text| ArtifactRef::new(text).ok()).ok_or_else(|| {
        Unfit::Wrong(format!("{:?} holds no reference to a change set but {value}", wanted.change()))
    })?;
    let mut text = Bounded(Vec::new());
    transfer::get(client, &reference, 0, &mut text, &|_, _| {}).await?;
    let git: GitEffect = serde_json::from_slice(&text.0)
        .map_err(|error| Unfit::Wrong(format!("{reference} is no change set: {error}")))?;
    fitting(git, wanted, format!("change {reference}")).map(Some)
}

fn json(git: &GitEffect) -> Result<serde_json::Value, Failure> {
    Ok(serde_json::to_value(git).context("cannot write a change set")?)
}

/// If it is for what the plan says.
fn fitting(git: GitEffect, wanted: &Workspace, named: String) -> Result<(GitEffect, String), Unfit> {
    if git.repository != wanted.repository || git.branch != wanted.branch {
        return Err(Unfit::Wrong(format!(
            "the change set is for {} {} and not for {} {}",
            git.repository, git.branch, wanted.repository, wanted.branch
        )));
    }
    match &wanted.base {
        Some(base) if *base != git.base => {
            Err(Unfit::Wrong(format!("the change set is based on {} and not on {base}", git.base)))
        }
        _ => Ok((git, named)),
    }
}

/// Takes in no more than a change set may have.
struct Bounded(Vec<u8>);

impl tokio::io::AsyncWrite for Bounded {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        if self.0.len() + bytes.len() > MAX_CHANGE_BYTES {
            let message = format!("a change set of more than {MAX_CHANGE_BYTES} bytes");
            return std::task::Poll::Ready(Err(std::io::Error::other(message)));
        }
        self.0.extend_from_slice(bytes);
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

impl Checkout {
    /// Puts a change set into a checkout that nobody has touched; gives git's name of the tree that came of it.
    ///
    /// # Errors
    /// [`Unfit`]: wrong if it does not fit the base.
    pub(crate) async fn apply(&self, client: &Client, change: &GitEffect) -> Result<String, Unfit> {
        let scratch = self.git_dir.with_extension("content");
        let (mut gone, mut put) = (Vec::new(), Vec::new());
        for change in &change.changes {
            match change {
                FileChange::Put { path, content, mode } => {
                    let blob = self.blob(client, content, &scratch).await?;
                    put.push(entry(mode_of(*mode), &blob, path));
                }
                FileChange::Delete { path } => {
                    self.at_base(path).await?;
                    gone.push(self.absent(path));
                }
                FileChange::Rename { from, path, content } => {
                    let (mode, before) = self.at_base(from).await?;
                    let blob = match content {
                        Some(content) => self.blob(client, content, &scratch).await?,
                        None => before,
                    };
                    gone.push(self.absent(from));
                    put.push(entry(&mode, &blob, path));
                }
            }
        }
        // What goes makes room for what comes.
        let lines = [gone.concat(), put.concat()].concat();
        run(command(&self.directory, &["update-index", "-z", "--index-info"]), &lines).await?;
        let tree = git(&self.directory, &["write-tree"]).await?;
        let commit = ["commit-tree", &tree, "-p", self.base.as_str(), "-m", "what was handed in"];
        let commit = git(&self.directory, &commit).await?;
        git(&self.directory, &["checkout", "--quiet", "--force", "--detach", &commit]).await?;
        Ok(tree)
    }

    /// Git's name of a content, which is put among its objects.
    async fn blob(&self, client: &Client, content: &Digest, scratch: &PathBuf) -> Result<String, Unfit> {
        let reference = ArtifactRef::new(content.as_str()).map_err(anyhow::Error::from)?;
        let mut file = tokio::fs::File::create(scratch).await?;
        transfer::get(client, &reference, 0, &mut file, &|_, _| {}).await?;
        tokio::io::AsyncWriteExt::flush(&mut file).await?;
        let name = scratch.to_string_lossy();
        Ok(git(&self.directory, &["hash-object", "-w", "--no-filters", "--", &name]).await?)
    }

    /// Mode and name of what stands at a path of the base.
    async fn at_base(&self, path: &TreePath) -> Result<(String, String), Unfit> {
        let mut ask = command(&self.directory, &["ls-tree", "-z", self.base.as_str(), "--"]);
        ask.arg(Path::new(OsStr::from_bytes(path.as_bytes()))).env("GIT_LITERAL_PATHSPECS", "1");
        let said = run(ask, &[]).await?;
        let mut words = said.split([' ', '\t']);
        match (words.next(), words.next(), words.next()) {
            (Some(mode), Some("blob"), Some(name)) => Ok((mode.to_owned(), name.to_owned())),
            _ => Err(Unfit::Wrong(format!("there is no file {path} at {}", self.base))),
        }
    }

    fn absent(&self, path: &TreePath) -> Vec<u8> {
        entry("0", &"0".repeat(self.base.as_str().len()), path)
    }
}

/// A line of git-update-index(1), "Using --index-info".
fn entry(mode: &str, name: &str, path: &TreePath) -> Vec<u8> {
    [format!("{mode} {name}\t").as_bytes(), path.as_bytes(), b"\0"].concat()
}

fn mode_of(mode: FileMode) -> &'static str {
    match mode {
        FileMode::Regular => "100644",
        FileMode::Executable => "100755",
        FileMode::Symlink => "120000",
    }
}
