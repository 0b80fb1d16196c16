//! The bounds of one space.

/// How much one space may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most leases of one holder, held or waiting: so that no agent can fill a space.
    pub(crate) leases_per_holder: usize,
    /// Most requests that wait: each costs a look at every grant that it could hold up.
    pub(crate) waiters: usize,
    /// Most of them of one holder: so that no agent can fill the queue.
    pub(crate) waiters_per_holder: usize,
    /// Most leases, held or waiting: they stand in memory.
    pub(crate) leases: usize,
    /// Most pools: they are listed in one reply.
    pub(crate) pools: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            leases_per_holder: 1_024,
            waiters: 1_024,
            waiters_per_holder: 256,
            leases: 500_000,
            pools: 1_024,
        }
    }
}
