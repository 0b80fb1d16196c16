//! Bringing a request to the owner of its space: here, or another instance that is asked for it. An owner
//! that is gone or silent is taken over from, and the request is served here.

use std::{future::Future, sync::Arc};

use selvedge_contracts::{
    call::CallType,
    fault::{Code, Fault},
    id::ScopeId,
};
use selvedge_kit::service::{Answer, Call, ForwardError};

use crate::{error::Miss, key::Place, owner::Slot, state::Leases};

/// Has `serve` answer at the owner of the space, as often as the space changes hands meanwhile.
///
/// # Errors
/// The refusal; `unavailable` if the deadline passes first.
pub(crate) async fn at_owner<C, F, W>(
    state: &Arc<Leases>,
    call: &Call,
    place: &Place,
    serve: F,
) -> Answer<C::Reply>
where
    C: CallType,
    F: Fn(Arc<Slot>) -> W + Send,
    W: Future<Output = Result<C::Reply, Miss>> + Send,
{
    let slot = state.slot(place)?;
    let mut attempt = 0;
    loop {
        match turn::<C, F, W>(state, call, &slot, &serve).await {
            Ok(reply) => return Ok(reply),
            Err(Miss::Refused(fault)) => return Err(fault),
            Err(Miss::Lost) if call.deadline().has_passed() || state.stop.is_cancelled() => {
                return Err(Miss::Lost.into());
            }
            Err(Miss::Lost) => call.deadline().back_off(attempt).await,
        }
        attempt += 1;
    }
}

/// As [`at_owner`], for what makes no space: nothing if there is none.
///
/// # Errors
/// As [`at_owner`].
pub(crate) async fn at_owner_if_any<C, F, W>(
    state: &Arc<Leases>,
    call: &Call,
    place: &Place,
    serve: F,
) -> Answer<Option<C::Reply>>
where
    C: CallType,
    F: Fn(Arc<Slot>) -> W + Send,
    W: Future<Output = Result<C::Reply, Miss>> + Send,
{
    if !state.exists(place, call.deadline()).await? {
        return Ok(None);
    }
    at_owner::<C, F, W>(state, call, place, serve).await.map(Some)
}

async fn turn<C, F, W>(
    state: &Arc<Leases>,
    call: &Call,
    slot: &Arc<Slot>,
    serve: &F,
) -> Result<C::Reply, Miss>
where
    C: CallType,
    F: Fn(Arc<Slot>) -> W + Send,
    W: Future<Output = Result<C::Reply, Miss>> + Send,
{
    if slot.is_owned() {
        return serve(Arc::clone(slot)).await;
    }
    let stops = || Fault::unavailable("this replica stops; send the same request again");
    if state.stop.is_cancelled() {
        return Err(stops().into());
    }
    let (owner, _) = state.named_owner(&slot.place);
    let other = owner.map(|owner| owner.instance).filter(|instance| *instance != state.instance);
    let Some(other) = other else {
        state.take_over(slot, None, call.deadline()).await?;
        return serve_if_owned(slot, serve).await;
    };
    if call.is_forwarded() {
        // Whoever passed it on looks for the owner again.
        return Err(Fault::unavailable(format!("the space is owned by the instance {other}")).into());
    }
    let forwarded = state.stop.run_until_cancelled(call.forward::<C>(&other)).await.ok_or_else(stops)?;
    match forwarded {
        Ok(reply) => Ok(reply),
        Err(ForwardError::Gone(gone)) => take_from(state, call, slot, &gone, serve).await,
        Err(ForwardError::Refused(fault)) if fault.code == Code::Unavailable => Err(Miss::Lost),
        Err(ForwardError::Refused(fault)) => Err(fault.into()),
    }
}

async fn take_from<R, F, W>(
    state: &Arc<Leases>,
    call: &Call,
    slot: &Arc<Slot>,
    gone: &ScopeId,
    serve: &F,
) -> Result<R, Miss>
where
    F: Fn(Arc<Slot>) -> W + Send,
    W: Future<Output = Result<R, Miss>> + Send,
{
    state.take_over(slot, Some(gone), call.deadline()).await?;
    serve_if_owned(slot, serve).await
}

async fn serve_if_owned<R, F, W>(slot: &Arc<Slot>, serve: &F) -> Result<R, Miss>
where
    F: Fn(Arc<Slot>) -> W + Send,
    W: Future<Output = Result<R, Miss>> + Send,
{
    if slot.is_owned() { serve(Arc::clone(slot)).await } else { Err(Miss::Lost) }
}
