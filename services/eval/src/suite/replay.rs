//! Something is said again.

mod calls;
mod effects;
mod signed;

use crate::{
    case::{Case, Count},
    options::Suite,
};

pub(super) const CASES: &[Case] = &[
    Case {
        suite: Suite::Replay,
        name: "write-calls",
        invariant: "a write call under one idempotency key is one fact and one answer, however often it is sent",
        count: Count::AtLeast(2 * calls::CALLS.len() as u32),
        at_once: 4,
        run: |arena, trial| Box::pin(calls::again(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "late-repetition",
        invariant: "a repetition after the state has moved on has its own answer and changes nothing",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(calls::late(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "other-payload",
        invariant: "an idempotency key that was used with another payload is refused",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(calls::other_payload(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "signed-envelope",
        invariant: "a signed message that is sent again has no second effect",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(signed::again(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "redeemed-approval",
        invariant: "an approval is redeemed once",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(effects::redeemed(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "committed-intent",
        invariant: "a committed intent that is proposed again is not executed again",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(effects::committed(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "published-version",
        invariant: "a version of a name that is published again is the same version",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(effects::published(arena, trial)),
    },
    Case {
        suite: Suite::Replay,
        name: "resent-claim",
        invariant: "a claim that is sent again is the same claim",
        count: Count::OneOf(2),
        at_once: 8,
        run: |arena, trial| Box::pin(effects::claim(arena, trial)),
    },
];
