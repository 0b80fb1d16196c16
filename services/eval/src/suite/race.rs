//! Several agents want the same thing in the same instant.

mod alike;
mod claims;
mod intents;
mod leases;

use crate::{
    case::{Case, Count},
    options::Suite,
};

pub(super) const CASES: &[Case] = &[
    Case {
        suite: Suite::Race,
        name: "lease-paths",
        invariant: "no two leases that clash are held at one time, and fencing tokens only grow",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(leases::paths(arena, trial)),
    },
    Case {
        suite: Suite::Race,
        name: "lease-slots",
        invariant: "never are more slots of a pool held than it has",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(leases::slots(arena, trial)),
    },
    Case {
        suite: Suite::Race,
        name: "task-claims",
        invariant: "each attempt at a task has one claim, and a cap of n never has n + 1 running",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(claims::claims(arena, trial)),
    },
    Case {
        suite: Suite::Race,
        name: "same-intent",
        invariant: "the same proposal of all agents at once is one intent, done once",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(intents::same(arena, trial)),
    },
    Case {
        suite: Suite::Race,
        name: "same-record",
        invariant: "of writes of one record on one revision exactly one commits",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(intents::record(arena, trial)),
    },
    Case {
        suite: Suite::Race,
        name: "alike",
        invariant: "of what is alike exactly one stands alone, and every other saw an earlier one",
        count: Count::OneOf(2),
        at_once: 1,
        run: |arena, trial| Box::pin(alike::alike(arena, trial)),
    },
];
