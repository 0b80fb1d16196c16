//! Memory for contents: one budget of bytes for everything that is carried out at once.
//!
//! Content is taken in as it comes, as long as there is room. Where there is not, everything is given up that
//! was taken in, and the most that it may be is waited for in line: nobody waits while they hold some, so
//! nobody waits for ever.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use selvedge_contracts::id::Mission;
use tokio::io::AsyncWrite;

use crate::shares::{Share, Shares};

/// Most bytes of content in one commit.
pub(crate) const MOST_OF_COMMIT: usize = 64 << 20;
/// Bytes that are counted together.
const UNIT: usize = 1_024;
/// Bytes by which a room grows at least.
const GROWTH: usize = 64 << 10;

/// The budget.
pub(crate) struct Memory(Shares);

impl Memory {
    /// So many bytes; as many as the largest commit takes, if that is more. A mission gets half of it, and
    /// never less than one commit.
    pub(crate) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes).unwrap_or(usize::MAX) / UNIT;
        Self(Shares::new(units, MOST_OF_COMMIT / UNIT))
    }

    /// Room for at most so many bytes, taken as they come.
    pub(crate) fn room(&self, mission: &Mission, most: usize) -> Room<'_> {
        Room::new(self, mission, most, None)
    }

    /// Room for so many bytes, all of them set aside; waits in line. Nothing is answered never.
    pub(crate) async fn reserved(&self, mission: &Mission, most: usize) -> Option<Room<'_>> {
        let share = self.0.take(mission, units(most.min(MOST_OF_COMMIT))).await?;
        Some(Room::new(self, mission, most, Some(share)))
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// Why there is no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// It is more than there may be.
    TooMuch,
    /// Others have it just now.
    Taken,
}

/// Room for some contents, which are taken in together.
pub(crate) struct Room<'a> {
    memory: &'a Memory,
    mission: Mission,
    most: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    used: usize,
    share: Option<Share>,
    refused: Option<NoRoom>,
}

impl<'a> Room<'a> {
    fn new(memory: &'a Memory, mission: &Mission, most: usize, share: Option<Share>) -> Self {
        let inside = Mutex::new(Inside { share, ..Inside::default() });
        Self { memory, mission: mission.clone(), most, inside }
    }

    /// Why it took in no more, if it was asked to.
    pub(crate) fn refused(&self) -> Option<NoRoom> {
        self.inside().refused
    }

    /// A content that is to be written into it.
    pub(crate) fn sink(&self) -> Sink<'_> {
        Sink { room: self, kept: Vec::new() }
    }

    /// Ends the taking in: what is used stays taken until everything that was held with it is dropped.
    pub(crate) fn close(self) -> Held {
        let Inside { used, share, .. } = self.inside.into_inner().unwrap_or_else(PoisonError::into_inner);
        let share = share.map(|mut share| {
            share.keep(used.div_ceil(UNIT));
            share
        });
        Held { _share: Arc::new(share) }
    }

    /// Takes so many bytes of the room.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut inside = self.inside();
        let used = inside.used.saturating_add(bytes);
        let outcome = if used > self.most { Err(NoRoom::TooMuch) } else { self.grow(&mut inside, used) };
        match outcome {
            Ok(()) => inside.used = used,
            Err(why) => inside.refused = Some(why),
        }
        outcome
    }

    /// Makes sure that the share covers so many bytes.
    fn grow(&self, inside: &mut Inside, used: usize) -> Result<(), NoRoom> {
        let covered = inside.share.as_ref().map_or(0, Share::amount) * UNIT;
        if used <= covered {
            return Ok(());
        }
        let wanted = (used - covered).max(GROWTH);
        let more = self.memory.0.try_take(&self.mission, units(wanted)).ok_or(NoRoom::Taken)?;
        match &mut inside.share {
            Some(share) => share.add(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a room's contents hold of the budget.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    _share: Arc<Option<Share>>,
}

impl Held {
    /// The content, which holds its part of the budget as long as anybody has it.
    pub(crate) fn content(&self, kept: Vec<u8>) -> Bytes {
        Bytes::from_owner(Kept { kept: kept.into_boxed_slice(), _held: self.clone() })
    }
}

struct Kept {
    kept: Box<[u8]>,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.kept
    }
}

/// One content, as it is written into a room.
pub(crate) struct Sink<'a> {
    room: &'a Room<'a>,
    pub(crate) kept: Vec<u8>,
}

impl AsyncWrite for Sink<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.room.take(bytes.len()).is_err() {
            return Poll::Ready(Err(io::Error::other("no room"))); // `refused` says why
        }
        self.kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn mission(name: &str) -> Mission {
        Mission::new(name).unwrap()
    }

    #[test]
    fn contents_take_of_the_budget_what_they_have_until_the_last_of_them_is_gone() {
        let memory = Memory::new(0); // the least there is
        let room = memory.room(&mission("one"), MOST_OF_COMMIT);
        room.take(100 << 10).unwrap();
        let held = room.close();
        let contents = [held.content(vec![1; 60 << 10]), held.content(vec![2; 40 << 10])];
        drop(held);
        let rest = memory.room(&mission("two"), MOST_OF_COMMIT);
        rest.take(MOST_OF_COMMIT - (100 << 10)).unwrap();
        assert_eq!(rest.take(1), Err(NoRoom::Taken));
        assert_eq!(rest.refused(), Some(NoRoom::Taken));
        drop(rest);
        let [one, two] = contents;
        drop(one);
        let whole = || memory.reserved(&mission("two"), MOST_OF_COMMIT).now_or_never().flatten().is_some();
        assert!(!whole(), "one content is still there");
        drop(two);
        assert!(whole());
    }

    #[test]
    fn a_room_takes_no_more_than_it_may() {
        let memory = Memory::new(u64::MAX);
        let room = memory.room(&mission("one"), 10);
        room.take(10).unwrap();
        assert_eq!((room.take(1), room.refused()), (Err(NoRoom::TooMuch), Some(NoRoom::TooMuch)));
    }

    #[test]
    fn one_mission_leaves_room_for_others_and_who_waits_is_not_overtaken() {
        let memory = Memory::new(4 * MOST_OF_COMMIT as u64);
        let (one, two) = (mission("one"), mission("two"));
        let first = memory.reserved(&one, MOST_OF_COMMIT).now_or_never().flatten().unwrap();
        let second = memory.reserved(&one, MOST_OF_COMMIT).now_or_never().flatten().unwrap();
        let mut third = Box::pin(memory.reserved(&one, MOST_OF_COMMIT));
        assert!(third.as_mut().now_or_never().is_none(), "it has its half");
        memory.room(&two, MOST_OF_COMMIT).take(1).unwrap();
        drop(first);
        assert_eq!(memory.room(&one, MOST_OF_COMMIT).take(1), Err(NoRoom::Taken), "the third was first");
        assert!(third.as_mut().now_or_never().flatten().is_some());
        drop(second);
    }
}
