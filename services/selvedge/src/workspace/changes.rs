//! What differs in a checkout in the end, as the effect that would commit it.

use selvedge_contracts::{
    id::Digest,
    payload::{intent::GitEffect, plan::Workspace},
};
use selvedge_kit::{client::Client, transfer};

use super::Checkout;
use crate::{
    commands::intent::{file_changes, store},
    draft::Draft,
    exit::Failure,
};

/// A change set, stored.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// What it would commit.
    pub(crate) effect: GitEffect,
    /// What it is stored as: the effect as JSON.
    pub(crate) digest: Digest,
}

/// Stores what differs between a checkout and its base; nothing if nothing does.
///
/// # Errors
/// Something cannot be recorded, as a submodule; or it cannot be stored.
pub(crate) async fn changes(
    client: &Client,
    wanted: &Workspace,
    checkout: &Checkout,
    message: &str,
) -> Result<Option<Change>, Failure> {
    let Checkout { directory, git_dir, base } = checkout.clone();
    let found = tokio::task::spawn_blocking(move || {
        let draft = Draft::apart(&git_dir, &directory)?;
        let changed = draft.of_files(&base)?;
        Ok::<_, Failure>((draft, changed))
    });
    let (draft, changed) = found.await.map_err(anyhow::Error::from)??;
    if changed.is_empty() {
        return Ok(None);
    }
    let stored = store(&draft, client, &changed).await?;
    let effect = GitEffect {
        repository: wanted.repository.clone(),
        branch: wanted.branch.clone(),
        base: checkout.base.clone(),
        changes: file_changes(changed, &stored)?,
        message: message.to_owned(),
        reads: Vec::new(),
    };
    let text = serde_json::to_vec(&effect).map_err(anyhow::Error::from)?;
    let digest = transfer::put_bytes(client, text.into()).await?.digest;
    Ok(Some(Change { effect, digest }))
}
