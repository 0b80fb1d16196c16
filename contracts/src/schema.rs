//! JSON Schemas of all payloads, made from their types. The files under `contracts/schemas` are the
//! goldens: a test fails when a type and its golden differ, so that no payload changes unseen.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::{call::CALLS, fact::FACTS, kind::Kind, payload::effector};

/// The schema of `T` (JSON Schema 2020-12).
pub fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// Every kind with its schema.
pub fn all() -> Vec<(Kind, Schema)> {
    let calls = CALLS.iter().flat_map(|call| {
        [(call.request_kind(), (call.request_schema)()), (call.reply_kind(), (call.reply_schema)())]
    });
    let facts = FACTS.iter().map(|fact| (fact.kind(), (fact.schema)()));
    let orders = [
        (Kind::first("effector.order"), of::<effector::Order>()),
        (Kind::first("effector.order.reply"), of::<effector::OrderReply>()),
    ];
    calls.chain(facts).chain(orders).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// Set to any value, the goldens are written anew instead of compared.
    const BLESS: &str = "SELVEDGE_BLESS";

    fn file_name(kind: &Kind) -> String {
        format!("{}.{}.json", kind.name, kind.version)
    }

    #[test]
    fn every_payload_matches_its_golden_schema() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let mut expected = BTreeSet::new();
        for (kind, schema) in all() {
            let path = folder.join(file_name(&kind));
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            // As values: the order of keys depends on what else is in the build (`serde_json/preserve_order`).
            let read = || fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
            if std::env::var_os(BLESS).is_some() && read().as_ref() != Some(schema.as_value()) {
                fs::write(&path, &text).unwrap();
            }
            assert_eq!(
                read().as_ref(),
                Some(schema.as_value()),
                "{} changed: a new shape is a new version; {BLESS}=1 writes the goldens",
                kind
            );
            assert!(expected.insert(file_name(&kind)), "{kind} stands twice");
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(expected.contains(&name), "schemas/{name} belongs to no kind");
        }
    }

    #[test]
    fn every_request_refuses_unknown_fields() {
        for call in CALLS {
            let schema = (call.request_schema)();
            assert_eq!(schema.get("additionalProperties"), Some(&false.into()), "{call}");
        }
    }
}
