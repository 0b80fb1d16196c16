//! Which leases a list shows.

use selvedge_contracts::{
    fault::Fault,
    payload::lease::{Lease, LeaseList},
};

use crate::{
    automaton::Effort,
    claim::{Cover, check_claims},
};

/// A checked filter of leases; pages and their bounds are the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    wanted: LeaseList,
    covers: Option<Vec<Cover>>,
}

impl Filter {
    /// Checks what is asked for.
    ///
    /// # Errors
    /// Invalid: every claim that is not well formed, with its JSON pointer.
    pub(crate) fn new(wanted: &LeaseList) -> Result<Self, Fault> {
        let covers = wanted.claims.as_deref().map(check_claims).transpose()?;
        Ok(Self { wanted: LeaseList { claims: None, ..wanted.clone() }, covers })
    }

    /// Whether a lease is shown. `after` counts, `limit` does not. Once the page has cost what it may, what
    /// cannot be compared is shown.
    pub(crate) fn keeps(&self, lease: &Lease, effort: &mut Effort) -> bool {
        let LeaseList { space, holder, except, state, claims: _, after, limit: _ } = &self.wanted;
        space.as_ref().is_none_or(|space| *space == lease.space)
            && holder.as_ref().is_none_or(|holder| *holder == lease.holder)
            && except.as_ref().is_none_or(|except| *except != lease.holder)
            && state.is_none_or(|state| state == lease.state)
            && after.as_ref().is_none_or(|after| (&lease.space, &lease.id) > (&after.space, &after.lease))
            && self.clashes(lease, effort)
    }

    fn clashes(&self, lease: &Lease, effort: &mut Effort) -> bool {
        let Some(covers) = &self.covers else { return true };
        let mut held = lease.claims.iter().map(Cover::of_stored);
        held.any(|held| covers.iter().any(|wanted| wanted.clashes(&held, effort)))
    }
}
