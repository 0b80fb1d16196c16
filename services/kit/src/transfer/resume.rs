//! Content into a file: whole or not at all, and what was interrupted goes on where it stopped.
//!
//! What has come lies beside the file, as `<file>.part-<first digits of the digest>`. Whether it is right is
//! told by the digest of the whole alone: if it is not, it is thrown away and all is fetched again.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use selvedge_contracts::{
    fault::Fault,
    id::{ArtifactRef, Digest},
    payload::artifact::Got,
};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom},
};

use super::{READ_BYTES, Reading, Told, TransferError};
use crate::client::Client;

/// Digits of the digest in the name of what has come so far.
const DIGITS: usize = 16;

/// Gets content into a file. What an earlier try has left is not fetched again; if this one is interrupted,
/// what has come stays for the next.
///
/// # Errors
/// [`TransferError`]; `conflict` if somebody else is getting the same into this file.
pub async fn get_file(
    client: &Client,
    artifact: &ArtifactRef,
    at_least: u64,
    path: &Path,
    told: Told<'_>,
) -> Result<Got, TransferError> {
    if fs::metadata(path).await.is_ok_and(|meta| meta.is_dir()) {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    let (reading, first) = Reading::begin(client, artifact, at_least).await?;
    let part = part_of(path, &reading.got.digest);
    let mut file = open(&part).await?;
    let mut hasher = blake3::Hasher::new();
    let mut from = hash_pieces(&mut file, &reading, &mut hasher).await?;
    loop {
        match fetch(&reading, &first, &mut file, from, hasher, told).await {
            Err(TransferError::Bent { .. }) if from > 0 => {
                // What lay there was something else.
                (from, hasher) = (0, blake3::Hasher::new());
            }
            Err(bent @ TransferError::Bent { .. }) => {
                fs::remove_file(&part).await?;
                return Err(bent);
            }
            fetched => break fetched?,
        }
    }
    file.sync_all().await?;
    fs::rename(&part, path).await?;
    Ok(reading.got)
}

fn part_of(path: &Path, digest: &Digest) -> PathBuf {
    let digits = digest.as_str().get(..DIGITS).unwrap_or_default();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".part-{digits}"));
    name.into()
}

/// Opens what has come so far, for nobody else as long as it is open.
async fn open(part: &Path) -> Result<File, TransferError> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(part).await?;
    let file = file.into_std().await;
    match file.try_lock() {
        // Whoever had it may have finished just now, and this is the whole file.
        Ok(()) if is_at(&file, part) => Ok(File::from_std(file)),
        Ok(()) | Err(std::fs::TryLockError::WouldBlock) => {
            let message = format!("somebody else is getting it: {} is in use", part.display());
            Err(Fault::conflict(message).into())
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

fn is_at(file: &std::fs::File, path: &Path) -> bool {
    let place = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let at_path = std::fs::metadata(path).map(place);
    file.metadata().map(place).is_ok_and(|place| at_path.is_ok_and(|at_path| at_path == place))
}

/// Hashes the whole pieces that are there, and answers with where they end.
async fn hash_pieces(
    file: &mut File,
    reading: &Reading<'_>,
    hasher: &mut blake3::Hasher,
) -> Result<u64, io::Error> {
    let len = file.metadata().await?.len();
    let whole = if len > reading.got.size_bytes { 0 } else { len - len % reading.piece_bytes.max(1) };
    let mut buffer = vec![0; READ_BYTES];
    let mut rest = (&mut *file).take(whole);
    loop {
        match rest.read(&mut buffer).await? {
            0 => return Ok(hasher.count()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        };
    }
}

/// Fetches everything from `from` on.
async fn fetch(
    reading: &Reading<'_>,
    first: &Bytes,
    file: &mut File,
    from: u64,
    mut hasher: blake3::Hasher,
    told: Told<'_>,
) -> Result<(), TransferError> {
    file.set_len(from).await?;
    file.seek(SeekFrom::Start(from)).await?;
    if from == 0 {
        hasher.update(first);
        file.write_all(first).await?;
    }
    told(hasher.count(), Some(reading.got.size_bytes));
    reading.rest(&mut hasher, file, told).await
}
