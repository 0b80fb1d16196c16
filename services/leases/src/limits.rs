//! The bounds of spaces.

/// How many spaces there may be, and how much one may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most spaces of one mission at once: so that none can use up those of others.
    pub spaces_per_mission: usize,
    /// How long a space with nothing in it is kept after its last use, in milliseconds: up to twice as long.
    pub idle_space_ms: u64,
    /// Most leases of one holder in a space, held or waiting: so that no agent can fill it.
    pub leases_per_holder: usize,
    /// Most requests that wait in a space: each costs a look at every grant that it could hold up.
    pub waiters: usize,
    /// Most of them of one holder: so that no agent can fill the queue.
    pub waiters_per_holder: usize,
    /// Most leases in a space, held or waiting: they stand in memory.
    pub leases: usize,
    /// Most pools of a space: they are listed in one reply.
    pub pools: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spaces_per_mission: 1_024,
            idle_space_ms: 60_000,
            leases_per_holder: 1_024,
            waiters: 1_024,
            waiters_per_holder: 256,
            leases: 500_000,
            pools: 1_024,
        }
    }
}
