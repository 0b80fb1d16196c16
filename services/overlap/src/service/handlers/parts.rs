//! `overlap.propose` of what has parts: a plan with its tasks. All of them get their places in one batch, one behind
//! the other, and each is checked; the answer names what was found for each.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::{
    fault::Fault,
    payload::overlap::{Creation, CreationState, Part, PartReply, ProposeReply, Verdict},
};
use selvedge_kit::{
    service::{Answer, Call, Draft, Recorded},
    view::View,
};

use super::propose::{answer, pending, place_of};
use crate::{
    Readable,
    service::{
        rule::{self, Standing},
        state::{Overlap, entity},
    },
};

/// Parts that are worked on at once: what is found for some is recorded while others are checked.
const AT_ONCE: usize = 16;
/// Candidates of each part that an answer names.
const SHOWN: usize = 3;

/// Gives a whole, the first of the family, and its parts their places, and answers with what was found for each.
pub(super) async fn place(
    state: &Arc<Overlap>,
    call: &Call,
    family: Vec<Creation>,
    parts: &[Part],
    readable: Readable,
) -> Answer<ProposeReply> {
    let recorded = record(state, call, &family).await?;
    state.config.steps.reached("proposed");
    let last = recorded.iter().map(|one| one.revision).max().unwrap_or(0);
    let patience = call.deadline().at_most_ms(state.config.barrier_ms);
    let mut members = family.into_iter().zip(recorded);
    let Some((whole, first)) = members.next() else {
        return Err(Fault::internal("a family has a whole"));
    };
    if !state.order.reaches(last, patience).await {
        return pending(state, &first, &whole, &readable).await;
    }
    let members: Vec<_> = members.collect();
    let is_left_out = members.iter().any(|(wanted, recorded)| is_over(&recorded.state, wanted));
    if is_over(&first.state, &whole) || !is_left_out {
        let reply = answer(state, call, first, &whole, readable.clone()).await?;
        let parts = if is_over_by(&reply.verdict) { Vec::new() } else { parts.iter().zip(members).collect() };
        return with_parts(state, call, reply, parts, &readable).await;
    }
    let found = parts.iter().zip(members);
    let over = found.filter(|(_, (wanted, recorded))| is_over(&recorded.state, wanted)).collect();
    let reply = without(state, &first);
    with_parts(state, call, reply, over, &readable).await
}

/// One of a family, as its part says it, as it would be created, and as it stands.
type Member<'a> = (&'a Part, (Creation, Recorded<Creation>));

/// The answer, with what was found for these parts.
async fn with_parts(
    state: &Arc<Overlap>,
    call: &Call,
    reply: ProposeReply,
    parts: Vec<Member<'_>>,
    readable: &Readable,
) -> Answer<ProposeReply> {
    let checks = parts.into_iter().map(|(part, (wanted, recorded))| async move {
        let found = answer(state, call, recorded, &wanted, readable.clone()).await?;
        Ok::<_, Fault>((found.revision, part_reply(part, found)))
    });
    let checks: Vec<_> = checks.collect();
    let found: Vec<(u64, PartReply)> = stream::iter(checks).buffered(AT_ONCE).try_collect().await?;
    let revision = found.iter().map(|(revision, _)| *revision).fold(reply.revision, u64::max);
    let parts = found.into_iter().map(|(_, part)| part).collect();
    Ok(ProposeReply { parts, revision, ..reply })
}

/// The answer about a whole of which a part is merged, or decided against.
fn without(state: &Overlap, whole: &Recorded<Creation>) -> ProposeReply {
    let reason =
        "a part of it was merged or decided against: leave that out, and propose the rest".to_owned();
    ProposeReply {
        creation: whole.state.creation.clone(),
        verdict: Verdict::Discarded { reason: Some(reason) },
        place: place_of(whole),
        checked: state.unchecked(),
        parts: Vec::new(),
        revision: whole.revision,
    }
}

const fn is_over_by(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Merged { .. } | Verdict::Discarded { .. })
}

fn part_reply(part: &Part, found: ProposeReply) -> PartReply {
    let ProposeReply { creation, verdict, checked, .. } = found;
    let mut candidates = checked.candidates;
    candidates.truncate(SHOWN);
    PartReply { name: part.name.clone(), creation, verdict, candidates }
}

/// Records what is new of a family, all or nothing, and answers with each as it stands. Where the whole or a part was
/// merged or decided against, it is not created as it is, so nothing of it is proposed anew.
async fn record(state: &Overlap, call: &Call, family: &[Creation]) -> Answer<Vec<Recorded<Creation>>> {
    let view = Arc::<View<Creation>>::default();
    let of = |one: &Creation| entity(&one.mission, &one.creation);
    for known in family.iter().filter(|one| state.replica.standing_of(one.creation.number()).is_some()) {
        call.writer.read_anew(&view, &of(known)).await?;
    }
    let Some(whole) = family.first() else { return Ok(Vec::new()) };
    let decide = |wanted: &Creation, current: Option<&Creation>, revision| {
        let known = state.replica.standing_of(wanted.creation.number());
        let known = known.filter(|known| known.revision >= revision);
        let is_edit = known.as_ref().is_some_and(|known| known.is_edit);
        let known = known.map(|known| known.state);
        let standing = current.map(|creation| Standing { creation, revision, known, is_edit });
        rule::propose(standing, wanted)
    };
    let drafts = || {
        if family.iter().any(|one| is_over(&standing(&view, one).state, one)) {
            return Ok(Vec::new());
        }
        let draft = |one: &Creation| {
            Draft::decide_at(&view, of(one), |current, revision| Ok(decide(one, current, revision)))
                .transpose()
        };
        family.iter().filter_map(draft).collect()
    };
    call.writer.record_all(&of(whole), drafts).await?;
    Ok(family.iter().map(|one| standing(&view, one)).collect())
}

/// Whether it was merged or decided against, by this very agent, and says the same still.
fn is_over(now: &Creation, wanted: &Creation) -> bool {
    matches!(now.state, CreationState::Merged | CreationState::Discarded)
        && now.proposer.agent == wanted.proposer.agent
        && now.content == wanted.content
}

/// As it stands; what was never recorded, since another member of its family is over, as it was asked for.
fn standing(view: &View<Creation>, wanted: &Creation) -> Recorded<Creation> {
    let entry = view.get(&wanted.mission, &(&wanted.creation).into());
    entry.map_or_else(
        || Recorded { revision: 0, state: Arc::new(wanted.clone()) },
        |entry| Recorded { revision: entry.revision, state: entry.state },
    )
}
