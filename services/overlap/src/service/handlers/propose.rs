//! `overlap.propose`: a place in the order first, then the check of everything before it.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::Caller,
    payload::overlap::{
        Candidate, Checked, Creation, CreationState, Level, Propose, ProposeReply, Proposer, Verdict,
    },
    role::Role,
};
use selvedge_kit::service::{Answer, Call, Recorded, Route, Routes};

use super::{mission, parts};
use crate::{
    Readable,
    service::{
        book::Root,
        content,
        judge::{self, Judgement, Say},
        replica::Replica,
        rule::{self, Standing},
        shown,
        state::Overlap,
    },
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Overlap> {
    vec![Route::wait::<call::OverlapPropose, _>(propose)]
}

async fn propose(state: Arc<Overlap>, call: Arc<Call>, request: Propose) -> Answer<ProposeReply> {
    let mission = mission(&call)?;
    let proposer = proposer(&call, &request)?;
    let readable = state.readable_by(proposer.agent.as_str(), proposer.role, mission);
    let wanted = content::wanted(mission, &request, proposer, call.now_ms, state.config.pending_ttl_ms)?;
    let parts = content::parts(&wanted, &request.parts)?;
    let reply = match there_unproposed(&state, &wanted) {
        Some(reply) => reply,
        None => {
            has_room(&state, &wanted)?;
            if parts.is_empty() {
                place(&state, &call, &wanted, readable).await?
            } else {
                let family = std::iter::once(wanted).chain(parts).collect();
                parts::place(&state, &call, family, &request.parts, readable).await?
            }
        }
    };
    call.writer.saw(reply.revision);
    state.metrics.answered(word(&reply.verdict));
    Ok(reply)
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "clear",
        Verdict::Asked => "asked",
        Verdict::Pending => "pending",
        Verdict::Merged { .. } => "merged",
        Verdict::Discarded { .. } => "discarded",
        Verdict::Taken => "taken",
    }
}

/// Who wants it: the caller, or whom a service asks for.
fn proposer(call: &Call, request: &Propose) -> Answer<Proposer> {
    let owns: &[&str] = match call.role() {
        Role::Artifacts => &["artifact"],
        Role::Governance => &["intent"],
        Role::Dispatcher => &["plan", "task"],
        _ => &[],
    };
    let what = request.what.as_str();
    if request.what.is_of_the_fabric() && !owns.contains(&what) {
        return Err(Fault::denied(format!(
            "{what}s are proposed by the service that creates them, when it is asked to: use overlap.check to look \
             first, or propose a kind of your own"
        )));
    }
    match (&request.on_behalf, owns.is_empty()) {
        (Some(behalf), false) => {
            let behalf = behalf.clone();
            Ok(Proposer {
                agent: Caller::new(behalf.agent.as_str())
                    .map_err(|error| Fault::invalid(error.to_string()))?,
                role: behalf.role,
                owner: behalf.owner,
                session: behalf.session,
                task: behalf.task,
                request: behalf.request,
            })
        }
        (Some(_), true) => Err(Fault::denied("only a service proposes for others: leave out /on_behalf")
            .at("/on_behalf", "not allowed")),
        (None, false) => {
            Err(Fault::invalid("a service says for whom it proposes").at("/on_behalf", "expected an agent"))
        }
        (None, true) => {
            let session = call.session()?;
            Ok(Proposer {
                agent: call.subject.caller.clone(),
                role: call.role(),
                owner: session.owner.clone(),
                session: call.subject.scope.id.clone(),
                task: session.task.clone(),
                request: session.request.clone(),
            })
        }
    }
}

/// The answer for a thing that is there already and that nobody proposed here: it was made before, or elsewhere.
fn there_unproposed(state: &Overlap, wanted: &Creation) -> Option<ProposeReply> {
    let place = state.replica.read(|held| {
        let record = held.book.get(wanted.creation.number())?;
        (record.revision == 0 && record.state == CreationState::Existing).then_some(record.place)
    })?;
    let checked = state.unchecked();
    Some(ProposeReply {
        creation: wanted.creation.clone(),
        verdict: Verdict::Clear,
        place,
        checked,
        parts: Vec::new(),
        revision: place,
    })
}

/// Refuses what is new where its owner has as much as it may have.
///
/// # Errors
/// `conflict`, which says how much that is.
fn has_room(state: &Overlap, wanted: &Creation) -> Answer<()> {
    let (mission, owner) = (wanted.mission.as_str(), wanted.proposer.owner.as_str());
    let (is_known, load) = state.replica.read(|held| {
        let known = held.book.get(wanted.creation.number());
        (known.is_some_and(|record| record.state.is_alive()), held.book.load(mission, owner))
    });
    let config = &state.config;
    if !is_known && load.open >= config.open_per_owner {
        return Err(Fault::conflict(format!(
            "{owner} has {} creations in {mission} that are neither there nor given up, and may have {} \
             (overlap.open_per_owner): answer or create some, or wait until they expire",
            load.open, config.open_per_owner
        )));
    }
    if !is_known && !wanted.what.is_of_the_fabric() && load.own >= config.own_per_owner {
        return Err(Fault::conflict(format!(
            "{owner} has {} things of its own kinds in {mission}, and may have {} (overlap.own_per_owner): discard \
             those that have ended",
            load.own, config.own_per_owner
        )));
    }
    Ok(())
}

async fn place(
    state: &Arc<Overlap>,
    call: &Call,
    wanted: &Creation,
    readable: Readable,
) -> Answer<ProposeReply> {
    let id = &wanted.creation;
    let decide = |standing: Option<Standing<'_>>| Ok(rule::propose(standing, wanted));
    let recorded = state.record(&call.writer, &wanted.mission, id, decide).await?;
    state.config.steps.reached("proposed");
    let patience = call.deadline().at_most_ms(state.config.barrier_ms);
    if !state.order.reaches(recorded.revision, patience).await {
        return pending(state, &recorded, wanted, &readable).await;
    }
    answer(state, call, recorded, wanted, readable).await
}

/// What is known so far; the rest is looked for meanwhile.
pub(super) async fn pending(
    state: &Arc<Overlap>,
    recorded: &Recorded<Creation>,
    wanted: &Creation,
    readable: &Readable,
) -> Answer<ProposeReply> {
    judge::complete_later(state, wanted.creation.number(), recorded.revision);
    let (wanted, readable, place) = (wanted.clone(), readable.clone(), place_of(recorded));
    let id = wanted.creation.clone();
    let checked = state.compute(move |replica| replica.look(&wanted, place, &readable)).await?;
    let revision = recorded.revision;
    Ok(ProposeReply { creation: id, verdict: Verdict::Pending, place, checked, parts: Vec::new(), revision })
}

pub(super) fn place_of(recorded: &Recorded<Creation>) -> u64 {
    if recorded.state.place == 0 { recorded.revision } else { recorded.state.place }
}

/// How a creation stands whose place everything before has been taken in for.
struct Known {
    state: CreationState,
    place: u64,
    there: u64,
    revision: u64,
}

impl Known {
    fn is_edit(&self) -> bool {
        self.there > 0 && self.place > self.there
    }

    /// By what was recorded, for one that is over and not known any more.
    fn forgotten(recorded: &Recorded<Creation>) -> Option<Self> {
        let state = recorded.state.state;
        let is_over = !state.is_alive();
        is_over.then(|| Self { state, place: place_of(recorded), there: 0, revision: recorded.revision })
    }

    /// Where it stands for whoever wants it: a thing that is there and was edited since is checked as any other.
    fn stands(&self, recorded: &Recorded<Creation>) -> CreationState {
        let said = recorded.state.state;
        if self.is_edit() && said.is_open() { said } else { self.state }
    }
}

/// The answer about one of which everything before its place has been taken in.
pub(super) async fn answer(
    state: &Arc<Overlap>,
    call: &Call,
    recorded: Recorded<Creation>,
    wanted: &Creation,
    readable: Readable,
) -> Answer<ProposeReply> {
    let id = &wanted.creation;
    let known = state.replica.read(|held| {
        let record = held.book.get(id.number())?;
        Some(Known {
            state: record.state,
            place: record.place,
            there: record.there,
            revision: record.revision,
        })
    });
    let known = known.or_else(|| Known::forgotten(&recorded));
    let known = known.ok_or_else(|| Fault::internal("the index does not hold what was proposed"))?;
    let recorded = newest(call, recorded, wanted, known.revision).await?;
    let standing = Standing {
        creation: &recorded.state,
        revision: recorded.revision,
        known: Some(known.state),
        is_edit: known.is_edit(),
    };
    let reply = |verdict, checked: Checked, revision| {
        let (creation, place) = (id.clone(), known.place);
        Ok(ProposeReply { creation, verdict, place, checked, parts: Vec::new(), revision })
    };
    if rule::is_taken(standing, wanted) {
        return reply(Verdict::Taken, its_owner(state, &recorded), recorded.revision);
    }
    let decision = recorded.state.decision.as_ref();
    let verdict = match known.stands(&recorded) {
        CreationState::Pending => {
            let writer = call.writer.follow_up(&format!("checked:{}", known.place));
            let judged = judge::judge(state, &writer, &wanted.mission, id, readable, Say::Asked);
            return match judged.await? {
                Judgement::Clear(found, at) => reply(Verdict::Clear, found, at.max(recorded.revision)),
                Judgement::Asked(found, at) => reply(Verdict::Asked, found, at.max(recorded.revision)),
                Judgement::Moved => Err(Fault::busy("it was decided about at this moment; ask again")),
                Judgement::Full => Err(Fault::conflict(
                    "the index is full: what comes later would not be compared with this, so it is not cleared; \
                     it can be as soon as others have ended",
                )),
            };
        }
        CreationState::Asked => Verdict::Asked,
        CreationState::Cleared | CreationState::Existing => Verdict::Clear,
        CreationState::Merged => merged(state, id.number()),
        CreationState::Discarded => {
            Verdict::Discarded { reason: decision.and_then(|decision| decision.reason.clone()) }
        }
        CreationState::Expired | CreationState::Removed => {
            return Err(Fault::busy("its time ran out at this moment; ask again"));
        }
    };
    let after = Arc::clone(&recorded.state);
    let look = move |replica: &Replica| replica.read(|held| shown::for_reader(held, &after, &readable));
    let checked = state.compute(look).await?.unwrap_or_else(|| state.unchecked());
    reply(verdict, checked, recorded.revision)
}

/// The creation itself as the only candidate: another agent's.
fn its_owner(state: &Overlap, recorded: &Recorded<Creation>) -> Checked {
    let number = recorded.state.creation.number();
    let candidate = state.replica.read(|held| {
        let record = held.book.get(number)?;
        shown::record(&held.book, number, record, recorded.state.title.clone())
    });
    let same = |found| Candidate { score: 1_000, level: Some(Level::Strong), ..found };
    Checked { candidates: candidate.map(same).into_iter().collect(), ..state.unchecked() }
}

/// The creation as its last fact left it: what was recorded by this request may be older.
async fn newest(
    call: &Call,
    recorded: Recorded<Creation>,
    wanted: &Creation,
    revision: u64,
) -> Answer<Recorded<Creation>> {
    if recorded.revision >= revision {
        return Ok(recorded);
    }
    super::creation::read(call, &wanted.mission, &wanted.creation).await
}

fn merged(state: &Overlap, number: u128) -> Verdict {
    use crate::service::book::Book;
    state.replica.read(|held| {
        let into = held.book.get(number).and_then(|record| record.into.get()).unwrap_or(number);
        let root = match held.book.root(number) {
            Root::Alive(root) | Root::Gone(root, _) => root,
            Root::Ring => into,
        };
        Verdict::Merged { into: Book::id(into), root: Book::id(root) }
    })
}
