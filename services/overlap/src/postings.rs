//! A list of places where a term stands, newest first: distances in bytes that are read from their end, so that
//! a reader who stops early has seen the newest.

use std::ops::ControlFlow;

/// Places in rising order, compressed. Each place is a slot and one mark of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Postings {
    /// For each place but the first, the distance from the one before: seven bits a byte, the last byte first.
    /// The top bit says that another byte stands before.
    bytes: Vec<u8>,
    /// The last place.
    last: u64,
    count: u32,
}

impl Postings {
    /// How many places there are, also of items that are gone.
    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// Adds a place behind all others; one that is not behind them is dropped. Whether it was added.
    pub(crate) fn push(&mut self, slot: u32, is_marked: bool) -> bool {
        let place = u64::from(slot) << 1 | u64::from(is_marked);
        if self.count > 0 {
            if place <= self.last {
                return false;
            }
            self.write(place - self.last);
        }
        self.last = place;
        self.count += 1;
        true
    }

    fn write(&mut self, distance: u64) {
        let length = (u64::BITS - distance.leading_zeros()).div_ceil(7).max(1);
        // Spare room stays an eighth: doubling would waste a third of all memory here.
        if self.bytes.capacity() - self.bytes.len() < length as usize {
            self.bytes.reserve_exact(self.bytes.len() / 8 + length as usize);
        }
        for at in 0..length {
            let more = if at == 0 { 0 } else { 0x80 };
            self.bytes.push((distance >> (7 * at)) as u8 & 0x7f | more);
        }
    }

    /// The places, newest first.
    pub(crate) fn newest_first(&self) -> NewestFirst<'_> {
        NewestFirst { rest: &self.bytes, next: (self.count > 0).then_some(self.last) }
    }

    /// Shows the places to `see`, newest first, until it breaks: faster than the iterator.
    #[inline]
    pub(crate) fn show_newest_first(
        &self,
        mut see: impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.count == 0 {
            return ControlFlow::Continue(());
        }
        let mut place = self.last;
        let mut distance = 0_u64;
        see((place >> 1) as u32, place & 1 == 1)?;
        for byte in self.bytes.iter().rev() {
            distance = distance << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                place = place.wrapping_sub(std::mem::take(&mut distance));
                see((place >> 1) as u32, place & 1 == 1)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Bytes that it takes beside its own structure.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Its parts, for a snapshot.
    pub(crate) fn raw(&self) -> (&[u8], u64, u32) {
        (&self.bytes, self.last, self.count)
    }

    /// From its parts.
    pub(crate) fn from_raw(bytes: Vec<u8>, last: u64, count: u32) -> Self {
        Self { bytes, last, count }
    }
}

/// Reads places, newest first.
pub(crate) struct NewestFirst<'a> {
    rest: &'a [u8],
    next: Option<u64>,
}

impl Iterator for NewestFirst<'_> {
    type Item = (u32, bool);

    #[inline]
    fn next(&mut self) -> Option<(u32, bool)> {
        let place = self.next?;
        self.next = None;
        let mut distance = 0_u64;
        while let [rest @ .., byte] = self.rest {
            self.rest = rest;
            distance = distance << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                self.next = Some(place.wrapping_sub(distance));
                break;
            }
        }
        Some(((place >> 1) as u32, place & 1 == 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_come_back_newest_first(places in proptest::collection::btree_map(0_u32.., any::<bool>(), 0..200)) {
            let mut postings = Postings::default();
            for (slot, is_marked) in &places {
                postings.push(*slot, *is_marked);
            }
            let expected: Vec<_> = places.into_iter().rev().collect();
            prop_assert_eq!(postings.len() as usize, expected.len());
            let mut shown = Vec::new();
            let enough = expected.len() / 2;
            let _ = postings.show_newest_first(|slot, is_marked| {
                shown.push((slot, is_marked));
                if shown.len() == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            prop_assert_eq!(&shown[..], &expected[..if enough == 0 { expected.len() } else { enough }]);
            prop_assert_eq!(postings.newest_first().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_place_that_is_not_behind_the_last_is_dropped() {
        let mut postings = Postings::default();
        postings.push(7, false);
        postings.push(7, false);
        postings.push(3, true);
        assert_eq!(postings.newest_first().collect::<Vec<_>>(), [(7, false)]);
    }
}
