//! What was merged into what, and what stands at the end.

use selvedge_contracts::payload::overlap::CreationState;

use super::Book;

/// What stands at the end of a chain of merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// Something that is on its way, or there.
    Alive(u128),
    /// Something that is neither any more.
    Gone(u128, CreationState),
    /// It leads back into itself.
    Ring,
}

/// Longest chain that is followed.
const LONGEST: usize = 10_000;

impl Book {
    /// What stands at the end of the chain that starts with a creation; itself if it was not merged.
    pub(crate) fn root(&self, number: u128) -> Root {
        let mut at = number;
        for _ in 0..LONGEST {
            match self.get(at) {
                Some(record) if record.state.is_alive() => return Root::Alive(at),
                Some(record) => match record.into.get() {
                    Some(into) if into == number => return Root::Ring,
                    Some(into) => at = into,
                    None => return Root::Gone(at, record.state),
                },
                None => return Root::Gone(at, CreationState::Removed),
            }
        }
        Root::Ring // one that `number` hangs on, or a chain that nobody can have meant
    }

    /// What has to be opened again after something became of a creation: those that were merged into it if it is
    /// gone, and itself if what it was merged into is, or if its merge closed a ring. With each, what it was
    /// merged into and what became of that.
    pub(crate) fn stranded(&self, number: u128) -> Vec<(u128, u128, CreationState)> {
        let Some(record) = self.get(number) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let (CreationState::Merged, Some(into)) = (record.state, record.into.get()) {
            let became = self.get(into).map_or(CreationState::Removed, |record| record.state);
            let is_gone = !became.is_alive() && became != CreationState::Merged;
            if is_gone || self.closes_a_ring(number) {
                found.push((number, into, became));
            }
        }
        if !record.state.is_alive() && record.state != CreationState::Merged {
            let children = self.children.get(&number).into_iter().flatten();
            found.extend(children.map(|child| (*child, number, record.state)));
        }
        found
    }

    /// Whether it stands in a ring of merges, and is the last that was merged of those in it.
    fn closes_a_ring(&self, number: u128) -> bool {
        let Some(own) = self.get(number) else {
            return false;
        };
        let mut at = own.into.get();
        for _ in 0..LONGEST {
            match at {
                Some(number_at) if number_at == number => return true,
                Some(number_at) => match self.get(number_at) {
                    Some(record) if record.state.is_alive() || record.revision > own.revision => {
                        return false;
                    }
                    Some(record) => at = record.into.get(),
                    None => return false,
                },
                None => return false,
            }
        }
        false
    }
}
