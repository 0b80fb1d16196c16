//! Our own copies of the record's repositories: checkouts borrow their objects, so that each is made at once.

use std::{
    fs::{File, OpenOptions},
    path::PathBuf,
};

use anyhow::Context as _;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{CommitHash, RepositoryName},
    payload::{Nothing, plan::Workspace},
};
use selvedge_kit::{authority::files, client::Client};

use super::{Checkout, git::git};
use crate::exit::Failure;

/// The copies in one folder.
#[derive(Debug, Clone)]
pub(crate) struct Copies {
    folder: PathBuf,
}

impl Copies {
    /// In this folder, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn in_folder(folder: PathBuf) -> Result<Self, Failure> {
        files::make_folder(&folder)?;
        Ok(Self { folder: folder.canonicalize().context("cannot look up the folder of copies")? })
    }

    /// Where that of a repository lies.
    pub(crate) fn of(&self, repository: &RepositoryName) -> PathBuf {
        self.folder.join(format!("{repository}.git"))
    }

    /// A checkout for a task in `attempt`, at the base that is named, that of the plan, or the branch's tip.
    ///
    /// # Errors
    /// There is no such repository, branch or commit, or it cannot be reached.
    pub(crate) async fn check_out(
        &self,
        client: &Client,
        wanted: &Workspace,
        base: Option<&CommitHash>,
        attempt: &std::path::Path,
    ) -> Result<Checkout, Failure> {
        let location = location(client, wanted).await?;
        let copy = self.of(&wanted.repository);
        let _held = locked(self.folder.join(format!("{}.lock", wanted.repository))).await?;
        if !copy.exists() {
            let name = copy.to_string_lossy();
            git(&self.folder, &["init", "--quiet", "--bare", "--template=", &name]).await?;
        }
        let tip = fetched(&copy, &location, &wanted.branch).await?;
        let base = base.or(wanted.base.as_ref()).cloned().unwrap_or(tip);
        if git(&copy, &["cat-file", "-e", &format!("{base}^{{commit}}")]).await.is_err() {
            return Err(Fault::not_found(format!(
                "the branch {} of {} has no commit {base}",
                wanted.branch, wanted.repository
            ))
            .into());
        }
        Checkout::make(&copy, base, attempt).await
    }
}

/// Where the repository is.
async fn location(client: &Client, wanted: &Workspace) -> Result<String, Failure> {
    let known = client.call::<call::RepositoryList>(&Nothing {}).await?.reply.repositories;
    let found = known.into_iter().find(|known| known.repository.name == wanted.repository);
    let found = found.ok_or_else(|| {
        Fault::not_found(format!(
            "there is no repository {} in the mission; `selvedge repository set` names one",
            wanted.repository
        ))
    })?;
    Ok(found.repository.location)
}

/// Fetches a branch; gives its tip.
async fn fetched(copy: &std::path::Path, location: &str, branch: &str) -> Result<CommitHash, Failure> {
    let reference = format!("refs/heads/{branch}");
    let refspec = format!("+{reference}:{reference}");
    let fetch =
        ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options", location, &refspec];
    git(copy, &fetch).await?;
    let tip =
        git(copy, &["rev-parse", "--verify", "--end-of-options", &format!("{reference}^{{commit}}")]).await?;
    CommitHash::new(&tip).map_err(|error| anyhow::anyhow!("git names a commit {error}").into())
}

/// Two workers of one agent may want the same copy at once.
async fn locked(path: PathBuf) -> Result<File, Failure> {
    let locking = tokio::task::spawn_blocking(move || {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    Ok(locking.await.context("cannot lock a copy")??)
}
