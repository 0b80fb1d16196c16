//! Content: put in one message, read in stretches, verified.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use selvedge_contracts::{
    fault::Fault,
    payload::artifact::{Get, Got, Put, Stored, Verified, Verify},
};
use selvedge_kit::service::{Answer, Call};

use crate::{
    access::{Asker, Meant},
    state::Artifacts,
    store::hash_of,
    upload::not_as_announced,
};

pub(super) async fn put(state: Arc<Artifacts>, call: Arc<Call>, request: Put) -> Answer<Stored> {
    let content = call.envelope.attachment.clone();
    let found = blake3::hash(&content);
    if found != hash_of(&request.digest) {
        return Err(not_as_announced(&request.digest, &found));
    }
    let asker = Asker::of(&call);
    let size_bytes = content.len() as u64;
    let pin = state.pins.pin(&request.digest, asker.mission, asker.caller, call.deadline()).await?;
    if state.store.is_sound(&request.digest).await? {
        state.store.settle(&request.digest).await?;
    } else {
        state.store.put_whole(&request.digest, content).await?;
    }
    Ok(Stored { digest: request.digest, size_bytes, pinned_until_ms: pin.until_ms() })
}

pub(super) async fn get(state: Arc<Artifacts>, call: Arc<Call>, request: Get) -> Answer<(Got, Bytes)> {
    let Meant { digest, named } = state.meant(Asker::of(&call), &request.artifact, call.deadline()).await?;
    let len = request.len.unwrap_or(state.chunk_bytes).min(state.chunk_bytes);
    let (size_bytes, stretch) = state.store.read(&digest, request.offset, len.into()).await?;
    if request.offset > size_bytes {
        return Err(Fault::invalid("the stretch starts behind the content")
            .at("/offset", format!("expected at most {size_bytes}, its size in bytes")));
    }
    let version = named.map(|known| known.version.version);
    Ok((Got { digest, size_bytes, offset: request.offset, version }, stretch))
}

pub(super) async fn verify(state: Arc<Artifacts>, call: Arc<Call>, request: Verify) -> Answer<Verified> {
    let Meant { digest, .. } = state.meant(Asker::of(&call), &request.artifact, call.deadline()).await?;
    let until = tokio::time::Instant::now() + LONGEST_VERIFY;
    let goes_on = || tokio::time::Instant::now() < until;
    let (size_bytes, verified_bytes) = state.store.verify(&digest, request.offset, goes_on).await?;
    Ok(Verified { digest, size_bytes, verified_bytes })
}

/// Longest that one call verifies: less than a client's patience with one sending.
const LONGEST_VERIFY: Duration = Duration::from_secs(3);
