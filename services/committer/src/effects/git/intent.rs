//! From an intent to an order: contents, author, date and trailers.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::{
    fault::Code,
    id::{ArtifactRef, Digest},
    payload::intent::{FileChange, GitEffect, Intent},
};
use selvedge_kit::{
    clock::rfc3339,
    transfer::{self, TransferError},
};
use tokio::io::AsyncWrite;

use super::core::{Author, Claim, Contents, INTENT_TRAILER, Order, UNDO_TRAILER};
use crate::effects::{Earlier, Outcome, Side, Work};

/// Most bytes of content in one commit: they are held in memory until it is built.
const MOST_BYTES: usize = 64 << 20;
/// Contents that are fetched at once.
const AT_ONCE: usize = 8;

/// The order for an attempt.
pub(super) fn order(work: &Work<'_>, effect: &GitEffect, contents: Contents, claim: Claim) -> Order {
    let intent = work.intent;
    Order {
        key: work.key(),
        effect: effect.clone(),
        contents,
        author: Author {
            name: intent.proposer.to_string(),
            address: format!("{}@{}.selvedge.invalid", intent.proposer, intent.mission),
        },
        at_ms: intent.proposed_at_ms,
        trailers: trailers(intent, work.side),
        may_have_begun: work.earlier == Earlier::Begun,
        claim,
        deadline: work.deadline,
    }
}

/// Who asked, for what, who approved, under which policy. The first one tells the commit from all others.
fn trailers(intent: &Intent, side: Side) -> Vec<(&'static str, String)> {
    let name = match side {
        Side::Do => INTENT_TRAILER,
        Side::Undo => UNDO_TRAILER,
    };
    let mut trailers = vec![
        (name, intent.id.to_string()),
        ("Selvedge-Agent", intent.proposer.to_string()),
        ("Selvedge-Owner", intent.owner.to_string()),
        ("Selvedge-Mission", intent.mission.to_string()),
    ];
    trailers.extend(intent.task.as_ref().map(|task| ("Selvedge-Task", task.to_string())));
    trailers.extend(intent.request.as_ref().map(|request| ("Selvedge-Request", request.to_string())));
    let policy = intent.decision.as_ref().and_then(|decision| decision.policy);
    trailers.push(("Selvedge-Policy", policy.map_or("none".to_owned(), |version| version.to_string())));
    trailers.extend(intent.grants.iter().map(|grant| {
        ("Selvedge-Approved-By", format!("{} ({}) {}", grant.owner, grant.approver, rfc3339(grant.at_ms)))
    }));
    trailers
}

/// Fetches every content that the effect names, each held against its digest.
pub(super) async fn contents(work: &Work<'_>, effect: &GitEffect) -> Result<Contents, Outcome> {
    let mut wanted: Vec<&Digest> = effect.changes.iter().filter_map(FileChange::content).collect();
    wanted.sort();
    wanted.dedup();
    let left = AtomicUsize::new(MOST_BYTES);
    let mut fetched = Vec::with_capacity(wanted.len());
    for digest in wanted {
        fetched.push(content(work, digest, &left).boxed());
    }
    stream::iter(fetched).buffer_unordered(AT_ONCE).try_collect().await
}

async fn content(work: &Work<'_>, digest: &Digest, left: &AtomicUsize) -> Result<(Digest, Bytes), Outcome> {
    let client = work.state.client.clone().in_mission(work.intent.mission.clone());
    let artifact =
        ArtifactRef::new(digest.as_str()).map_err(|error| Outcome::refused("/effect", error.to_string()))?;
    let mut sink = Bounded { kept: Vec::new(), left };
    match transfer::get(&client, &artifact, 0, &mut sink, &|_, _| {}).await {
        Ok(_) => Ok((digest.clone(), sink.kept.into())),
        Err(TransferError::Io(_)) => {
            let message =
                format!("its contents are more than {} MiB; make several commits of it", MOST_BYTES >> 20);
            Err(Outcome::refused("/effect/changes", message))
        }
        // What began may be done: only the repository tells.
        Err(TransferError::Fault(fault))
            if matches!(fault.code, Code::NotFound | Code::Denied | Code::Invalid)
                && work.earlier == Earlier::None =>
        {
            Err(Outcome::refused("/effect/changes", fault.to_string()))
        }
        Err(error) => Err(Outcome::Later(selvedge_kit::bus::error_chain(&error))),
    }
}

/// Keeps what is written, as long as all of them together stay within bounds.
struct Bounded<'a> {
    kept: Vec<u8>,
    left: &'a AtomicUsize,
}

impl AsyncWrite for Bounded<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let take = |left: usize| left.checked_sub(bytes.len());
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => {
                self.kept.extend_from_slice(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Err(_) => Poll::Ready(Err(io::Error::other("too much"))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
