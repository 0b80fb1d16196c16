//! Content in and out over the bus, for whoever has a client: in one message if it is small, else in
//! pieces, several at once. What an earlier try has sent already is not sent again.
//!
//! Memory: so many pieces as are in flight, whatever the size. What comes out is held against its digest
//! here too, piece by piece as it comes, whatever the service says.

mod resume;

pub use resume::get_file;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{ArtifactRef, Digest, UploadId},
    payload::artifact::{Finish, Get, Got, Put, PutChunk, PutFinish, PutStart, Span, Stored},
};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _, SeekFrom},
};

use crate::client::{Client, Options};

/// Pieces in flight.
const WINDOW: usize = 4;
/// Longest that one piece is tried for, in milliseconds: a replica may die on it, and another has to be
/// found.
const PIECE_MS: u64 = 60_000;
/// Bytes read at once to tell a file's digest.
const READ_BYTES: usize = 1 << 20;

/// Why content did not get through.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The service refused, or nobody answered.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What was to be read or written here failed.
    #[error("cannot read or write the content here")]
    Io(#[from] io::Error),
    /// What came is not what was asked for.
    #[error("what came for {digest} is something else: its blake3 is {found}")]
    Bent {
        /// The digest that was asked for.
        digest: Digest,
        /// That of what came.
        found: String,
    },
}

/// What is told while content moves: bytes moved, and of how many, if that is known.
pub type Told<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Puts content that is in memory.
///
/// # Errors
/// [`TransferError`].
pub async fn put_bytes(client: &Client, content: Bytes) -> Result<Stored, TransferError> {
    if content.len() <= client.bus().max_attachment_bytes() {
        return put_whole(client, content).await;
    }
    put_stream(client, content.as_ref(), &|_, _| {}).await
}

async fn put_whole(client: &Client, content: Bytes) -> Result<Stored, TransferError> {
    let digest = Digest::from(&blake3::hash(&content));
    let (answered, _) = client.call_bytes::<call::ArtifactPut>(&Put { digest }, content, &patient()).await?;
    Ok(answered.reply)
}

fn patient() -> Options {
    Options { timeout_ms: Some(PIECE_MS), ..Options::default() }
}

/// Puts a file. It is read once to tell its digest, then again to be sent: only what is missing.
///
/// # Errors
/// [`TransferError`]; a file that changes meanwhile is refused by its digest.
pub async fn put_file(client: &Client, path: &Path, told: Told<'_>) -> Result<Stored, TransferError> {
    let mut file = File::open(path).await?;
    if !file.metadata().await?.is_file() {
        // A pipe can be read once only.
        return put_stream(client, file, told).await;
    }
    let (digest, size_bytes) = digest_of(&mut file).await?;
    let most = client.bus().max_attachment_bytes() as u64;
    if size_bytes <= most {
        file.seek(SeekFrom::Start(0)).await?;
        let mut content = Vec::new();
        file.take(most).read_to_end(&mut content).await?;
        let stored = put_whole(client, content.into()).await?;
        told(size_bytes, Some(size_bytes));
        return Ok(stored);
    }
    let start = PutStart { digest: Some(digest.clone()), size_bytes: Some(size_bytes) };
    let upload = client.call_with::<call::ArtifactPutStart>(&start, &patient()).await?.reply;
    if let Some(stored) = upload.stored {
        told(size_bytes, Some(size_bytes));
        return Ok(stored);
    }
    let mut missing = upload.missing;
    loop {
        let pieces = pieces(&missing, size_bytes, upload.chunk_bytes);
        let to_come: u64 = pieces.iter().map(|(_, len)| *len as u64).sum();
        let mut done = size_bytes.saturating_sub(to_come);
        told(done, Some(size_bytes));
        let read = stream::try_unfold((File::open(path).await?, pieces.into_iter()), next_of_file);
        let sent = read.map_ok(|(offset, piece)| send(client, &upload.upload, offset, piece));
        let mut sent = std::pin::pin!(sent.try_buffer_unordered(WINDOW));
        while let Some(len) = sent.try_next().await? {
            done += len;
            told(done, Some(size_bytes));
        }
        let finish = PutFinish { upload: upload.upload.clone(), digest: digest.clone(), size_bytes };
        match finished(client, &finish).await? {
            Finish::Missing { missing: more } => missing = more,
            Finish::Stored { stored } => return Ok(stored),
            Finish::Working { .. } => {}
        }
    }
}

type Rest = (File, std::vec::IntoIter<(u64, usize)>);

/// The next piece of a file, if there is one more, and what then remains.
async fn next_of_file((mut file, mut pieces): Rest) -> Result<Option<((u64, Bytes), Rest)>, TransferError> {
    let Some((offset, len)) = pieces.next() else { return Ok(None) };
    file.seek(SeekFrom::Start(offset)).await?;
    let mut piece = vec![0; len];
    file.read_exact(&mut piece).await?;
    Ok(Some(((offset, Bytes::from(piece)), (file, pieces))))
}

/// The digest of a file's content.
///
/// # Errors
/// The file cannot be read.
pub async fn digest_of_file(path: &Path) -> Result<Digest, io::Error> {
    Ok(digest_of(&mut File::open(path).await?).await?.0)
}

async fn digest_of(file: &mut File) -> Result<(Digest, u64), io::Error> {
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; READ_BYTES]);
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok((Digest::from(&hasher.finalize()), hasher.count()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

/// The pieces that fill the gaps: where each starts, and its length.
fn pieces(gaps: &[Span], size_bytes: u64, chunk_bytes: u32) -> Vec<(u64, usize)> {
    let chunk_bytes = u64::from(chunk_bytes.max(1));
    let in_gap = |gap: &Span| {
        let first = gap.offset / chunk_bytes;
        let last = gap.end.unwrap_or(size_bytes).min(size_bytes).div_ceil(chunk_bytes);
        (first..last).map(|index| {
            let offset = index * chunk_bytes;
            (offset, usize::try_from(chunk_bytes.min(size_bytes - offset)).unwrap_or(usize::MAX))
        })
    };
    gaps.iter().flat_map(in_gap).collect()
}

async fn send(client: &Client, upload: &UploadId, offset: u64, piece: Bytes) -> Result<u64, TransferError> {
    let chunk = PutChunk { upload: upload.clone(), offset };
    let (answered, _) = client.call_bytes::<call::ArtifactPutChunk>(&chunk, piece, &patient()).await?;
    Ok(answered.reply.len)
}

/// Asks until the upload is finished, or pieces turn out to be missing.
async fn finished(client: &Client, finish: &PutFinish) -> Result<Finish, TransferError> {
    loop {
        match client.call_with::<call::ArtifactPutFinish>(finish, &patient()).await?.reply {
            Finish::Working { .. } => {}
            settled => return Ok(settled),
        }
    }
}

/// Puts what can be read only once, such as standard input. Its size need not be known.
///
/// # Errors
/// [`TransferError`].
pub async fn put_stream(
    client: &Client,
    mut source: impl AsyncRead + Unpin + Send,
    told: Told<'_>,
) -> Result<Stored, TransferError> {
    let first = read_piece(&mut source, client.bus().max_attachment_bytes()).await?;
    if first.len() < client.bus().max_attachment_bytes() {
        return put_whole(client, first).await;
    }
    let upload = client.call_with::<call::ArtifactPutStart>(&PutStart::default(), &patient()).await?.reply;
    let chunk_bytes = usize::try_from(upload.chunk_bytes).unwrap_or(usize::MAX);
    let source = std::io::Cursor::new(first).chain(source);
    let hashed = Arc::<Mutex<blake3::Hasher>>::default();
    let read = stream::try_unfold((source, Arc::clone(&hashed)), |(mut source, hashed)| async move {
        let piece = read_piece(&mut source, chunk_bytes).await?;
        let offset = {
            let mut hasher = hashed.lock().unwrap_or_else(PoisonError::into_inner);
            let offset = hasher.count();
            hasher.update(&piece);
            offset
        };
        let next = (!piece.is_empty()).then_some(((offset, piece), (source, hashed)));
        Ok::<_, TransferError>(next)
    });
    let sent = read.map_ok(|(offset, piece)| send(client, &upload.upload, offset, piece));
    let mut done = 0;
    {
        let mut sent = std::pin::pin!(sent.try_buffer_unordered(WINDOW));
        while let Some(len) = sent.try_next().await? {
            done += len;
            told(done, None);
        }
    }
    let (digest, size_bytes) = {
        let hasher = hashed.lock().unwrap_or_else(PoisonError::into_inner);
        (Digest::from(&hasher.finalize()), hasher.count())
    };
    let finish = PutFinish { upload: upload.upload, digest, size_bytes };
    match finished(client, &finish).await? {
        Finish::Stored { stored } => Ok(stored),
        _ => Err(Fault::internal("pieces that were taken are missing; put it again").into()),
    }
}

/// As much as fills a piece, or less at the end.
async fn read_piece(source: &mut (impl AsyncRead + Unpin), len: usize) -> Result<Bytes, io::Error> {
    let mut piece = Vec::with_capacity(len);
    source.take(len as u64).read_to_end(&mut piece).await?;
    Ok(piece.into())
}

/// Writes content to `sink`, in order, from its first byte to its last; `told` hears how far it is.
///
/// # Errors
/// [`TransferError`]; what was written by then is to be thrown away.
pub async fn get(
    client: &Client,
    artifact: &ArtifactRef,
    at_least: u64,
    sink: &mut (impl AsyncWrite + Unpin),
    told: Told<'_>,
) -> Result<Got, TransferError> {
    let (reading, first) = Reading::begin(client, artifact, at_least).await?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&first);
    sink.write_all(&first).await?;
    told(hasher.count(), Some(reading.got.size_bytes));
    reading.rest(&mut hasher, sink, told).await?;
    Ok(reading.got)
}

/// Content that is being got.
struct Reading<'a> {
    client: &'a Client,
    got: Got,
    /// Whichever replica answers must know what the first one knew.
    as_of: u64,
    /// Size of its pieces in bytes.
    piece_bytes: u64,
}

impl<'a> Reading<'a> {
    /// Asks for the first piece, and so for what is meant.
    async fn begin(
        client: &'a Client,
        artifact: &ArtifactRef,
        at_least: u64,
    ) -> Result<(Self, Bytes), TransferError> {
        let options = Options { at_least, ..patient() };
        let first = Get { artifact: artifact.clone(), offset: 0, len: None };
        let (answered, piece) =
            client.call_bytes::<call::ArtifactGet>(&first, Bytes::new(), &options).await?;
        let (as_of, piece_bytes) = (answered.as_of.max(at_least), piece.len() as u64);
        Ok((Self { client, got: answered.reply, as_of, piece_bytes }, piece))
    }

    /// Writes what comes after that which is hashed already, and holds the whole against its digest.
    async fn rest(
        &self,
        hasher: &mut blake3::Hasher,
        sink: &mut (impl AsyncWrite + Unpin),
        told: Told<'_>,
    ) -> Result<(), TransferError> {
        let Got { digest, size_bytes, .. } = &self.got;
        if self.piece_bytes > 0 && hasher.count() < *size_bytes {
            // By digest from now on: a name may mean something newer by then.
            let content = content_of(digest)?;
            let len = usize::try_from(self.piece_bytes).unwrap_or(usize::MAX);
            let offsets = (hasher.count()..*size_bytes).step_by(len);
            let asked = offsets.map(|offset| stretch(self.client, &content, self.as_of, (offset, len)));
            let mut asked = std::pin::pin!(stream::iter(asked).buffered(WINDOW));
            while let Some(piece) = asked.try_next().await? {
                hasher.update(&piece);
                sink.write_all(&piece).await?;
                told(hasher.count(), Some(*size_bytes));
            }
        }
        sink.flush().await?;
        let found = hasher.finalize();
        if Digest::from(&found) != *digest {
            return Err(TransferError::Bent { digest: digest.clone(), found: found.to_hex().to_string() });
        }
        Ok(())
    }
}

fn content_of(digest: &Digest) -> Result<ArtifactRef, Fault> {
    ArtifactRef::new(digest.as_str()).map_err(|error| Fault::internal(error.to_string()))
}

async fn stretch(
    client: &Client,
    content: &ArtifactRef,
    at_least: u64,
    (offset, len): (u64, usize),
) -> Result<Bytes, TransferError> {
    let get = Get { artifact: content.clone(), offset, len: u32::try_from(len).ok() };
    let options = Options { at_least, ..patient() };
    let (_, piece) = client.call_bytes::<call::ArtifactGet>(&get, Bytes::new(), &options).await?;
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_with_whole_pieces() {
        let gap = |offset, end| Span { offset, end };
        assert_eq!(pieces(&[gap(0, Some(10))], 10, 4), [(0, 4), (4, 4), (8, 2)]);
        assert_eq!(pieces(&[gap(4, Some(8)), gap(8, None)], 9, 4), [(4, 4), (8, 1)]);
        assert_eq!(pieces(&[gap(6, Some(7))], 9, 4), [(4, 4)]);
        assert_eq!(pieces(&[], 9, 4), []);
    }
}
