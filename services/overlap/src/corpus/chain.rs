//! A hash over everything that was applied, in its order: of texts, as much as is kept.

use crate::item::{Change, Item, State, Text};

/// The hash after one more change.
pub(crate) fn next(before: &[u8; 32], sequence: u64, change: &Change) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(&sequence.to_le_bytes());
    match change {
        Change::Insert(item) => add_item(&mut hasher, 0, item),
        Change::Edit(item) => add_item(&mut hasher, 1, item),
        Change::State { id, state } => {
            add(&mut hasher, &[[2, number(*state)].as_slice(), id.as_bytes()].concat());
        }
        Change::Remove { id } => add(&mut hasher, &[[3].as_slice(), id.as_bytes()].concat()),
    }
    *hasher.finalize().as_bytes()
}

/// What the index keeps of an item: the answers depend on no more.
fn add_item(hasher: &mut blake3::Hasher, kind: u8, item: &Item) {
    hasher.update(&[kind, number(item.state)]);
    let text = Text::of(item);
    for text in [text.id(), text.title(), text.description(), &item.scope] {
        add(hasher, text.as_bytes());
    }
    hasher.update(&(text.paths().count() as u64).to_le_bytes());
    text.paths().chain(text.artifacts()).for_each(|name| add(hasher, name.as_bytes()));
}

/// With its length before it, so that no two lists of texts read the same.
fn add(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

/// A state as a byte.
pub(crate) fn number(state: State) -> u8 {
    match state {
        State::Pending => 0,
        State::Existing => 1,
        State::Discarded => 2,
    }
}

/// The state of a byte.
pub(crate) fn state_of(byte: u8) -> State {
    match byte {
        0 => State::Pending,
        1 => State::Existing,
        _ => State::Discarded,
    }
}
