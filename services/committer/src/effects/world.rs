//! What is common to targets that may have done something and not said so: what to make of a lost answer, and
//! of a probe. Pure.

use selvedge_contracts::payload::intent::{Receipt, Repeat};

use super::{Earlier, Outcome};

/// What looking at the world found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// It happened.
    Done(Receipt),
    /// It did not.
    Absent,
    /// The target cannot say.
    Unclear(String),
    /// The target cannot be asked now.
    Unreachable(String),
}

/// Whether one has to look before one acts.
pub(super) fn must_look(repeat: Repeat, earlier: Earlier) -> bool {
    repeat == Repeat::Unsafe && earlier == Earlier::Begun
}

/// What follows from looking before acting: nothing, if it is to be done now.
pub(super) fn before(seen: Seen) -> Option<Outcome> {
    match seen {
        Seen::Done(receipt) => Some(Outcome::Done(receipt)),
        Seen::Absent => None,
        Seen::Unclear(why) => {
            Some(Outcome::unknown(format!("an earlier attempt may have done it, and nothing tells: {why}")))
        }
        Seen::Unreachable(why) => Some(Outcome::Later(why)),
    }
}

/// What to make of a refusal. It says that nothing was done now; whether an earlier attempt did it, it does
/// not say (what is there already is refused, too, and so is what was deleted before). Only where a probe has
/// just said that nothing was done, or no attempt was made before, is it the end.
pub(super) fn is_last_word(repeat: Repeat, earlier: Earlier) -> bool {
    earlier == Earlier::None || repeat == Repeat::Unsafe
}

/// What follows where the request cannot even be made any more: what an earlier attempt did stands.
pub(super) fn unmade(outcome: Outcome, earlier: Earlier) -> Outcome {
    match outcome {
        Outcome::Refused(reasons) if earlier == Earlier::Begun => {
            let why = reasons.iter().map(|reason| format!("{}: {}", reason.at, reason.message));
            Outcome::Later(why.collect::<Vec<_>>().join("; "))
        }
        other => other,
    }
}

/// Why there was no plain answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lost {
    /// The target answered that something went wrong on its side: it is through with the request.
    Failed(String),
    /// The target did not answer: it may still be at it.
    Silent(String),
}

/// What follows from looking after an answer was lost, where it cannot just be asked again.
pub(super) fn after(lost: Lost, seen: Seen) -> Outcome {
    match (lost, seen) {
        (_, Seen::Done(receipt)) => Outcome::Done(receipt),
        (Lost::Failed(why), Seen::Absent) => Outcome::refused("", format!("{why}; it was not done")),
        (Lost::Silent(why), Seen::Absent) => {
            Outcome::unknown(format!("{why}; it was not done yet, and may still be"))
        }
        (Lost::Failed(why) | Lost::Silent(why), Seen::Unclear(more) | Seen::Unreachable(more)) => {
            Outcome::unknown(format!("{why}; {more}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn receipt() -> Receipt {
        Receipt::External { result: Value::Null }
    }

    #[test]
    fn only_what_must_not_be_repeated_is_looked_for_first() {
        for (repeat, earlier, expected) in [
            (Repeat::Unsafe, Earlier::Begun, true),
            (Repeat::Unsafe, Earlier::None, false),
            (Repeat::ByKey, Earlier::Begun, false),
            (Repeat::Idempotent, Earlier::Begun, false),
        ] {
            assert_eq!(must_look(repeat, earlier), expected, "{repeat:?} {earlier:?}");
        }
    }

    #[test]
    fn a_refusal_is_the_end_only_where_nothing_can_have_been_done_before() {
        for (repeat, earlier, expected) in [
            (Repeat::ByKey, Earlier::None, true),
            (Repeat::Unsafe, Earlier::Begun, true), // it was probed, and absent
            (Repeat::ByKey, Earlier::Begun, false),
            (Repeat::Idempotent, Earlier::Begun, false),
        ] {
            assert_eq!(is_last_word(repeat, earlier), expected, "{repeat:?} {earlier:?}");
        }
        let refused = || Outcome::refused("/secrets", "there is no secret x");
        assert_eq!(unmade(refused(), Earlier::None), refused());
        assert_eq!(
            unmade(refused(), Earlier::Begun),
            Outcome::Later("/secrets: there is no secret x".into())
        );
    }

    #[test]
    fn what_may_have_happened_is_never_done_again() {
        assert_eq!(before(Seen::Absent), None);
        assert_eq!(before(Seen::Done(receipt())), Some(Outcome::Done(receipt())));
        assert!(matches!(before(Seen::Unclear("x".into())), Some(Outcome::Unknown(_))));
        assert!(matches!(before(Seen::Unreachable("x".into())), Some(Outcome::Later(_))));
        let (failed, silent) = (Lost::Failed("500".into()), Lost::Silent("no answer".into()));
        assert_eq!(after(failed.clone(), Seen::Done(receipt())), Outcome::Done(receipt()));
        assert!(matches!(after(failed.clone(), Seen::Absent), Outcome::Refused(_)));
        assert!(
            matches!(after(silent.clone(), Seen::Absent), Outcome::Unknown(_)),
            "it may still be on its way"
        );
        assert!(matches!(after(failed, Seen::Unclear("x".into())), Outcome::Unknown(_)));
        assert!(matches!(after(silent, Seen::Unreachable("x".into())), Outcome::Unknown(_)));
    }
}
