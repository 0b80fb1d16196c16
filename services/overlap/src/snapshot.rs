//! The whole corpus as bytes, and back. Frames (`frames`) carry: format, model, settings, sequence, chain,
//! scopes, slots with their texts, words and lengths, vectors by cell, centroids, the two lexicons. All numbers are
//! little-endian; a list has its length before it.

use std::io::{Read, Write};

use crate::{corpus::Corpus, error::SnapshotError};

mod fields;
mod frames;
mod parts;

use fields::{Reader, Writer};

/// The format's number: another one, another format.
const FORMAT: u32 = 2;

/// Writes a corpus.
pub(crate) fn write(corpus: &Corpus, out: &mut dyn Write) -> Result<(), SnapshotError> {
    let mut writer = Writer::new(frames::Writer::new(out));
    writer.u32(FORMAT)?;
    writer.bytes(&corpus.embedder.hash())?;
    writer.bytes(&corpus.settings.hash())?;
    writer.u64(corpus.sequence)?;
    writer.bytes(&corpus.chain)?;
    writer.u32(corpus.since_upkeep)?;
    parts::write_scopes(&mut writer, corpus)?;
    parts::write_slots(&mut writer, corpus)?;
    parts::write_cells(&mut writer, &corpus.cells)?;
    parts::write_lexicon(&mut writer, &corpus.words)?;
    parts::write_lexicon(&mut writer, &corpus.trigrams)?;
    parts::write_watched(&mut writer, corpus)?;
    Ok(writer.into_frames().finish()?)
}

/// Reads a corpus into an empty one of the same model and settings.
pub(crate) fn read(mut corpus: Corpus, from: &mut dyn Read) -> Result<Corpus, SnapshotError> {
    let mut reader = Reader::new(frames::Reader::new(from));
    let found = reader.u32()?;
    if found != FORMAT {
        return Err(SnapshotError::Version { expected: FORMAT, found });
    }
    if reader.array::<32>()? != corpus.embedder.hash() {
        return Err(SnapshotError::Other("model"));
    }
    if reader.array::<32>()? != corpus.settings.hash() {
        return Err(SnapshotError::Other("set of settings"));
    }
    corpus.sequence = reader.u64()?;
    corpus.chain = reader.array()?;
    corpus.since_upkeep = reader.u32()?;
    parts::read_scopes(&mut reader, &mut corpus)?;
    parts::read_slots(&mut reader, &mut corpus)?;
    parts::read_cells(&mut reader, &mut corpus)?;
    corpus.words = parts::read_lexicon(&mut reader)?;
    corpus.trigrams = parts::read_lexicon(&mut reader)?;
    parts::read_watched(&mut reader, &mut corpus)?;
    reader.into_frames().finish()?;
    Ok(corpus)
}
