//! Somebody acts on what is no longer so.

mod moved;
mod reads;
mod zombie;

use crate::{
    case::{Case, Count},
    options::Suite,
};

pub(super) const CASES: &[Case] = &[
    Case {
        suite: Suite::Staleness,
        name: "moved-precondition",
        invariant: "an intent whose precondition moved before it was executed is not executed",
        count: Count::Asked,
        at_once: 8,
        run: |arena, trial| Box::pin(moved::precondition(arena, trial)),
    },
    Case {
        suite: Suite::Staleness,
        name: "superseded-token",
        invariant: "an intent under a fencing token that somebody else's superseded is not executed",
        count: Count::Asked,
        at_once: 8,
        run: |arena, trial| Box::pin(moved::token(arena, trial)),
    },
    Case {
        suite: Suite::Staleness,
        name: "old-revision",
        invariant: "a record is not written over a revision that is not its last",
        count: Count::Asked,
        at_once: 8,
        run: |arena, trial| Box::pin(reads::old_revision(arena, trial)),
    },
    Case {
        suite: Suite::Staleness,
        name: "at-least",
        invariant: "whoever asks for at least a revision is never answered from before it",
        count: Count::Asked,
        at_once: 8,
        run: |arena, trial| Box::pin(reads::at_least(arena, trial)),
    },
    Case {
        suite: Suite::Staleness,
        name: "zombie",
        invariant: "what a worker hands in whose task went to another is refused and kept as a dead letter",
        count: Count::OneOf(2),
        at_once: 32,
        run: |arena, trial| Box::pin(zombie::zombie(arena, trial)),
    },
];
