//! The best of many by score; of equals, the older: the same whatever order they come in.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Keeps the best `most`.
#[derive(Debug)]
pub(crate) struct Top {
    kept: BinaryHeap<Reverse<(i64, Reverse<u32>)>>,
    most: usize,
    /// Scores below this are not wanted: most are, and are told so at once.
    bar: i64,
}

impl Top {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: BinaryHeap::with_capacity(most + 1), most, bar: i64::MIN }
    }

    /// Whether one of this score and slot would be kept.
    #[inline]
    pub(crate) fn wants(&self, score: i64, slot: u32) -> bool {
        score >= self.bar && self.has_room_for(score, slot)
    }

    fn has_room_for(&self, score: i64, slot: u32) -> bool {
        self.kept.len() < self.most
            || self.kept.peek().is_some_and(|Reverse(worst)| (score, Reverse(slot)) > *worst)
    }

    /// Takes one in that it wants.
    pub(crate) fn push(&mut self, score: i64, slot: u32) {
        if self.wants(score, slot) {
            self.kept.push(Reverse((score, Reverse(slot))));
            if self.kept.len() > self.most {
                self.kept.pop();
            }
            if self.kept.len() == self.most {
                self.bar = self.kept.peek().map_or(i64::MIN, |Reverse((score, _))| *score);
            }
        }
    }

    /// The slots kept, best first.
    pub(crate) fn into_slots(self) -> Vec<u32> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(slot)))| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let all: Vec<(i64, u32)> = (0..200).map(|n| (i64::from(n * 37 % 10), n as u32)).collect();
        let best = |order: &mut dyn Iterator<Item = &(i64, u32)>| {
            let mut top = Top::new(25);
            order.for_each(|(score, slot)| top.push(*score, *slot));
            top.into_slots()
        };
        let forward = best(&mut all.iter());
        assert_eq!(forward, best(&mut all.iter().rev()));
        let mut sorted = all.clone();
        sorted.sort_by_key(|(score, slot)| (Reverse(*score), *slot));
        assert_eq!(forward, sorted.iter().take(25).map(|(_, slot)| *slot).collect::<Vec<_>>());
    }
}
