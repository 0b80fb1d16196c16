//! Slots by the id of their item. The ids themselves stand in the slots.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::Slot;

/// Slots by id.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    slots: HashTable<u32>,
    /// Drawn at random, so that nobody can choose ids that collide; nothing but look-ups depends on it.
    hasher: DefaultHashBuilder,
}

impl Ids {
    /// Those of all slots that hold an item.
    pub(crate) fn of(slots: &[Slot]) -> Self {
        let mut ids = Self { slots: HashTable::with_capacity(slots.len()), ..Self::default() };
        let live = (0..).zip(slots).filter(|(_, slot)| slot.text.is_some());
        live.for_each(|(number, _)| ids.insert(number, slots));
        ids
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a slot whose item's id is new.
    pub(crate) fn insert(&mut self, number: u32, slots: &[Slot]) {
        let hash = |number: &u32| self.hasher.hash_one(id(slots, *number));
        self.slots.insert_unique(hash(&number), number, hash);
    }

    /// The slot of an id.
    pub(crate) fn find(&self, sought: &str, slots: &[Slot]) -> Option<u32> {
        self.slots.find(self.hasher.hash_one(sought), |number| id(slots, *number) == sought).copied()
    }

    /// Forgets an id; gives back the slot that it had.
    pub(crate) fn remove(&mut self, sought: &str, slots: &[Slot]) -> Option<u32> {
        let hash = self.hasher.hash_one(sought);
        let entry = self.slots.find_entry(hash, |number| id(slots, *number) == sought).ok()?;
        Some(entry.remove().0)
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * 8 / 7 * (size_of::<u32>() + 1)
    }
}

fn id(slots: &[Slot], number: u32) -> &str {
    slots.get(number as usize).and_then(|slot| slot.text.as_ref()).map_or("", |text| text.id())
}
