//! Payload contracts over the bus: add, list, show, check.

use std::collections::BTreeSet;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Code, Fault},
    id::ContractName,
    payload::{
        contract::{
            Compatibility, Contract, ContractAdd, ContractCheck, ContractList, ContractShow, ContractVersion,
            MAX_SCHEMA_BYTES,
        },
        history::History,
    },
};
use selvedge_kit::{client::Client, service::Running};
use selvedge_tests::{
    fabric::Fabric,
    raw::{Raw, count, ledger},
};
use serde_json::{Value, json};

/// A fabric with two replicas of the registry, and a worker that asks.
struct Asking {
    fabric: Fabric,
    client: Client,
    _second: Running,
}

fn name(text: &str) -> ContractName {
    ContractName::new(text).unwrap()
}

impl Asking {
    async fn start() -> Self {
        let fabric = Fabric::start().await;
        let second = fabric.registry_replica("r2").await;
        let client = fabric.worker("ada").await.1.client;
        Self { fabric, client, _second: second }
    }

    async fn add(&self, of: &str, schema: &Value) -> Result<Contract, Fault> {
        let add = ContractAdd { name: name(of), schema: schema.clone() };
        self.client.call::<call::ContractAdd>(&add).await.map(|answered| answered.reply.contract)
    }

    async fn show(&self, of: &str, version: Option<u32>) -> Result<Contract, Fault> {
        let show = ContractShow { name: name(of), version };
        self.client.call::<call::ContractShow>(&show).await.map(|answered| answered.reply.contract)
    }

    /// The pointers of what is wrong with the document.
    async fn violations(
        &self,
        of: &str,
        version: Option<u32>,
        document: Value,
    ) -> Result<Vec<String>, Fault> {
        let check = ContractCheck { name: name(of), version, document };
        let verdict = self.client.call::<call::ContractCheck>(&check).await?.reply;
        assert_eq!(verdict.valid, verdict.violations.is_empty());
        assert_eq!(verdict.name, name(of));
        Ok(verdict.violations.into_iter().map(|violation| violation.at).collect())
    }
}

fn pages(sort: &str) -> Value {
    json!({ "type": "object", "properties": { "pages": { "type": sort } }, "required": ["pages"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes_and_the_next_one_says_what_it_breaks() {
    let asking = Asking::start().await;
    let (integer, number, text) = (pages("integer"), pages("number"), pages("string"));
    let first = asking.add("research.summary", &integer).await.unwrap();
    assert_eq!((first.version, &first.schema), (1, &integer));
    assert_eq!(first.compatibility, Compatibility::First);
    let respelled = serde_json::from_str(
        r#"{ "required": ["pages"], "properties": {"pages": {"type": "integer"}}, "type": "object" }"#,
    );
    assert_eq!(asking.add("research.summary", &respelled.unwrap()).await.unwrap(), first, "its own schema");

    let second = asking.add("research.summary", &number).await.unwrap();
    assert_eq!((second.version, &second.compatibility), (2, &Compatibility::Compatible));
    let third = asking.add("research.summary", &text).await.unwrap();
    assert_eq!(third.version, 3);
    let Compatibility::Breaking { reasons } = &third.compatibility else {
        panic!("a number is no string: {:?}", third.compatibility);
    };
    assert!(reasons.iter().any(|reason| reason.at.contains("/properties/pages")), "{reasons:?}");
    // What the first version said again is a new version, not the old one back in force.
    let fourth = asking.add("research.summary", &integer).await.unwrap();
    assert_eq!((fourth.version, &fourth.digest), (4, &first.digest));

    for (version, added) in [(1, &first), (2, &second), (3, &third), (4, &fourth)] {
        for _ in 0..4 {
            let shown = asking.show("research.summary", Some(version)).await.unwrap();
            assert_eq!(shown, *added, "whichever replica answers");
        }
    }
    assert_eq!(asking.show("research.summary", None).await.unwrap(), fourth, "the newest");
    let ledger = ledger(&asking.fabric.bus).await;
    assert_eq!(count(&ledger, "_.contract.>").await, 4);
    for version in 1..=4 {
        let history = History {
            entity: EntityName::Contract,
            id: name("research.summary").version_id(version),
            after: 0,
            limit: None,
        };
        let facts = asking.client.call::<call::History>(&history).await.unwrap().reply.facts;
        assert_eq!(facts.len(), 1, "version {version} was made once and never touched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_held_against_the_version_that_is_named() {
    let asking = Asking::start().await;
    asking.add("a.b", &pages("integer")).await.unwrap();
    asking.add("a.b", &pages("string")).await.unwrap();
    let none: [&str; 0] = [];
    for _ in 0..4 {
        assert_eq!(asking.violations("a.b", Some(1), json!({ "pages": 3 })).await.unwrap(), none);
        assert_eq!(asking.violations("a.b", Some(2), json!({ "pages": 3 })).await.unwrap(), ["/pages"]);
        assert_eq!(asking.violations("a.b", None, json!({ "pages": 3 })).await.unwrap(), ["/pages"]);
        assert_eq!(asking.violations("a.b", None, json!({ "pages": "3" })).await.unwrap(), none);
        assert_eq!(asking.violations("a.b", None, json!({})).await.unwrap(), [""], "the whole lacks it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_or_no_schema_is_refused_by_name() {
    let asking = Asking::start().await;
    asking.add("a.b", &json!(true)).await.unwrap();
    for (of, version) in [("a.c", None), ("a", None), ("a.b", Some(2)), ("a.b", Some(u32::MAX))] {
        for fault in [
            asking.show(of, version).await.unwrap_err(),
            asking.violations(of, version, json!(1)).await.unwrap_err(),
        ] {
            assert_eq!(fault.code, Code::NotFound, "{fault}");
            let wanted = version.map_or_else(|| of.to_owned(), |version| format!("{of} version {version}"));
            assert!(fault.message.contains(&wanted) && fault.message.contains("contract_list"), "{fault}");
        }
    }
    let too_long = json!({ "description": "x".repeat(MAX_SCHEMA_BYTES) });
    let foreign = json!({ "$ref": "https://example.org/schema.json" });
    for bad in [json!(3), json!({ "type": "whole" }), foreign, too_long] {
        let fault = asking.add("bad", &bad).await.unwrap_err();
        assert_eq!(fault.code, Code::Invalid, "{fault}");
        assert!(fault.details.iter().any(|detail| detail.at.starts_with("/schema")), "{fault:?}");
    }
    let raw = Raw::connect(&asking.fabric.bus, &asking.fabric.worker("bob").await.1.credential).await;
    for bad_name in ["A.b", "a b", "a.*", "", "é"] {
        let fault = raw.bare("contract_add", &json!({ "name": bad_name, "schema": true })).await.fault();
        assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, "/name"), "{bad_name:?}");
    }
    let zero = raw.bare("contract_show", &json!({ "name": "a.b", "version": 0 })).await.fault();
    assert_eq!((zero.code, zero.details[0].at.as_str()), (Code::Invalid, "/version"));
    assert_eq!(count(&ledger(&asking.fabric.bus).await, "_.contract.>").await, 1, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_by_name_and_version_page_after_page() {
    let asking = Asking::start().await;
    for version in ["integer", "number", "string"] {
        for of in ["b", "a.x", "a"] {
            asking.add(of, &pages(version)).await.unwrap();
        }
    }
    let list = async |of: Option<&str>, after: Option<(&str, u32)>, limit| {
        let after = after.map(|(of, version)| ContractVersion { name: name(of), version });
        let list = ContractList { name: of.map(name), after, limit: Some(limit) };
        let page = asking.client.call::<call::ContractList>(&list).await.unwrap().reply;
        let found = page.contracts.iter().map(|contract| (contract.name.to_string(), contract.version));
        (found.collect::<Vec<_>>(), page.more)
    };
    let (all, more) = list(None, None, 100).await;
    assert_eq!((all.len(), more), (9, false));
    let names: BTreeSet<_> = all.iter().map(|(of, _)| of.as_str()).collect();
    assert_eq!(names, ["a", "a.x", "b"].into());
    let mut paged = vec![];
    loop {
        let after = paged.last().map(|(of, version): &(String, u32)| (of.as_str(), *version));
        let (page, more) = list(None, after, 2).await;
        assert!(page.len() <= 2);
        paged.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(paged, all, "none twice, none left out");
    let (of_one, _) = list(Some("a.x"), None, 100).await;
    assert_eq!(of_one, [1, 2, 3].map(|version| ("a.x".to_owned(), version)));
    assert_eq!(list(Some("nothing"), None, 100).await, (vec![], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_added_at_once_are_all_there_and_counted_without_a_gap() {
    const AT_ONCE: usize = 6;
    let asking = Asking::start().await;
    let schemas: Vec<_> = (0..AT_ONCE).map(|n| json!({ "const": n })).collect();
    let added = futures::future::join_all(schemas.iter().map(|schema| asking.add("race", schema))).await;
    let mut versions = BTreeSet::new();
    for (added, schema) in added.into_iter().zip(&schemas) {
        // Whoever found the others always first is told to try again.
        let added = match added {
            Err(fault) if fault.code == Code::Busy => asking.add("race", schema).await.unwrap(),
            settled => settled.unwrap(),
        };
        assert_eq!(asking.show("race", Some(added.version)).await.unwrap().schema, *schema);
        versions.insert(added.version);
    }
    assert_eq!(versions, (1..=u32::try_from(AT_ONCE).unwrap()).collect());
}
