//! What a mission's policy may become: versions count from 1, each is made once and kept for ever.

use selvedge_contracts::{
    fact::POLICY_DRAFTED,
    fault::Fault,
    id::{Caller, Digest, Mission, Owner},
    payload::{
        Nothing,
        policy::{Policy, PolicyDraft},
    },
};
use selvedge_kit::rule::{Change, Verdict};

/// Who drafts, and where.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) mission: Mission,
    pub(crate) caller: Caller,
    pub(crate) owner: Owner,
}

/// Adds the next version of the mission's policy. `latest` is its newest version, `digest` that of the text,
/// which was found sound. The newest version's own text again is that version, whatever the note.
///
/// # Errors
/// Conflict if there is no version number left.
pub(crate) fn draft(
    latest: Option<&Policy>,
    wanted: &PolicyDraft,
    digest: &Digest,
    author: &Author,
    now_ms: u64,
) -> Result<Verdict<Policy>, Fault> {
    if latest.is_some_and(|latest| latest.digest == *digest) {
        return Ok(Verdict::Same);
    }
    let newest = latest.map_or(0, |latest| latest.version);
    let version =
        newest.checked_add(1).ok_or_else(|| Fault::conflict("the policy has no version number left"))?;
    let Author { mission, caller, owner } = author.clone();
    let state = Policy {
        mission,
        version,
        digest: digest.clone(),
        text: wanted.text.clone(),
        note: wanted.note.clone(),
        author: caller,
        owner,
        drafted_at_ms: now_ms,
    };
    Ok(Change::new(&POLICY_DRAFTED, &Nothing {}, state).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn author() -> Author {
        Author {
            mission: Mission::new("demo").unwrap(),
            caller: Caller::new("olga-1a2b3c4d").unwrap(),
            owner: Owner::new("person:olga").unwrap(),
        }
    }

    fn drafted(latest: Option<&Policy>, text: &str) -> Result<Option<Policy>, Fault> {
        let wanted = PolicyDraft { text: text.to_owned(), note: String::new() };
        let digest = Digest::from(&blake3::hash(text.as_bytes()));
        match draft(latest, &wanted, &digest, &author(), 7)? {
            Verdict::Same => Ok(None),
            Verdict::Changed(change) => Ok(Some(change.state)),
        }
    }

    proptest! {
        #[test]
        fn versions_count_from_one_and_the_newest_text_again_is_no_version(
            texts in prop::collection::vec("[ab]", 1..12)
        ) {
            let mut made: Vec<Policy> = Vec::new();
            for text in &texts {
                match drafted(made.last(), text).unwrap() {
                    Some(policy) => made.push(policy),
                    None => prop_assert_eq!(&made.last().unwrap().text, text),
                }
            }
            prop_assert!(made.iter().map(|policy| policy.version).eq(1..=u32::try_from(made.len()).unwrap()));
            prop_assert!(made.windows(2).all(|pair| pair[0].digest != pair[1].digest));
            prop_assert_eq!(&made.last().unwrap().text, texts.last().unwrap());
        }
    }

    #[test]
    fn versions_do_not_wrap() {
        let last = Policy { version: u32::MAX, ..drafted(None, "a").unwrap().unwrap() };
        assert!(drafted(Some(&last), "b").unwrap_err().message.contains("no version number"));
    }
}
