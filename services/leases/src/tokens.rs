//! Fencing tokens: which ones a space may give out, whatever becomes of the bucket.
//!
//! A grant's token is the sequence of its record and an offset. Sequences alone would come again if an
//! older copy of the bucket were put in its place. So whoever takes a space over sets tokens aside in the
//! ledger (`space.reserved`), above every one that was set aside before, and gives out no others: a token
//! comes once, and rises, as long as the ledger stands. They also start no lower than the microseconds
//! since 1970, so that they rise as long as clocks do, should the ledger be an older copy too.

use std::sync::Arc;

use selvedge_contracts::{
    envelope::Envelope,
    fact::{SPACE_RESERVED, State as _},
    fault::Fault,
    id::EntityId,
    payload::{Nothing, lease::SpaceTokens},
    subject::Entity,
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    ledger::RequestDigest,
    pipeline::Lost,
    rule::Change,
    service::Writer,
    view::{Apply as _, View},
};
use tracing::warn;

use crate::{key::Place, owner::Slot, state::Leases};

/// Tokens set aside at once: minutes of grants at full speed. What is left at the end of an ownership is
/// never given out.
const AHEAD: u64 = 1_000_000;
/// Longest wait until more are set aside, in milliseconds.
const ASK_MS: u64 = 10_000;
/// So many left, more are set aside.
const FEW: u64 = AHEAD / 2;

/// What one ownership of a space may give out.
#[derive(Debug)]
pub(crate) struct Tokens {
    reserved: SpaceTokens,
    /// Revision of the last write that was stored.
    last: u64,
    is_asking: bool,
}

impl Tokens {
    pub(crate) fn new(reserved: SpaceTokens) -> Self {
        Self { last: reserved.owned_at, reserved, is_asking: false }
    }

    /// What is added to the sequence of a grant.
    pub(crate) fn offset(&self) -> u64 {
        self.reserved.offset
    }

    /// Takes in that a write is stored.
    ///
    /// # Errors
    /// [`Lost`] if a grant there could have a token that was not set aside, or was given out before.
    pub(crate) fn stored(&mut self, revision: u64) -> Result<(), Lost> {
        if revision <= self.last {
            warn!(revision, last = self.last, "the bucket of leases is older than it was");
            return Err(Lost);
        }
        self.last = revision;
        if self.left() == 0 {
            return Err(Lost);
        }
        Ok(())
    }

    /// The last revision, if more are to be set aside; once, until [`Tokens::extend`].
    pub(crate) fn wanting(&mut self) -> Option<u64> {
        let is_wanting = self.left() <= FEW && !std::mem::replace(&mut self.is_asking, true);
        is_wanting.then_some(self.last)
    }

    /// Takes in that more were set aside, or could not be.
    pub(crate) fn extend(&mut self, reserved: Option<&SpaceTokens>) {
        self.is_asking = false;
        if let Some(reserved) = reserved {
            self.reserved = reserved.clone();
        }
    }

    /// Tokens that are set aside above the last write.
    fn left(&self) -> u64 {
        (self.reserved.up_to + 1).saturating_sub(self.last.saturating_add(self.reserved.offset))
    }
}

/// What the owner at `owned_at` may give out: more than was ever set aside.
fn taken_over(known: Option<&SpaceTokens>, place: &Place, owned_at: u64, now_us: u64) -> SpaceTokens {
    let (before, highest) = known.map_or((0, 0), |known| (known.offset, known.up_to));
    let least = highest.saturating_add(1).max(now_us);
    let offset = before.max(least.saturating_sub(owned_at));
    let up_to = owned_at.saturating_add(offset).saturating_add(AHEAD);
    SpaceTokens { space: place.space.clone(), owned_at, offset, up_to }
}

/// What is set aside for the same owner, up to more than `last`.
fn extended(known: Option<&SpaceTokens>, ours: &SpaceTokens, last: u64) -> Result<SpaceTokens, Fault> {
    let is_ours = |known: &&SpaceTokens| (known.owned_at, known.offset) == (ours.owned_at, ours.offset);
    let known = known.filter(is_ours).ok_or_else(|| Fault::conflict("another owns the space now"))?;
    let up_to = known.up_to.max(last.saturating_add(known.offset).saturating_add(AHEAD));
    Ok(SpaceTokens { up_to, ..known.clone() })
}

impl Leases {
    /// Sets tokens aside for us as the owner at `owned_at`.
    ///
    /// # Errors
    /// `unavailable` or `busy` if the ledger does not take it within the deadline.
    pub(crate) async fn reserve(
        &self,
        place: &Place,
        owned_at: u64,
        deadline: Deadline,
    ) -> Result<SpaceTokens, Fault> {
        let rule = |known: Option<&SpaceTokens>| Ok(taken_over(known, place, owned_at, now_ms() * 1_000));
        self.record_tokens(place, deadline, rule).await
    }

    /// Sets more aside for us, who own the space and have written up to `last`.
    ///
    /// # Errors
    /// As [`Leases::reserve`]; `conflict` if another owns the space.
    async fn reserve_more(
        &self,
        place: &Place,
        ours: &SpaceTokens,
        last: u64,
        deadline: Deadline,
    ) -> Result<SpaceTokens, Fault> {
        self.record_tokens(place, deadline, |known| extended(known, ours, last)).await
    }

    /// Sets more tokens aside for the space in `slot` while it is ours. If that fails, it is tried again
    /// with the next grant; a space that has none left is taken over anew.
    pub(crate) async fn set_more_aside(&self, slot: &Slot, last: u64) {
        let Ok(ours) = slot.with(|owned, _| Ok(owned.tokens.reserved.clone())) else { return };
        let more = self.reserve_more(&slot.place, &ours, last, Deadline::in_ms(ASK_MS)).await;
        if let Err(error) = &more {
            warn!(space = %slot.place.space, %error, "no more fencing tokens are set aside yet");
        }
        let heard = slot.with(|owned, _| {
            if owned.revision == ours.owned_at {
                owned.tokens.extend(more.ok().as_ref());
            }
            Ok(())
        });
        drop(heard); // what is not ours any more needs none
    }

    async fn record_tokens(
        &self,
        place: &Place,
        deadline: Deadline,
        rule: impl Fn(Option<&SpaceTokens>) -> Result<SpaceTokens, Fault> + Send + Sync,
    ) -> Result<SpaceTokens, Fault> {
        let feed = self.feed.get().ok_or_else(|| Fault::unavailable("this replica is not started yet"))?;
        let id = EntityId::new(place.space.as_str()).map_err(|error| Fault::internal(error.to_string()))?;
        let entity = Entity { mission: place.mission.clone(), name: SpaceTokens::ENTITY, id };
        let me = self.ledger.bus().me();
        let origin = Envelope {
            mission: place.mission.to_string(),
            sender: me.agent.to_string(),
            session: me.scope.id.to_string(),
            cause: "the space is owned".to_owned(),
            ..Envelope::default()
        };
        // No two are one work: what was set aside for an earlier owner must never be taken for ours.
        let key = RequestDigest::random().to_string();
        let writer = Writer::own(self.ledger.clone(), feed.clone(), deadline, origin, &key);
        let decide = |known: Option<&SpaceTokens>| {
            rule(known).map(|tokens| Change::new(&SPACE_RESERVED, &Nothing {}, tokens).into())
        };
        // Read when they are wanted: a view of all spaces there ever were would only grow.
        let view = Arc::new(View::<SpaceTokens>::default());
        let unread = |why: String| Fault::unavailable(format!("{why}; try again"));
        if let Some(fact) = self.ledger.latest(&entity, deadline).await.map_err(|e| unread(e.to_string()))? {
            view.apply(&fact).map_err(|error| {
                Fault::internal(format!("revision {} of the ledger: {error}", fact.revision))
            })?;
        }
        let recorded = writer.record(&view, &entity, decide).await?;
        Ok(recorded.state.as_ref().clone())
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::id::{Mission, SpaceId};

    use super::*;

    fn place() -> Place {
        Place { mission: Mission::new("demo").unwrap(), space: SpaceId::new("shop").unwrap() }
    }

    #[test]
    fn whoever_takes_over_gives_out_higher_tokens_whatever_the_bucket_and_the_clock_say() {
        let first = taken_over(None, &place(), 1_000, 5_000_000);
        assert_eq!((first.owned_at + first.offset, first.up_to), (5_000_000, 5_000_000 + AHEAD));
        for (owned_at, now_us) in
            [(2_000, 6_000_000), (900, 6_000_000), (900, 1), (7_000_000_000, 1), (1_000, 900_000_000_000)]
        {
            let next = taken_over(Some(&first), &place(), owned_at, now_us);
            assert!(owned_at + next.offset > first.up_to, "{owned_at} {now_us}: {next:?}");
            assert!(owned_at + next.offset >= now_us && next.offset >= first.offset, "{next:?}");
            assert_eq!(next.up_to, owned_at + next.offset + AHEAD);
        }
    }

    #[test]
    fn a_write_below_the_last_one_or_above_what_is_set_aside_is_lost() {
        let mut tokens = Tokens::new(taken_over(None, &place(), 1_000, 0));
        assert_eq!(tokens.stored(1_001), Ok(()));
        assert_eq!(tokens.wanting(), None);
        assert_eq!(tokens.stored(1_001), Err(Lost), "the same sequence again");
        assert_eq!(tokens.stored(1_000 + AHEAD), Ok(()));
        assert_eq!(tokens.stored(1_001 + AHEAD), Err(Lost));
    }

    #[test]
    fn more_are_set_aside_before_they_run_out_and_for_their_owner_alone() {
        let first = taken_over(None, &place(), 1_000, 0);
        let mut tokens = Tokens::new(first.clone());
        let last = 1_000 + AHEAD - FEW + 1;
        assert_eq!(tokens.stored(last), Ok(()));
        assert_eq!((tokens.wanting(), tokens.wanting()), (Some(last), None), "asked for once");
        let more = extended(Some(&first), &first, last).unwrap();
        assert_eq!((more.offset, more.up_to), (first.offset, last + AHEAD));
        tokens.extend(Some(&more));
        assert_eq!(tokens.stored(last + AHEAD), Ok(()));
        let heirs = taken_over(Some(&more), &place(), 3_000, 0);
        assert!(extended(Some(&heirs), &first, last).is_err());
        assert!(extended(None, &first, last).is_err());
    }
}
