//! Uploads on their way: a record and pieces, each an object of its own, so that any replica takes any
//! piece. They lie below the caller that sends them: nobody else's upload can be named.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all};
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};
use selvedge_contracts::{
    id::{Caller, Digest, Mission, UploadId},
    payload::artifact::Span,
};
use serde::{Deserialize, Serialize};

use super::{Store, found, read};
use crate::error::StoreError;

/// Whose upload, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) mission: Mission,
    pub(crate) caller: Caller,
    pub(crate) upload: UploadId,
}

/// What an upload was begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Digest of the whole, if it was known.
    pub(crate) digest: Option<Digest>,
    /// Its size in bytes, if it was known.
    pub(crate) size_bytes: Option<u64>,
    /// Size of its pieces in bytes.
    pub(crate) chunk_bytes: u32,
    /// Room that it has taken by now, while its size is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_bytes: Option<u64>,
}

impl Record {
    /// Bytes that it may take.
    pub(crate) fn room_bytes(&self) -> u64 {
        self.size_bytes.or(self.room_bytes).unwrap_or(0)
    }
}

/// A piece that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    /// Where it starts, in bytes.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
}

const RECORD: &str = "upload.json";
pub(super) const STAGING: &str = "staging";
/// Pieces deleted at once.
const DELETED_AT_ONCE: usize = 16;

impl Place {
    fn folder(&self) -> Path {
        Path::from_iter([STAGING, self.mission.as_str(), self.caller.as_str(), self.upload.as_str()])
    }

    fn record(&self) -> Path {
        self.folder().join(RECORD)
    }

    fn piece(&self, offset: u64) -> Path {
        self.folder().join(format!("{offset:016x}"))
    }
}

impl Store {
    /// The record of an upload, if it was begun.
    pub(crate) async fn record(&self, place: &Place) -> Result<Option<Record>, StoreError> {
        let record = read(&self.staged, &place.record()).await?;
        // One that a power cut left unreadable counts as not begun: it is begun anew.
        Ok(record.and_then(|record| serde_json::from_slice(&record).ok()))
    }

    /// Begins an upload.
    pub(crate) async fn begin(&self, place: &Place, record: &Record) -> Result<(), StoreError> {
        let record = serde_json::to_vec(record).unwrap_or_default();
        self.staged.put(&place.record(), record.into()).await?;
        Ok(())
    }

    /// The uploads of the caller that are on their way.
    pub(crate) async fn uploads_of(&self, place: &Place) -> Result<Vec<Place>, StoreError> {
        let folder = Path::from_iter([STAGING, place.mission.as_str(), place.caller.as_str()]);
        let listed = found(self.staged.list_with_delimiter(Some(&folder)).await)?;
        let folders = listed.map(|list| list.common_prefixes).unwrap_or_default();
        let upload = |folder: &Path| UploadId::new(folder.filename()?).ok();
        let uploads = folders.iter().filter_map(upload);
        Ok(uploads.map(|upload| Place { upload, ..place.clone() }).collect())
    }

    /// Bytes that the caller's uploads on their way may take.
    pub(crate) async fn room_taken(&self, place: &Place) -> Result<u64, StoreError> {
        let uploads = self.uploads_of(place).await?;
        let records = try_join_all(uploads.iter().map(|place| self.record(place))).await?;
        Ok(records.iter().flatten().map(Record::room_bytes).fold(0, u64::saturating_add))
    }

    /// Takes a piece.
    pub(crate) async fn put_piece(&self, place: &Place, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.staged.put(&place.piece(offset), PutPayload::from_bytes(bytes)).await?;
        Ok(())
    }

    /// The pieces that are there, by offset.
    pub(crate) async fn pieces(&self, place: &Place) -> Result<Vec<Piece>, StoreError> {
        let folder = place.folder();
        let listed: Vec<_> = self.staged.list(Some(&folder)).try_collect().await?;
        let piece = |meta: object_store::ObjectMeta| {
            let offset = u64::from_str_radix(meta.location.filename()?, 16).ok()?;
            Some(Piece { offset, len: meta.size })
        };
        let mut pieces: Vec<_> = listed.into_iter().filter_map(piece).collect();
        pieces.sort_unstable();
        Ok(pieces)
    }

    /// One piece, as long as it was when it was listed.
    pub(crate) async fn piece(&self, place: &Place, piece: Piece) -> Result<Option<Bytes>, StoreError> {
        self.stretch(&place.piece(piece.offset), 0..piece.len).await
    }

    /// Removes an upload and its pieces.
    pub(crate) async fn end(&self, place: &Place) -> Result<(), StoreError> {
        self.remove_staged(&place.folder()).await
    }

    async fn remove_staged(&self, folder: &Path) -> Result<(), StoreError> {
        let listed = self.staged.list(Some(folder)).map_ok(|meta| meta.location);
        listed
            .map_err(StoreError::from)
            .try_for_each_concurrent(DELETED_AT_ONCE, |path| async move {
                found(self.staged.delete(&path).await).map(drop)
            })
            .await
    }

    /// Removes the uploads of which nothing came since `before_ms` (Unix time), as long as `goes_on` says so,
    /// and says how many.
    pub(crate) async fn end_abandoned(
        &self,
        before_ms: u64,
        goes_on: impl Fn() -> bool,
    ) -> Result<u64, StoreError> {
        let mut newest = std::collections::BTreeMap::<Path, u64>::new();
        let mut listed = self.staged.list(Some(&Path::from(STAGING)));
        while let Some(meta) = listed.next().await {
            let meta = meta?;
            let parts: Vec<_> = meta.location.parts().collect();
            if let [_, mission, caller, upload, _] = parts.as_slice() {
                let folder = Path::from_iter([STAGING, mission.as_ref(), caller.as_ref(), upload.as_ref()]);
                let at_ms = newest.entry(folder).or_default();
                *at_ms = (*at_ms).max(super::modified_ms(&meta));
            }
        }
        let mut ended = 0;
        for (folder, _) in newest.into_iter().filter(|(_, at_ms)| *at_ms <= before_ms) {
            if ended > 0 && !goes_on() {
                break;
            }
            self.remove_staged(&folder).await?;
            ended += 1;
        }
        Ok(ended)
    }
}

/// What is missing between the pieces, up to `size_bytes`: at most `limit` gaps. While the size is not
/// known, everything after the last piece is. A piece that reaches into the next counts up to it.
pub(crate) fn missing(pieces: &[Piece], size_bytes: Option<u64>, limit: usize) -> Vec<Span> {
    let (mut gaps, mut at) = (Vec::new(), 0);
    for piece in pieces {
        if piece.offset > at {
            gaps.push(Span { offset: at, end: Some(piece.offset) });
        }
        at = at.max(piece.offset.saturating_add(piece.len));
    }
    match size_bytes {
        Some(size) if at < size => gaps.push(Span { offset: at, end: Some(size) }),
        Some(_) => {}
        None => gaps.push(Span { offset: at, end: None }),
    }
    gaps.truncate(limit);
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_no_piece_covers() {
        let piece = |offset, len| Piece { offset, len };
        let gap = |offset, end| Span { offset, end };
        assert_eq!(missing(&[], Some(0), 9), []);
        assert_eq!(missing(&[], Some(5), 9), [gap(0, Some(5))]);
        assert_eq!(missing(&[], None, 9), [gap(0, None)]);
        let pieces = [piece(0, 4), piece(8, 4), piece(16, 2)];
        assert_eq!(missing(&pieces, Some(18), 9), [gap(4, Some(8)), gap(12, Some(16))]);
        assert_eq!(missing(&pieces, Some(20), 2), [gap(4, Some(8)), gap(12, Some(16))]);
        assert_eq!(missing(&pieces, None, 9).last(), Some(&gap(18, None)));
    }
}
