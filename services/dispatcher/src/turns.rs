//! Turns of requests that are the same: within this replica one goes after the other, and each sees what the one
//! before came to. Replicas do not know of each other's
//! turns: what two of them come to for one request is settled by the ledger.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::fault::Fault;
use selvedge_kit::clock::Deadline;
use tokio::sync::OwnedMutexGuard;

/// Those that have a turn or wait for one, by what they ask for; as many as requests are in flight.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Place>>);

/// Where the same requests meet.
#[derive(Debug, Default)]
struct Place {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// How many have the turn or wait for it.
    meeting: usize,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    // Dropped in this order: whoever is last finds the turn free.
    _held: OwnedMutexGuard<()>,
    _seat: Seat<'a>,
}

#[derive(Debug)]
struct Seat<'a> {
    turns: &'a Turns,
    key: String,
}

impl Turns {
    /// Waits for the turn of this request.
    ///
    /// # Errors
    /// `unavailable` once the deadline has passed.
    pub(crate) async fn of(&self, key: String, until: Deadline) -> Result<Turn<'_>, Fault> {
        let (lock, seat) = self.sit(key);
        match tokio::time::timeout(until.remaining(), lock.lock_owned()).await {
            Ok(held) => Ok(Turn { _held: held, _seat: seat }),
            Err(_) => Err(Fault::unavailable(
                "an earlier sending of this request is still under way; send the same request again",
            )),
        }
    }

    fn sit(&self, key: String) -> (Arc<tokio::sync::Mutex<()>>, Seat<'_>) {
        let mut places = self.lock();
        let place = places.entry(key.clone()).or_default();
        place.meeting = place.meeting.saturating_add(1);
        (Arc::clone(&place.lock), Seat { turns: self, key })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut places = self.turns.lock();
        let Some(place) = places.get_mut(&self.key) else { return };
        place.meeting = place.meeting.saturating_sub(1);
        if place.meeting == 0 {
            places.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::fault::Code;

    use super::*;

    fn soon() -> Deadline {
        Deadline::in_ms(5_000)
    }

    #[tokio::test]
    async fn the_same_request_waits_for_its_turn_and_another_one_does_not() {
        let turns = Turns::default();
        let first = turns.of("a".to_owned(), soon()).await.unwrap();
        turns.of("b".to_owned(), soon()).await.expect("another request");
        let late = turns.of("a".to_owned(), Deadline::in_ms(20)).await.unwrap_err();
        assert_eq!((late.code, turns.lock().len()), (Code::Unavailable, 1));
        let (second, ()) = tokio::join!(turns.of("a".to_owned(), soon()), async { drop(first) });
        drop(second.expect("its turn came"));
        assert!(turns.lock().is_empty(), "nothing is kept of turns that are over");
    }
}
