//! The handlers: load, ask the rule, record, answer. One file for each noun.

mod check;
pub(super) mod creation;
mod decide;
mod explain;
mod parts;
mod propose;
mod tuning;

use selvedge_contracts::{fault::Fault, id::Mission};
use selvedge_kit::service::{Answer, Call, Routes};

use super::state::Overlap;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Overlap> {
    let all = [
        check::routes(),
        propose::routes(),
        decide::routes(),
        creation::routes(),
        explain::routes(),
        tuning::routes(),
    ];
    all.into_iter().flatten().collect()
}

/// Creations are a mission's own.
fn mission(call: &Call) -> Answer<&Mission> {
    match call.mission() {
        kluster if kluster.is_kluster() => {
            Err(Fault::invalid("creations are a mission's: ask in one, and not in the kluster"))
        }
        mission => Ok(mission),
    }
}
