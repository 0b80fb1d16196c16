//! Bodies that say they are somebody else's, and approvals by whoever may not give them.

use selvedge_contracts::{
    call::{self, CallType as _},
    envelope::Envelope,
    fact::EntityName,
    fault::Code,
    id::{EntityId, Mission},
    payload::intent::IntentState,
    subject::Entity,
};
use selvedge_kit::{client::Options, clock::Deadline};
use serde_json::json;

use crate::{
    agent::Agent,
    arena::{Arena, PATIENCE_MS},
    case::Trial,
    error::{Miss, Trialled, holds, refused},
    intents::{count, facts, kinds, propose},
};

/// What is said, and how it gets into the envelope of another agent's.
type Lie = (&'static str, fn(&mut Envelope, &Agent));

pub(super) const LIES: &[Lie] = &[
    ("another sender", |envelope, other| envelope.sender = other.id.to_string()),
    ("another session", |envelope, other| envelope.session = other.working.session.id.to_string()),
    ("another mission", |envelope, _| envelope.mission = "another-mission".to_owned()),
    ("a task", |envelope, _| envelope.task = "task_0123456789abcdef".to_owned()),
    ("a request at its root", |envelope, _| envelope.root = "request_0123456789abcdef".to_owned()),
    ("a cause", |envelope, _| envelope.cause = "request_0123456789abcdef".to_owned()),
    ("another call", |envelope, _| envelope.kind = "registry.agent_retire/1".to_owned()),
    ("another payload", |envelope, _| envelope.payload_digest = vec![0; 32]),
];

pub(super) async fn forged(arena: &Arena, trial: &mut Trial) -> Trialled {
    let lie = LIES.get(trial.index as usize % LIES.len());
    let (what, lie) = lie.ok_or_else(|| Miss::Unable("no such lie".to_owned()))?;
    let by = trial.below(arena.workers.len());
    trial.tries(format!("worker {by}'s message says {what}"));
    let (me, other) = (arena.worker(by)?, arena.worker(by + 1)?);
    let payload = json!({ "about": { "description": format!("forged {}", trial.tag) } });
    let wire = me.client().wire(&call::Register::CALL, &payload, &Options::default(), |e| lie(e, other))?;
    let answer = me.client().send(&wire, Deadline::in_ms(PATIENCE_MS)).await;
    let fault = refused(answer, || format!("a message that says {what}"))?;
    holds(matches!(fault.code, Code::Invalid | Code::Denied), || format!("it was refused as {fault}"))?;
    for agent in [me, other] {
        let (mission, id) = (Mission::kluster(), EntityId::from(&agent.id));
        let about = Entity { mission, name: EntityName::Agent, id };
        let facts = arena.ledger.history(&about, 0, usize::MAX, Deadline::in_ms(PATIENCE_MS)).await?;
        let told = format!("forged {}\"", trial.tag);
        let is_told = |payload: &[u8]| String::from_utf8_lossy(payload).contains(&told);
        let found = facts.iter().find(|fact| is_told(&fact.envelope.payload));
        holds(found.is_none(), || format!("it is recorded: {found:?}"))?;
    }
    Ok(())
}

pub(super) async fn own_approval(arena: &Arena, trial: &mut Trial) -> Trialled {
    let ends_well = trial.one_in(2);
    trial.tries(format!(
        "its proposer's own approver approves, then somebody without the role; then another: {ends_well}"
    ));
    let tag = trial.tag.clone();
    let (proposer, peer) = (arena.worker(0)?, arena.worker(1)?);
    let effect = arena.effector.effect(&format!("{tag}/act"));
    let intent = propose(proposer.client(), &tag, effect, json!({})).await?.intent;
    for forbidden in [arena.sibling()?, peer, proposer] {
        let answer = forbidden.approve(&intent).await;
        refused(answer, || format!("the approval of {}, of {},", forbidden.id, forbidden.owner))?;
    }
    let recorded = facts(arena, &intent.id).await?;
    let approvals = count(&recorded, "approved") + count(&recorded, "granted");
    holds(approvals == 0, || kinds(&recorded).join(", "))?;
    if ends_well {
        let approved = arena.approver()?.approve(&intent).await?.intent;
        return holds(approved.state == IntentState::Approved, || format!("it is {}", approved.state.name()));
    }
    let acts = arena.effector.acts(&format!("{tag}/"));
    holds(acts.is_empty(), || format!("{acts:?}"))
}
