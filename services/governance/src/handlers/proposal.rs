//! From what was asked for to what would stand on the record.

use selvedge_contracts::{
    fault::{Detail, Fault},
    id::{ArtifactRef, Caller, Digest, Owner, RequestId, ScopeId},
    payload::{
        intent::{
            Accepted, DEFAULT_INTENT_TTL_MS, Effect, FencingToken, Intent, IntentPrecondition, IntentState,
            Propose, SagaStep, intent_id,
        },
        overlap::OnBehalf,
    },
    role::Role,
};
use selvedge_kit::service::{Answer, Call};

use crate::{
    intent::Wanted,
    shape::{self, Proposal},
    state::Governance,
    verify::{self, Reader},
};

/// One intent, as somebody asks for it.
pub(super) struct Asked {
    pub(super) title: String,
    pub(super) effect: Effect,
    pub(super) undo: Option<Effect>,
    pub(super) occurrence: Option<String>,
    pub(super) inputs: Vec<Digest>,
    pub(super) preconditions: Vec<IntentPrecondition>,
    pub(super) tokens: Vec<FencingToken>,
    pub(super) ttl_ms: Option<u64>,
}

/// In whose name something is proposed.
pub(super) struct Proposer {
    pub(super) caller: Caller,
    pub(super) role: Role,
    pub(super) owner: Owner,
    pub(super) session: ScopeId,
    pub(super) task: Option<ScopeId>,
    pub(super) request: Option<RequestId>,
    /// Who decided that the output holds that it rests on, if somebody did.
    pub(super) accepted: Option<Accepted>,
}

impl Proposer {
    /// Whoever calls.
    ///
    /// # Errors
    /// `denied` if nobody answers for the caller.
    pub(super) fn caller(call: &Call) -> Answer<Self> {
        let session = call.standing.session.as_ref();
        Ok(Self {
            caller: call.subject.caller.clone(),
            role: call.role(),
            owner: owner(call)?,
            session: call.subject.scope.id.clone(),
            task: session.and_then(|session| session.task.clone()),
            request: session.and_then(|session| session.request.clone()),
            accepted: None,
        })
    }

    /// The agent that a service speaks for.
    ///
    /// # Errors
    /// `invalid` if it is for no task.
    pub(super) fn behalf(of: OnBehalf, accepted: Option<Accepted>) -> Answer<Self> {
        let OnBehalf { agent, role, owner, session, task, request } = of;
        if task.is_none() {
            return Err(Fault::invalid("what is proposed for somebody is of a task")
                .at("/on_behalf/task", "expected the scope of the task's attempt"));
        }
        let caller = Caller::new(agent.as_str()).map_err(|error| Fault::invalid(error.to_string()))?;
        Ok(Self { caller, role, owner, session, task, request, accepted })
    }
}

/// A proposal that is no part of a saga.
///
/// # Errors
/// `invalid` with everything that is wrong with it in itself; `denied` if nobody answers for the caller.
pub(super) async fn single(
    state: &Governance,
    call: &Call,
    proposer: &Proposer,
    request: Propose,
) -> Answer<Wanted> {
    let Propose { title, effect, undo, occurrence, inputs, preconditions, tokens, expires_after_ms } =
        request;
    let proposal = Proposal {
        at: "",
        title: &title,
        effect: &effect,
        undo: undo.as_ref(),
        preconditions: &preconditions,
        tokens: &tokens,
    };
    let wrong = shape::check(&proposal).into_iter().chain(shape::occurrence(occurrence.as_deref()));
    refuse(wrong.collect())?;
    let inputs = resolved(state, call, proposer, &inputs, "/inputs").await?;
    let asked =
        Asked { title, effect, undo, occurrence, inputs, preconditions, tokens, ttl_ms: expires_after_ms };
    wanted(state, call, proposer, asked, None)
}

/// A proposal that does not fit, with every finding.
///
/// # Errors
/// `invalid` if there are any.
pub(super) fn refuse(details: Vec<Detail>) -> Answer<()> {
    if details.is_empty() {
        return Ok(());
    }
    Err(Fault { details, ..Fault::invalid("the proposal is wrong in itself") })
}

pub(super) async fn resolved(
    state: &Governance,
    call: &Call,
    proposer: &Proposer,
    inputs: &[ArtifactRef],
    at: &str,
) -> Answer<Vec<Digest>> {
    let reader = Reader { mission: call.mission(), caller: &proposer.caller, role: proposer.role };
    verify::resolve(state, reader, inputs, at, call.deadline()).await
}

/// Who answers for the caller.
pub(super) fn owner(call: &Call) -> Answer<Owner> {
    call.owner().cloned().ok_or_else(|| Fault::denied("an intent needs an owner to answer for it"))
}

/// What would stand on the record.
pub(super) fn wanted(
    state: &Governance,
    call: &Call,
    proposer: &Proposer,
    asked: Asked,
    saga: Option<SagaStep>,
) -> Answer<Wanted> {
    if call.mission().is_kluster() {
        return Err(Fault::invalid("an intent is of a mission; name one"));
    }
    let Asked { title, effect, undo, occurrence, inputs, preconditions, tokens, ttl_ms } = asked;
    let task = proposer.task.clone();
    let id = intent_id(call.mission(), task.as_ref(), occurrence.as_deref(), &effect, undo.as_ref(), &inputs);
    let mut intent = Intent {
        id,
        mission: call.mission().clone(),
        round: 0,
        title,
        proposer: proposer.caller.clone(),
        role: proposer.role,
        owner: proposer.owner.clone(),
        session: proposer.session.clone(),
        task,
        request: proposer.request.clone(),
        occurrence,
        effect,
        undo,
        saga,
        inputs,
        preconditions,
        tokens,
        proposed_at_ms: call.now_ms,
        expires_at_ms: call.now_ms,
        checked: None,
        accepted: proposer.accepted.clone(),
        state: IntentState::Proposed,
        decision: None,
        grants: Vec::new(),
        token: None,
        execution: None,
        receipt: None,
        undone: None,
        denied: None,
        reasons: Vec::new(),
    };
    let life_ms = ttl_ms.or_else(|| verify::policy_ttl_ms(state, &intent)).unwrap_or(DEFAULT_INTENT_TTL_MS);
    intent.expires_at_ms = call.now_ms.saturating_add(life_ms);
    let activation = verify::activation(state, call.mission());
    Ok(Wanted { intent, ttl_ms, activation })
}
