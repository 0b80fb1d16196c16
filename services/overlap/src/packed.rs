//! The words of an item in few bytes: numbers of the word index in rising order, as distances of seven bits a
//! byte. The words that came first have small numbers, and most texts are made of them.

/// A word's number, and whether it stands in the title.
pub(crate) type Entry = (u32, bool);

/// Packs entries in rising order.
pub(crate) fn pack(entries: &[Entry]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(2 * entries.len());
    let mut last = 0;
    for (number, is_in_title) in entries {
        let place = u64::from(*number) << 1 | u64::from(*is_in_title);
        let mut distance = place.saturating_sub(last);
        last = place;
        while distance >= 0x80 {
            bytes.push(distance as u8 | 0x80);
            distance >>= 7;
        }
        bytes.push(distance as u8);
    }
    bytes.into()
}

/// Reads packed entries.
#[derive(Debug, Clone)]
pub(crate) struct Unpacked<'a> {
    rest: &'a [u8],
    last: u64,
}

/// The entries, in rising order.
pub(crate) fn unpack(bytes: &[u8]) -> Unpacked<'_> {
    Unpacked { rest: bytes, last: 0 }
}

impl Iterator for Unpacked<'_> {
    type Item = Entry;

    #[inline]
    fn next(&mut self) -> Option<Entry> {
        let (mut distance, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            distance |= u64::from(byte & 0x7f) << (shift & 63);
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        self.last = self.last.wrapping_add(distance);
        Some(((self.last >> 1) as u32, self.last & 1 == 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(entries in proptest::collection::btree_map(any::<u32>(), any::<bool>(), 0..100)) {
            let entries: Vec<Entry> = entries.into_iter().collect();
            prop_assert_eq!(unpack(&pack(&entries)).collect::<Vec<_>>(), entries);
        }

        #[test]
        fn bytes_that_are_none_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).count() <= bytes.len());
        }
    }
}
