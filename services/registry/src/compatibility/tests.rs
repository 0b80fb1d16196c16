use proptest::prelude::*;
use selvedge_contracts::payload::contract::Compatibility;
use serde_json::{Map, Value, json};

use super::compare;
use selvedge_kit::document::options;

/// The verdict in a word, with the places of its reasons.
fn verdict(before: &Value, after: &Value) -> (&'static str, Vec<String>) {
    let places = |reasons: Vec<selvedge_contracts::fault::Detail>| {
        reasons.into_iter().map(|reason| reason.at).collect()
    };
    match compare(before, after) {
        Compatibility::Compatible => ("compatible", Vec::new()),
        Compatibility::Breaking { reasons } => ("breaking", places(reasons)),
        Compatibility::Unknown { reasons } => ("unknown", places(reasons)),
        Compatibility::First => panic!("there is a version before"),
    }
}

#[track_caller]
fn compatible(before: Value, after: Value) {
    assert_eq!(verdict(&before, &after), ("compatible", Vec::new()), "{before} -> {after}");
}

#[track_caller]
fn breaking(before: Value, after: Value, at: &str) {
    assert_eq!(verdict(&before, &after), ("breaking", vec![at.to_owned()]), "{before} -> {after}");
}

#[track_caller]
fn unknown(before: Value, after: Value, at: &str) {
    assert_eq!(verdict(&before, &after), ("unknown", vec![at.to_owned()]), "{before} -> {after}");
}

#[test]
fn types_may_widen_but_not_narrow() {
    compatible(json!({"type": "integer"}), json!({"type": "number"}));
    compatible(json!({"type": "string"}), json!({"type": ["string", "null"]}));
    compatible(json!({"const": 1}), json!({"type": "integer"}));
    compatible(json!(false), json!({"type": "null"}));
    compatible(json!({"type": "null"}), json!(true));
    breaking(json!({"type": "number"}), json!({"type": "integer"}), "/type");
    breaking(json!({}), json!({"type": "string"}), "/type");
    breaking(json!({}), json!(false), "");
}

#[test]
fn listed_values_may_be_added_but_not_removed() {
    compatible(json!({"enum": ["a", 1]}), json!({"enum": [1.0, "b", "a"]}));
    compatible(json!({"type": ["boolean", "null"]}), json!({"enum": [true, false, null]}));
    compatible(json!({"enum": ["a", "bb"]}), json!({"type": "string", "maxLength": 2, "pattern": "^[ab]+$"}));
    breaking(json!({"enum": ["a", "b"]}), json!({"enum": ["a"]}), "");
    breaking(json!({"enum": ["a", "bbb"]}), json!({"maxLength": 2}), "");
    breaking(json!({"type": "string"}), json!({"enum": ["a"]}), "/enum");
    breaking(json!({"type": "boolean"}), json!({"const": true}), "/const");
}

#[test]
fn bounds_may_loosen_but_not_tighten() {
    let number = |keyword: &str, limit: f64| json!({"type": "number", keyword: limit});
    compatible(number("minimum", 2.0), number("minimum", 1.5));
    compatible(number("exclusiveMinimum", 2.0), number("minimum", 2.0));
    compatible(json!({"type": "integer", "exclusiveMinimum": 1.5}), json!({"minimum": 2}));
    compatible(json!({"type": "integer", "maximum": 3}), json!({"exclusiveMaximum": 4}));
    compatible(json!({"type": "string"}), json!({"minimum": 5, "items": false, "required": ["a"]}));
    breaking(number("minimum", 1.0), number("minimum", 2.0), "/minimum");
    breaking(number("maximum", 2.0), number("exclusiveMaximum", 2.0), "/exclusiveMaximum");
    breaking(json!({"type": "number"}), number("maximum", 2.0), "/maximum");
    compatible(json!({"maxLength": 2}), json!({"maxLength": 3.0}));
    breaking(json!({"maxLength": 3}), json!({"maxLength": 2}), "/maxLength");
    breaking(json!({}), json!({"minItems": 1}), "/minItems");
    breaking(json!({"type": "object"}), json!({"minProperties": 1}), "/minProperties");
    compatible(json!({"required": ["a", "b"]}), json!({"minProperties": 2}));
    compatible(
        json!({"properties": {"a": true}, "additionalProperties": false}),
        json!({"maxProperties": 1}),
    );
    breaking(
        json!({"properties": {"a": true, "b": true}, "additionalProperties": false}),
        json!({"maxProperties": 1}),
        "/maxProperties",
    );
    breaking(
        json!({"patternProperties": {"^x": true}, "additionalProperties": false}),
        json!({"maxProperties": 0}),
        "/maxProperties",
    );
}

#[test]
fn multiples_and_patterns_are_compared_where_they_can_be() {
    compatible(json!({"multipleOf": 6}), json!({"multipleOf": 3}));
    compatible(json!({"type": "integer"}), json!({"multipleOf": 1}));
    breaking(json!({"type": "integer"}), json!({"multipleOf": 2}), "/multipleOf");
    unknown(json!({"multipleOf": 3}), json!({"multipleOf": 6}), "/multipleOf");
    compatible(json!({"pattern": "^a"}), json!({"pattern": "^a"}));
    breaking(json!({}), json!({"pattern": "^a"}), "/pattern");
    unknown(json!({"pattern": "^ab"}), json!({"pattern": "^a"}), "/pattern");
}

#[test]
fn properties_may_become_optional_but_not_required() {
    let object = |required: &[&str]| json!({"type": "object", "required": required});
    compatible(object(&["a", "b"]), object(&["a"]));
    breaking(object(&["a"]), object(&["a", "b"]), "/required/1");
    compatible(json!({"required": ["b"]}), json!({"dependentRequired": {"a": ["b"]}}));
    breaking(json!({}), json!({"dependentRequired": {"a": ["b"]}}), "/dependentRequired/a");
}

#[test]
fn a_new_property_is_compatible_only_where_none_was_allowed() {
    let closed = |properties: Value| json!({"properties": properties, "additionalProperties": false});
    compatible(closed(json!({"a": true})), closed(json!({"a": true, "b": {"type": "string"}})));
    compatible(closed(json!({"a": {"type": "string"}})), json!({"additionalProperties": {"type": "string"}}));
    breaking(
        json!({"properties": {"a": true}}),
        json!({"properties": {"a": true, "b/c": {"type": "string"}}}),
        "/properties/b~1c/type",
    );
    breaking(closed(json!({"a": true, "b": true})), closed(json!({"a": true})), "/additionalProperties");
    breaking(json!({"properties": {"a": true}}), closed(json!({"a": true})), "/additionalProperties");
    breaking(
        json!({"properties": {"a": {"type": "object", "properties": {"b": {"maximum": 2}}}}}),
        json!({"properties": {"a": {"type": "object", "properties": {"b": {"maximum": 1}}}}}),
        "/properties/a/properties/b/maximum",
    );
    compatible(
        json!({"propertyNames": {"maxLength": 3}}),
        json!({"propertyNames": {"maxLength": 4, "type": "string"}}),
    );
    breaking(json!({}), json!({"propertyNames": {"maxLength": 4}}), "/propertyNames/maxLength");
}

#[test]
fn patterns_of_properties_leave_doubt() {
    let patterns = json!({"^x": {"type": "string"}});
    compatible(
        json!({"patternProperties": patterns, "additionalProperties": false}),
        json!({"patternProperties": patterns, "additionalProperties": {"type": "null"}}),
    );
    unknown(
        json!({"patternProperties": patterns}),
        json!({"properties": {"xa": {"type": "string"}}}),
        "/properties/xa/type",
    );
    unknown(json!({}), json!({"patternProperties": patterns}), "/patternProperties/^x/type");
}

#[test]
fn items_are_compared_by_their_place() {
    compatible(json!({"items": {"type": "integer"}}), json!({"items": {"type": "number"}}));
    compatible(
        json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}),
        json!({"items": {"type": ["string", "number"]}}),
    );
    compatible(json!({"maxItems": 1}), json!({"prefixItems": [true], "items": false, "uniqueItems": true}));
    breaking(json!({"items": {"type": "number"}}), json!({"items": {"type": "integer"}}), "/items/type");
    breaking(
        json!({"prefixItems": [{"type": "string"}]}),
        json!({"prefixItems": [{"type": "null"}]}),
        "/prefixItems/0/type",
    );
    breaking(json!({}), json!({"uniqueItems": true}), "/uniqueItems");
    compatible(
        json!({"contains": {"type": "null"}, "minContains": 2}),
        json!({"contains": {"type": "null"}}),
    );
    unknown(
        json!({"contains": {"type": "null"}}),
        json!({"contains": {"type": "null"}, "minContains": 2}),
        "/contains",
    );
}

#[test]
fn alternatives_may_be_added_but_not_removed() {
    let (text, number) = (json!({"type": "string"}), json!({"type": "number"}));
    compatible(json!({"anyOf": [text]}), json!({"anyOf": [number, text]}));
    compatible(json!({"anyOf": [text, number]}), json!({"type": ["number", "string", "null"]}));
    compatible(json!({"type": ["number", "string"]}), json!({"anyOf": [text, number]}));
    compatible(text.clone(), json!({"oneOf": [text, number]}));
    breaking(json!({"anyOf": [text, number]}), json!({"anyOf": [text]}), "/anyOf");
    breaking(json!({"type": ["number", "string", "null"]}), json!({"anyOf": [text, number]}), "/anyOf");
    unknown(text, json!({"oneOf": [{"minLength": 0}, {"maxLength": 2}]}), "/oneOf");
}

#[test]
fn a_tagged_union_may_grow() {
    let variant = |tag: &str, value: Value| json!({"type": "object", "required": ["is"], "properties": {"is": {"const": tag}, "value": value}});
    let (a, b) = (variant("a", json!({"type": "string"})), variant("b", json!({"type": "integer"})));
    let wider = variant("b", json!({"type": "number"}));
    compatible(json!({"oneOf": [a, b]}), json!({"oneOf": [variant("c", json!(true)), wider, a]}));
    compatible(json!({"anyOf": [a, b]}), json!({"oneOf": [b, a]}));
    let many = |value: Value| {
        let variants: Vec<Value> = (0..50).map(|n| variant(&n.to_string(), value.clone())).collect();
        json!({"oneOf": variants})
    };
    compatible(many(json!({"type": "integer"})), many(json!({"type": "number"})));
    let (word, _) = verdict(&json!({"oneOf": [a, wider]}), &json!({"oneOf": [a, b]}));
    assert_ne!(word, "compatible");
}

#[test]
fn definitions_are_followed_also_in_circles() {
    let tree = |value: Value| {
        json!({
            "$ref": "#/$defs/tree",
            "$defs": {"tree": {"type": "object", "properties": {"value": value, "next": {"$ref": "#/$defs/tree"}}}},
        })
    };
    compatible(tree(json!({"type": "integer"})), tree(json!({"type": "number"})));
    breaking(
        tree(json!({"type": "number"})),
        tree(json!({"type": "integer"})),
        "/$defs/tree/properties/value/type",
    );
    let inlined = json!({"type": "object", "properties": {"value": {"type": "number"}}});
    compatible(tree(json!({"type": "integer"})), inlined);
    compatible(
        json!({"allOf": [{"minimum": 1}, {"type": "integer"}]}),
        json!({"allOf": [{"type": "integer"}, {"minimum": 0}]}),
    );
}

#[test]
fn what_cannot_be_compared_is_unknown_unless_it_stays() {
    for (name, value, other) in [
        ("not", json!({"type": "null"}), json!({"type": "string"})),
        ("if", json!({"type": "null"}), json!({"type": "string"})),
        ("dependentSchemas", json!({"a": {"required": ["b"]}}), json!({"a": {"required": ["c"]}})),
        ("contentEncoding", json!("base64"), json!("base32")),
    ] {
        let schema = |value: &Value, title: &str| json!({name: value, "then": {"const": 1}, "title": title});
        compatible(schema(&value, "a"), schema(&value, "b"));
        unknown(schema(&value, "a"), schema(&other, "a"), &format!("/{name}"));
        let without = json!({"maximum": 3});
        compatible(json!({"maximum": 3, name: value}), without);
    }
    unknown(json!({}), json!({"unevaluatedProperties": false}), "/unevaluatedProperties");
    compatible(json!({"unevaluatedProperties": false}), json!({}));
    let changed = |target: Value| json!({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": target}});
    unknown(changed(json!({"type": "null"})), changed(json!({"type": "string"})), "/not");
}

#[test]
fn annotations_and_other_drafts() {
    compatible(
        json!({"title": "a"}),
        json!({"description": "b", "format": "email", "x-mine": 1, "$defs": {"a": false}}),
    );
    unknown(json!({}), json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "/$schema");
    compatible(json!({}), json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}));
}

#[test]
fn a_comparison_ends_also_where_cases_multiply() {
    let choice =
        |n: usize| json!({"anyOf": [{"required": [format!("a{n}")]}, {"required": [format!("b{n}")]}]});
    let many: Vec<Value> = (0..60).map(choice).collect();
    let (word, _) = verdict(&json!({"allOf": many}), &json!({"required": ["c"]}));
    assert_ne!(word, "compatible");
}

/// Documents small enough to hit the same few names and values as the schemas do.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..5).prop_map(Value::from),
        prop::sample::select(vec![json!(0.5), json!(1.0), json!(2.5)]),
        prop::sample::select(vec![json!(""), json!("a"), json!("ab"), json!("abc")]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abx]", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

fn one_keyword(
    inner: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = (&'static str, Value)> {
    let types = prop::sample::subsequence(
        vec!["null", "boolean", "integer", "number", "string", "array", "object"],
        1..4,
    );
    let values = prop::sample::subsequence(
        vec![
            json!(null),
            json!(true),
            json!(1),
            json!(2.5),
            json!("a"),
            json!("ab"),
            json!([]),
            json!({"a": 1}),
        ],
        1..4,
    );
    let names = || prop::sample::subsequence(vec!["a", "b", "x"], 0..3).prop_map(|names| json!(names));
    let count = || (0u64..4).prop_map(Value::from);
    let limit =
        || prop::sample::select(vec![json!(-1), json!(0), json!(1), json!(1.5), json!(2.0), json!(3)]);
    let map = |inner: BoxedStrategy<Value>, keys: &'static str| {
        prop::collection::btree_map(keys, inner, 0..3).prop_map(|members| json!(members))
    };
    let inner = inner.boxed();
    let list = prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from).boxed();
    prop_oneof![
        4 => types.prop_map(|types| ("type", json!(types))),
        2 => values.prop_map(|values| ("enum", json!(values))),
        1 => prop::sample::select(vec![json!(1), json!("a"), json!(null)]).prop_map(|value| ("const", value)),
        2 => (prop::sample::select(vec!["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), limit()),
        1 => prop::sample::select(vec![json!(1), json!(2), json!(4), json!(0.5)]).prop_map(|value| ("multipleOf", value)),
        2 => (prop::sample::select(vec!["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]), count()),
        1 => prop::sample::select(vec!["^a", "b"]).prop_map(|pattern| ("pattern", json!(pattern))),
        1 => any::<bool>().prop_map(|unique| ("uniqueItems", json!(unique))),
        2 => names().prop_map(|names| ("required", names)),
        1 => names().prop_map(|names| ("dependentRequired", json!({"a": names}))),
        4 => map(inner.clone(), "[abx]").prop_map(|map| ("properties", map)),
        1 => map(inner.clone(), "(\\^x|a)").prop_map(|map| ("patternProperties", map)),
        3 => (prop::sample::select(vec!["additionalProperties", "items", "contains", "propertyNames", "not"]), inner.clone()),
        1 => (prop::sample::select(vec!["minContains", "maxContains"]), count()),
        1 => (prop::sample::select(vec!["unevaluatedProperties", "unevaluatedItems", "if", "then", "else"]), inner.clone()),
        1 => map(inner, "[ab]").prop_map(|map| ("dependentSchemas", map)),
        3 => (prop::sample::select(vec!["allOf", "anyOf", "oneOf", "prefixItems"]), list),
        // Inside a property, so that no circle of references stays where it is.
        1 => prop::sample::select(vec!["#", "#/$defs/a"]).prop_map(|to| ("properties", json!({"a": {"$ref": to}}))),
    ]
}

fn subschema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![3 => Just(json!({})), 2 => any::<bool>().prop_map(Value::from), 1 => Just(json!({"type": "integer"}))];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec(one_keyword(inner), 0..4).prop_map(|keywords| {
            Value::from(
                keywords.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>(),
            )
        })
    })
}

fn schema() -> impl Strategy<Value = Value> {
    (subschema(), subschema()).prop_map(|(mut schema, definition)| {
        if let Value::Object(keywords) = &mut schema {
            keywords.insert("$defs".to_owned(), json!({"a": definition}));
        }
        schema
    })
}

/// Every place inside the value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            places(member, &selvedge_kit::document::reference::under(at, name), found)
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found))
        }
        _ => {}
    }
}

/// Two versions of a schema: one place of the first is replaced, dropped or widened in the second.
fn versions() -> impl Strategy<Value = (Value, Value)> {
    (schema(), subschema(), any::<prop::sample::Index>(), 0..4u8).prop_map(|(before, other, index, how)| {
        let mut found = Vec::new();
        places(&before, "", &mut found);
        let (mut after, at) = (before.clone(), index.get(&found).clone());
        let (parent, name) = at.rsplit_once('/').unwrap_or(("", ""));
        if let (0, Some(Value::Object(members))) = (how, after.pointer_mut(parent)) {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        } else if let Some(place) = after.pointer_mut(&at) {
            *place = match how {
                1 => json!({"anyOf": [place.clone(), other]}),
                2 if place.is_number() => json!(2),
                _ => other,
            };
        }
        (before, after)
    })
}

fn usable(schema: &Value) -> Option<jsonschema::Validator> {
    selvedge_kit::document::Checker::new(schema).ok()?;
    options().build(schema).ok()
}

/// All small objects and arrays of three values, and the numbers around the limits that [`keyword_of`]
/// sets: for schemas of one family, as good as all documents.
fn small_documents() -> Vec<Value> {
    let values = [None, Some(json!(1)), Some(json!(0.5)), Some(json!("a"))];
    let numbers = (-2..9).map(|half| json!(f64::from(half) / 2.0));
    let mut documents: Vec<Value> = numbers.chain([json!(2), json!("ab")]).collect();
    for choice in 0..64usize {
        let chosen = [choice % 4, choice / 4 % 4, choice / 16].map(|index| values[index].clone());
        let named = ["a", "b", "x"].into_iter().map(String::from).zip(chosen.clone());
        let members: Map<String, Value> = named.filter_map(|(name, value)| Some((name, value?))).collect();
        documents.extend([Value::from(members), chosen.into_iter().flatten().collect()]);
    }
    documents
}

/// A keyword of one family, with the simplest subschemas.
fn keyword_of(family: usize) -> BoxedStrategy<(&'static str, Value)> {
    let leaf = || {
        prop::sample::select(vec![
            json!(true),
            json!(false),
            json!({"type": "integer"}),
            json!({"type": "number"}),
            json!({"enum": [1, "a"]}),
        ])
    };
    let map = |keys: &'static str| prop::collection::btree_map(keys, leaf(), 1..3).prop_map(|map| json!(map));
    let names = || prop::sample::subsequence(vec!["a", "b", "x"], 1..3).prop_map(|names| json!(names));
    let limit = || prop::sample::select(vec![json!(0), json!(1), json!(1.5), json!(2.0), json!(3)]);
    let some = |names: &'static [&'static str]| prop::sample::select(names);
    match family {
        0 => prop_oneof![
            4 => map("[abx]").prop_map(|map| ("properties", map)),
            2 => map("(\\^x|a|b)").prop_map(|map| ("patternProperties", map)),
            3 => leaf().prop_map(|leaf| ("additionalProperties", leaf)),
            2 => names().prop_map(|names| ("required", names)),
            1 => (prop::sample::select(vec!["a", "b"]), names()).prop_map(|(name, names)| ("dependentRequired", json!({name: names}))),
            1 => (some(&["minProperties", "maxProperties"]), limit().prop_filter("count", |limit| limit != &json!(1.5))),
            1 => prop::sample::select(vec![json!({"maxLength": 1}), json!({"enum": ["a", "b"]}), json!(true)]).prop_map(|names| ("propertyNames", names)),
        ]
        .boxed(),
        1 => prop_oneof![
            3 => prop::collection::vec(leaf(), 1..3).prop_map(|list| ("prefixItems", json!(list))),
            3 => leaf().prop_map(|leaf| ("items", leaf)),
            2 => (some(&["minItems", "maxItems", "minContains", "maxContains"]), limit().prop_filter("count", |limit| limit != &json!(1.5))),
            1 => any::<bool>().prop_map(|unique| ("uniqueItems", json!(unique))),
            1 => leaf().prop_map(|leaf| ("contains", leaf)),
        ]
        .boxed(),
        _ => prop_oneof![
            4 => (some(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), limit()),
            2 => some(&["integer", "number"]).prop_map(|name| ("type", json!(name))),
            1 => prop::sample::select(vec![json!(1), json!(2), json!(0.5)]).prop_map(|of| ("multipleOf", of)),
            1 => prop::sample::subsequence(vec![json!(1), json!(1.5), json!(2)], 1..3).prop_map(|values| ("enum", json!(values))),
        ]
        .boxed(),
    }
}

/// Two schemas of one family, each plain or in two parts.
fn relatives() -> impl Strategy<Value = (Value, Value)> {
    let plain = |family| {
        prop::collection::vec(keyword_of(family), 1..4).prop_map(|all| {
            Value::from(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
        })
    };
    let one = move |family| {
        prop_oneof![
            3 => plain(family),
            1 => (some_keyword(), plain(family), plain(family)).prop_map(|(name, a, b)| json!({name: [a, b]})),
        ]
    };
    (0..3usize).prop_flat_map(move |family| (one(family), one(family)))
}

fn some_keyword() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["allOf", "anyOf", "oneOf"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_compatible_is_for_every_small_document((before, after) in relatives()) {
        if compare(&before, &after) == Compatibility::Compatible {
            let [old, new] = [&before, &after].map(|schema| options().build(schema).unwrap());
            for document in small_documents().iter().filter(|document| old.is_valid(document)) {
                prop_assert!(new.is_valid(document), "{} -> {}: {}", before, after, document);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_compatible_is(
        (before, after) in prop_oneof![4 => versions(), 1 => (schema(), schema())],
        documents in prop::collection::vec(document(), 30),
    ) {
        let (Some(old), Some(new)) = (usable(&before), usable(&after)) else {
            return Err(TestCaseError::reject("no schema"));
        };
        if compare(&before, &after) == Compatibility::Compatible {
            for document in documents.iter().filter(|document| old.is_valid(document)) {
                prop_assert!(new.is_valid(document), "{} -> {}: {}", before, after, document);
            }
        }
    }

    #[test]
    fn a_schema_is_compatible_with_itself_and_with_everything((before, _) in versions()) {
        prop_assert_eq!(compare(&before, &before), Compatibility::Compatible);
        prop_assert_eq!(compare(&before, &json!({})), Compatibility::Compatible);
        prop_assert_eq!(compare(&json!(false), &before), Compatibility::Compatible);
    }
}
