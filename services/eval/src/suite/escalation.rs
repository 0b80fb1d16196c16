//! Somebody reaches above their rights.

mod audit;
mod bodies;
mod rights;
mod sessions;
mod subjects;

use selvedge_contracts::role::Role;

use crate::{
    case::{Case, Count},
    options::Suite,
};

pub(super) const CASES: &[Case] = &[
    // First: each caller's records are taken at a pace, and the other cases make many.
    Case {
        suite: Suite::Escalation,
        name: "audited",
        invariant: "what was refused stands in the audit stream",
        count: Count::All(audit::CALLERS),
        at_once: 1,
        run: |arena, trial| Box::pin(audit::audited(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "every-call",
        invariant: "no credential reaches a call that is not its role's: every call, every role",
        count: Count::All(Role::ALL.len() as u32),
        at_once: 4,
        run: |arena, trial| Box::pin(rights::every_call(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "narrowed-session",
        invariant: "a session makes only the calls that it was started for",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(rights::narrowed(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "forged-subject",
        invariant: "what is published under a subject that is not one's own is denied, and nothing of it appears",
        count: Count::AtLeast(subjects::FORGERIES.len() as u32),
        at_once: 4,
        run: |arena, trial| Box::pin(subjects::forged(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "eavesdropping",
        invariant: "nobody hears what is asked and answered elsewhere",
        count: Count::OneOf(5),
        at_once: 4,
        run: |arena, trial| Box::pin(subjects::heard(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "forged-body",
        invariant: "a body that says it is somebody else's is refused, and nothing of it is recorded",
        count: Count::AtLeast(bodies::LIES.len() as u32),
        at_once: 4,
        run: |arena, trial| Box::pin(bodies::forged(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "own-approval",
        invariant: "nobody approves what their own principal proposed, nor without the role",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(bodies::own_approval(arena, trial)),
    },
    Case {
        suite: Suite::Escalation,
        name: "ended-session",
        invariant: "the credential of a session that has ended is worth nothing",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(sessions::ended(arena, trial)),
    },
];
