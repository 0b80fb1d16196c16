//! What payload contracts may become: each version is made once, one above the version before, and
//! never changes.
//!
//! Owns the entity `contract`. What a schema must be like, the kit's `document` knows; what became of documents
//! that satisfied the version before, `compatibility`.

use selvedge_contracts::{
    fact::CONTRACT_ADDED,
    fault::Fault,
    payload::{
        Nothing,
        contract::{Compatibility, Contract, ContractAdd},
    },
};
use selvedge_kit::{
    document::Checker,
    rule::{Change, Verdict},
};

use crate::compatibility::compare;

/// Adds the next version of a contract. `latest` is its newest version, `digest` the schema's
/// (`canonical::digest`). The newest version's own schema again is that version.
///
/// # Errors
/// Invalid, with every violation, if the schema cannot become a contract; conflict if there is no
/// version number left.
pub(crate) fn add(
    latest: Option<&Contract>,
    wanted: &ContractAdd,
    digest: &str,
    now_ms: u64,
) -> Result<Verdict<Contract>, Fault> {
    if latest.is_some_and(|latest| latest.digest == digest) {
        return Ok(Verdict::Same);
    }
    Checker::new(&wanted.schema)?;
    let (version, compatibility) = match latest {
        None => (1, Compatibility::First),
        Some(before) => (next(before)?, compare(&before.schema, &wanted.schema)),
    };
    let state = Contract {
        name: wanted.name.clone(),
        version,
        digest: digest.to_owned(),
        schema: wanted.schema.clone(),
        compatibility,
        added_at_ms: now_ms,
    };
    Ok(Change::new(&CONTRACT_ADDED, &Nothing {}, state).into())
}

fn next(before: &Contract) -> Result<u32, Fault> {
    before.version.checked_add(1).ok_or_else(|| full(before))
}

fn full(before: &Contract) -> Fault {
    Fault::conflict(format!("the contract {} has no version number left; choose another name", before.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::state;
    use proptest::prelude::*;
    use selvedge_contracts::{fault::Code, id::ContractName};
    use selvedge_kit::document::canonical;
    use serde_json::{Value, json};

    fn added(latest: Option<&Contract>, schema: Value) -> Result<Verdict<Contract>, Fault> {
        let digest = canonical::digest(&schema).unwrap();
        add(latest, &ContractAdd { name: ContractName::new("research.summary").unwrap(), schema }, &digest, 7)
    }

    #[test]
    fn versions_count_up_from_one_and_say_how_they_relate() {
        let first: Contract = state(added(None, json!({"type": "integer"})));
        assert_eq!((first.version, &first.compatibility), (1, &Compatibility::First));
        let second: Contract = state(added(Some(&first), json!({"type": "number"})));
        assert_eq!((second.version, &second.compatibility), (2, &Compatibility::Compatible));
        let third: Contract = state(added(Some(&second), json!({"type": "integer"})));
        assert!(matches!(third.compatibility, Compatibility::Breaking { .. }));
        assert_ne!(first.digest, second.digest);
    }

    #[test]
    fn a_schema_that_is_none_is_refused_with_its_pointers() {
        let fault = added(None, json!({"type": 7, "properties": {"a": {"$ref": "x.json"}}})).unwrap_err();
        let at: Vec<&str> = fault.details.iter().map(|detail| detail.at.as_str()).collect();
        assert_eq!((fault.code, at), (Code::Invalid, vec!["/properties/a/$ref", "/type"]));
    }

    proptest! {
        #[test]
        fn adding_again_changes_nothing(maximum in -100i32..100, title in ".{0,20}") {
            let schema = json!({"title": title, "maximum": maximum});
            let first: Contract = state(added(None, schema.clone()));
            prop_assert_eq!(added(Some(&first), schema), Ok(Verdict::Same));
        }
    }
}
