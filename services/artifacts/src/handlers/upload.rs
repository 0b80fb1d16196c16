//! Uploads: begun or resumed, sent in pieces, finished.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    id::{Digest, UploadId},
    payload::artifact::{
        Aborted, ChunkTaken, Finish, MAX_CONTENT_BYTES, MAX_SPANS, PutAbort, PutChunk, PutFinish, PutStart,
        Stored, Upload,
    },
};
use selvedge_kit::service::{Answer, Call};

use crate::{
    access::Asker,
    state::Artifacts,
    store::{Place, Record, missing},
};

/// Most uploads that one caller has on their way.
const MAX_UPLOADS: usize = 32;

pub(super) async fn start(state: Arc<Artifacts>, call: Arc<Call>, request: PutStart) -> Answer<Upload> {
    let place = Place { upload: upload_id(&call, &request)?, ..place(&call, None)? };
    if let Some(stored) = stored_for(&state, &call, request.digest.as_ref()).await? {
        let chunk_bytes = state.chunk_bytes;
        return Ok(Upload { upload: place.upload, chunk_bytes, missing: vec![], stored: Some(stored) });
    }
    let record = match state.store.record(&place).await? {
        Some(record) => record,
        None => {
            if state.store.uploads_of(&place).await?.len() >= MAX_UPLOADS {
                let message = format!(
                    "{MAX_UPLOADS} uploads of yours are on their way: finish one first, or abandon one (artifacts.put_abort)"
                );
                return Err(Fault::conflict(message));
            }
            let PutStart { digest, size_bytes } = request;
            let record = Record { digest, size_bytes, chunk_bytes: state.chunk_bytes, room_bytes: None };
            state.begin(&place, &record).await?;
            record
        }
    };
    let pieces = state.store.pieces(&place).await?;
    let missing = missing(&pieces, record.size_bytes, MAX_SPANS);
    Ok(Upload { upload: place.upload, chunk_bytes: record.chunk_bytes, missing, stored: None })
}

/// The content, pinned anew, if it is stored and the caller may read it anyway. To anybody else it is as
/// if it were not there: who knows a digest does not have the content.
async fn stored_for(state: &Artifacts, call: &Call, digest: Option<&Digest>) -> Answer<Option<Stored>> {
    let (Some(digest), asker) = (digest, Asker::of(call)) else { return Ok(None) };
    if !state.may_have(asker, digest, call.deadline()).await? {
        return Ok(None);
    }
    let pin = state.pins.pin(digest, asker.mission, asker.caller, call.deadline()).await?;
    let pinned_until_ms = pin.until_ms();
    let size = state.store.size(digest).await?;
    Ok(size.map(|size_bytes| Stored { digest: digest.clone(), size_bytes, pinned_until_ms }))
}

/// The same caller, digest and size are the same upload; without a digest, the same request is.
fn upload_id(call: &Call, request: &PutStart) -> Answer<UploadId> {
    let asker = Asker::of(call);
    let hex = match &request.digest {
        Some(digest) => {
            let mut hasher = blake3::Hasher::new();
            for part in [asker.mission.as_str(), asker.caller.as_str(), digest.as_str()] {
                hasher.update(part.as_bytes()).update(b"\n");
            }
            hasher.update(&request.size_bytes.unwrap_or(u64::MAX).to_be_bytes());
            selvedge_contracts::envelope::short_hex(&hasher.finalize())
        }
        None => call.digest_or_random().derive("upload").to_string(),
    };
    UploadId::new(&format!("upload_{hex}")).map_err(|error| Fault::internal(error.to_string()))
}

fn place(call: &Call, upload: Option<&UploadId>) -> Answer<Place> {
    let asker = Asker::of(call);
    let none = || UploadId::new(&format!("upload_{:032x}", 0));
    let upload = upload.cloned().map_or_else(none, Ok).map_err(|error| Fault::internal(error.to_string()))?;
    Ok(Place { mission: asker.mission.clone(), caller: asker.caller.clone(), upload })
}

pub(super) async fn chunk(state: Arc<Artifacts>, call: Arc<Call>, request: PutChunk) -> Answer<ChunkTaken> {
    let place = place(&call, Some(&request.upload))?;
    let record = state.store.record(&place).await?.ok_or_else(|| unknown(&request.upload))?;
    let (bytes, offset) = (call.envelope.attachment.clone(), request.offset);
    let len = bytes.len() as u64;
    fits(&record, offset, len)?;
    state.reach(&place, &record, offset + len).await?;
    state.store.put_piece(&place, offset, bytes).await?;
    Ok(ChunkTaken { offset, len })
}

/// Refuses a piece that is not one of the upload's.
fn fits(record: &Record, offset: u64, len: u64) -> Answer<()> {
    let chunk_bytes = u64::from(record.chunk_bytes);
    let refused = |at: &str, message: String| Err(Fault::invalid("no piece of this upload").at(at, message));
    if !offset.is_multiple_of(chunk_bytes) {
        return refused("/offset", format!("expected a multiple of {chunk_bytes}, the upload's chunk size"));
    }
    if len == 0 || len > chunk_bytes {
        return refused("attachment", format!("has {len} bytes: expected 1 to {chunk_bytes}"));
    }
    let end = offset.saturating_add(len);
    let size_bytes = record.size_bytes.unwrap_or(MAX_CONTENT_BYTES);
    if end > size_bytes {
        return refused(
            "/offset",
            format!("the piece ends at {end}, behind the content's {size_bytes} bytes"),
        );
    }
    if len < chunk_bytes && record.size_bytes.is_some_and(|size_bytes| end < size_bytes) {
        return refused(
            "attachment",
            format!("has {len} bytes: only the last piece is shorter than {chunk_bytes}"),
        );
    }
    Ok(())
}

pub(super) async fn finish(state: Arc<Artifacts>, call: Arc<Call>, request: PutFinish) -> Answer<Finish> {
    let place = place(&call, Some(&request.upload))?;
    let Some(record) = state.store.record(&place).await? else {
        // An earlier sending of this very request may have finished it.
        let stored = stored_for(&state, &call, Some(&request.digest)).await?;
        return stored.map(|stored| Finish::Stored { stored }).ok_or_else(|| unknown(&request.upload));
    };
    let differs = |at: &str, begun: String| {
        Err(Fault::invalid("the upload was begun as something else").at(at, format!("expected {begun}")))
    };
    match (&record.digest, record.size_bytes) {
        (Some(digest), _) if *digest != request.digest => differs("/digest", digest.to_string()),
        (_, Some(size)) if size != request.size_bytes => differs("/size_bytes", size.to_string()),
        _ => state.uploads.finish(&place, &request).await,
    }
}

/// Abandons uploads of the caller; what came of them is gone at once.
pub(super) async fn abort(state: Arc<Artifacts>, call: Arc<Call>, request: PutAbort) -> Answer<Aborted> {
    let mut aborted = Aborted::default();
    for place in state.store.uploads_of(&place(&call, None)?).await? {
        let is_other = request.upload.as_ref().is_some_and(|upload| *upload != place.upload);
        let record = state.store.record(&place).await?;
        let digest = record.and_then(|record| record.digest);
        if is_other || (request.digest.is_some() && request.digest != digest) {
            continue;
        }
        aborted.freed_bytes += state.store.pieces(&place).await?.iter().map(|piece| piece.len).sum::<u64>();
        state.store.end(&place).await?;
        aborted.uploads.push(place.upload);
    }
    Ok(aborted)
}

fn unknown(upload: &UploadId) -> Fault {
    Fault::not_found(format!("there is no upload {upload} of yours; begin one with artifacts.put_start"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_lies_on_its_place_and_inside_the_content() {
        let sized = Record { digest: None, size_bytes: Some(2_500), chunk_bytes: 1_024, room_bytes: None };
        for (offset, len) in [(0, 1_024), (1_024, 1_024), (2_048, 452)] {
            assert_eq!(fits(&sized, offset, len), Ok(()));
        }
        for (offset, len, at) in [
            (1, 1_024, "/offset"),
            (0, 0, "attachment"),
            (0, 1_025, "attachment"),
            (0, 1_000, "attachment"),
            (2_048, 453, "/offset"),
            (3_072, 1, "/offset"),
            (u64::MAX - 1_023, 1_024, "/offset"),
        ] {
            assert_eq!(fits(&sized, offset, len).unwrap_err().details[0].at, at, "{offset} {len}");
        }
        let open = Record { size_bytes: None, ..sized };
        assert_eq!(fits(&open, 1_024 * 1_024, 5), Ok(()));
        assert!(fits(&open, MAX_CONTENT_BYTES, 1).is_err());
    }
}
