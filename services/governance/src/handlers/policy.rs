//! Calls about policies.

use std::sync::Arc;

use selvedge_contracts::{call, call::CallType, fault::Fault};
use selvedge_kit::service::{Call, Route, Routes};

use crate::state::Governance;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Governance> {
    vec![
        later::<call::PolicyDraft>(),
        later::<call::PolicyValidate>(),
        later::<call::PolicyTest>(),
        later::<call::PolicyShow>(),
        later::<call::PolicyList>(),
        later::<call::PolicySchemaShow>(),
        later::<call::PolicyActivate>(),
        later::<call::PolicyConfirm>(),
    ]
}

fn later<C: CallType>() -> Route<Governance> {
    Route::wait::<C, _>(|_: Arc<Governance>, _: Arc<Call>, _| async {
        Err(Fault::internal("not merged yet"))
    })
}
