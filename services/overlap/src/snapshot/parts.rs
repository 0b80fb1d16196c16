//! The parts of a corpus, each written and read.

use super::fields::{Reader, Writer};
use crate::{
    cells::{Cell, Cells},
    corpus::{Corpus, Ids, Lengths, Slot, Watched, state_byte, state_of},
    error::SnapshotError,
    item::Text,
    lexicon::Lexicon,
    postings::Postings,
    rules::kind::Kinds,
    vector::{DIMENSIONS, Vector},
};

type Done = Result<(), SnapshotError>;

pub(super) fn write_scopes(writer: &mut Writer<'_>, corpus: &Corpus) -> Done {
    writer.u32(corpus.scopes.all().len() as u32)?;
    corpus.scopes.all().iter().try_for_each(|name| writer.list(name.as_bytes()))
}

pub(super) fn read_scopes(reader: &mut Reader<'_>, corpus: &mut Corpus) -> Done {
    for _ in 0..reader.u32()? {
        corpus.scopes.number(&reader.text()?);
    }
    Ok(())
}

/// A slot: 0 where it is empty, else 1 and its item.
pub(super) fn write_slots(writer: &mut Writer<'_>, corpus: &Corpus) -> Done {
    writer.u32(corpus.slots.len() as u32)?;
    for (slot, lengths) in corpus.slots.iter().zip(&corpus.lengths) {
        let Some(text) = &slot.text else {
            writer.bytes(&[0])?;
            continue;
        };
        let (whole, ends, paths) = text.raw();
        writer.bytes(&[1, state_byte(slot.state), slot.kinds.bits(), lengths.words, lengths.title])?;
        writer.u64(slot.created)?;
        writer.u32(slot.scope)?;
        writer.bytes(&slot.reach.to_le_bytes())?;
        writer.list(whole.as_bytes())?;
        ends.iter().try_for_each(|end| writer.u32(*end))?;
        writer.u32(paths)?;
        writer.list(&slot.words)?;
    }
    Ok(())
}

pub(super) fn read_slots(reader: &mut Reader<'_>, corpus: &mut Corpus) -> Done {
    for _ in 0..reader.u32()? {
        let (slot, lengths) = read_slot(reader)?;
        if slot.text.is_some() {
            corpus.words_in_all += u64::from(lengths.words);
        }
        corpus.slots.push(slot);
        corpus.lengths.push(lengths);
    }
    corpus.ids = Ids::of(&corpus.slots);
    Ok(())
}

fn read_slot(reader: &mut Reader<'_>) -> Result<(Slot, Lengths), SnapshotError> {
    let mut slot = Slot::empty();
    if reader.array()? == [0] {
        return Ok((slot, Lengths::default()));
    }
    let [state, kinds, words, title] = reader.array()?;
    slot.state = state_of(state);
    slot.kinds = Kinds::from_bits(kinds);
    slot.created = reader.u64()?;
    slot.scope = reader.u32()?;
    slot.reach = u16::from_le_bytes(reader.array()?);
    let whole = reader.text()?;
    let ends = [reader.u32()?, reader.u32()?, reader.u32()?];
    let text = Text::from_raw(whole, ends, reader.u32()?);
    slot.text = Some(text.ok_or(SnapshotError::Damaged("a text does not fit its parts"))?);
    slot.words = reader.list()?.into();
    Ok((slot, Lengths { words, title }))
}

pub(super) fn write_cells(writer: &mut Writer<'_>, cells: &Cells) -> Done {
    write_vectors(writer, &cells.centroids)?;
    for cell in std::iter::once(&cells.tail).chain(&cells.cells) {
        write_vectors(writer, &cell.vectors)?;
        cell.slots.iter().try_for_each(|slot| writer.u32(*slot))?;
    }
    Ok(())
}

pub(super) fn read_cells(reader: &mut Reader<'_>, corpus: &mut Corpus) -> Done {
    let cells = &mut corpus.cells;
    cells.centroids = read_vectors(reader)?;
    cells.tail = read_cell(reader)?;
    for _ in 0..cells.centroids.len() {
        cells.cells.push(read_cell(reader)?);
    }
    for (slot, place) in corpus.cells.places() {
        let slot = corpus.slots.get_mut(slot as usize);
        slot.ok_or(SnapshotError::Damaged("a vector has no slot"))?.place = place;
    }
    Ok(())
}

fn write_vectors(writer: &mut Writer<'_>, vectors: &[Vector]) -> Done {
    writer.u32(vectors.len() as u32)?;
    vectors.iter().try_for_each(|vector| writer.bytes(&vector.map(i8::cast_unsigned)))
}

fn read_vectors(reader: &mut Reader<'_>) -> Result<Vec<Vector>, SnapshotError> {
    let count = reader.u32()?;
    let mut vectors = Vec::new();
    vectors.reserve_exact((count as usize).min(1 << 16));
    for _ in 0..count {
        vectors.push(reader.array::<DIMENSIONS>()?.map(u8::cast_signed));
    }
    vectors.shrink_to_fit();
    Ok(vectors)
}

fn read_cell(reader: &mut Reader<'_>) -> Result<Cell, SnapshotError> {
    let vectors = read_vectors(reader)?;
    let slots = (0..vectors.len()).map(|_| reader.u32()).collect::<Result<_, _>>()?;
    Ok(Cell { vectors, slots })
}

pub(super) fn write_lexicon(writer: &mut Writer<'_>, lexicon: &Lexicon) -> Done {
    let lists = lexicon.lists();
    writer.u32(lists.len() as u32)?;
    for (key, list) in lists {
        let (bytes, last, count) = list.raw();
        writer.u32(key)?;
        writer.u64(last)?;
        writer.u32(count)?;
        writer.list(bytes)?;
    }
    Ok(())
}

pub(super) fn read_lexicon(reader: &mut Reader<'_>) -> Result<Lexicon, SnapshotError> {
    let mut lexicon = Lexicon::default();
    let count = reader.u32()?;
    lexicon.reserve((count as usize).min(1 << 22));
    for _ in 0..count {
        let (key, last, places) = (reader.u32()?, reader.u64()?, reader.u32()?);
        lexicon.restore(key, Postings::from_raw(reader.list()?, last, places));
    }
    Ok(lexicon)
}

/// Which pending items are watched depends on which were there when there was room, so it is written down.
pub(super) fn write_watched(writer: &mut Writer<'_>, corpus: &Corpus) -> Done {
    writer.u32(corpus.watched.len() as u32)?;
    corpus.watched.slots().try_for_each(|slot| writer.u32(slot))
}

pub(super) fn read_watched(reader: &mut Reader<'_>, corpus: &mut Corpus) -> Done {
    for _ in 0..reader.u32()? {
        let slot = reader.u32()?;
        let text = corpus.text(slot).ok_or(SnapshotError::Damaged("a pending item is not there"))?;
        let watched = Watched::of(text);
        corpus.watched.insert(slot, watched);
    }
    Ok(())
}
