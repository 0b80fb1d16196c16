//! What it costs to hold a document against a schema, bounded before anything is evaluated: a few
//! hundred bytes of `allOf` and `$ref` can ask for 2^60 steps, or for a stack of any height.
//!
//! Counts, never evaluates. The count errs upwards.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::reference::resolve;

/// Longest chain of subschemas, each evaluated inside the one before: what the evaluator's stack holds.
pub(crate) const MAX_CHAIN: u32 = 256;

/// Keywords whose subschemas hold for the same value.
const HERE: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// Keywords that map names to subschemas, which hold for the same value.
const HERE_BY_NAME: &[&str] = &["dependentSchemas", "dependencies"];
/// Keywords of which one subschema holds for a given property.
const ONE_PROPERTY: &[&str] = &["properties"];
/// Keywords of which several subschemas may hold for a given property.
const ANY_PROPERTY: &[&str] = &["patternProperties"];
/// Further keywords whose subschema may hold for a property.
const PROPERTIES: &[&str] = &["additionalProperties", "propertyNames", "unevaluatedProperties"];
/// Keywords of which one subschema holds for a given item.
const ONE_ITEM: &[&str] = &["prefixItems", "items"];
/// Further keywords whose subschema may hold for an item.
const ITEMS: &[&str] = &["additionalItems", "contains", "unevaluatedItems"];

/// What one schema asks for at one depth of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Most subschemas evaluated at one place of that depth.
    pub visits: u64,
    /// Longest chain of subschemas down to it.
    pub chain: u32,
}

const NOTHING: Cost = Cost { visits: 0, chain: 0 };

impl Cost {
    fn and(self, other: Self) -> Self {
        Self { visits: self.visits.saturating_add(other.visits), chain: self.chain.max(other.chain) }
    }

    fn or(self, other: Self) -> Self {
        Self { visits: self.visits.max(other.visits), chain: self.chain.max(other.chain) }
    }
}

/// The schema's references form a circle that never descends into the document, or a chain longer than
/// [`MAX_CHAIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endless;

/// Counts, once per schema, at growing depths.
pub(crate) struct Counter<'a> {
    root: &'a Value,
    /// By address of the subschema and depth; nothing while it is being counted.
    known: HashMap<(usize, u32), Option<Cost>>,
}

impl<'a> Counter<'a> {
    /// A counter for the schema `root`.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root, known: HashMap::new() }
    }

    /// What the schema asks for at `depth` levels below the document's root.
    ///
    /// # Errors
    /// [`Endless`].
    pub(crate) fn at(&mut self, depth: u32) -> Result<Cost, Endless> {
        self.of(self.root, depth, MAX_CHAIN)
    }

    fn of(&mut self, schema: &'a Value, depth: u32, room: u32) -> Result<Cost, Endless> {
        let room = room.checked_sub(1).ok_or(Endless)?;
        let key = (std::ptr::from_ref(schema).addr(), depth);
        match self.known.get(&key) {
            Some(Some(cost)) if cost.chain <= room => return Ok(*cost),
            Some(_) => return Err(Endless),
            None => self.known.insert(key, None),
        };
        let inner = match schema.as_object() {
            Some(keywords) => self.inside(keywords, depth, room)?,
            None => NOTHING,
        };
        let own = u64::from(depth == 0);
        let cost = Cost { visits: inner.visits.saturating_add(own), chain: inner.chain.saturating_add(1) };
        self.known.insert(key, Some(cost));
        Ok(cost)
    }

    fn inside(&mut self, keywords: &'a Map<String, Value>, depth: u32, room: u32) -> Result<Cost, Endless> {
        let mut here = self.sum(keywords, HERE, depth, room)?;
        here = here.and(self.sum(keywords, HERE_BY_NAME, depth, room)?);
        if let Some((_, target)) =
            keywords.get("$ref").and_then(Value::as_str).and_then(|to| resolve(self.root, to))
        {
            here = here.and(self.of(target, depth, room)?);
        }
        let Some(below) = depth.checked_sub(1) else {
            return Ok(here);
        };
        let object = self
            .most(keywords, ONE_PROPERTY, below, room)?
            .and(self.sum(keywords, ANY_PROPERTY, below, room)?)
            .and(self.sum(keywords, PROPERTIES, below, room)?);
        let array = self.most(keywords, ONE_ITEM, below, room)?.and(self.sum(keywords, ITEMS, below, room)?);
        Ok(here.and(object.or(array)))
    }

    fn sum(
        &mut self,
        keywords: &'a Map<String, Value>,
        names: &[&str],
        depth: u32,
        room: u32,
    ) -> Result<Cost, Endless> {
        subschemas(keywords, names)
            .try_fold(NOTHING, |sum, schema| Ok(sum.and(self.of(schema, depth, room)?)))
    }

    fn most(
        &mut self,
        keywords: &'a Map<String, Value>,
        names: &[&str],
        depth: u32,
        room: u32,
    ) -> Result<Cost, Endless> {
        subschemas(keywords, names)
            .try_fold(NOTHING, |most, schema| Ok(most.or(self.of(schema, depth, room)?)))
    }
}

/// The subschemas under the keywords `names`: each one itself, a list, or a map of names.
fn subschemas<'a>(keywords: &'a Map<String, Value>, names: &[&str]) -> impl Iterator<Item = &'a Value> {
    let by_name =
        |name: &str| [HERE_BY_NAME, ONE_PROPERTY, ANY_PROPERTY].iter().any(|names| names.contains(&name));
    let found = names.iter().filter_map(move |&name| keywords.get(name).map(|value| (by_name(name), value)));
    found.flat_map(|(by_name, value)| match value {
        Value::Object(map) if by_name => map.values().collect(),
        Value::Array(list) => list.iter().collect(),
        schema => vec![schema],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn visits(schema: &Value, depth: u32) -> Result<u64, Endless> {
        Counter::new(schema).at(depth).map(|cost| cost.visits)
    }

    /// `levels` definitions, each the next one twice over, by way of `keyword`.
    fn laugh(levels: u32, keyword: &str) -> Value {
        let reference = |level: u32| json!({"$ref": format!("#/$defs/a{level}")});
        let mut defs: Map<String, Value> = (0..levels)
            .map(|level| {
                (format!("a{level}"), json!({ keyword: [reference(level + 1), reference(level + 1)] }))
            })
            .collect();
        defs.insert(format!("a{levels}"), json!(true));
        json!({"$ref": "#/$defs/a0", "$defs": defs})
    }

    #[test]
    fn what_doubles_at_every_step_is_counted_out() {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            assert!(visits(&laugh(20, keyword), 0).unwrap() > 1 << 20);
            assert_eq!(visits(&laugh(80, keyword), 0), Ok(u64::MAX));
        }
    }

    #[test]
    fn an_ordinary_tree_costs_the_same_at_every_depth() {
        let tree = json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        assert_eq!(visits(&tree, 1), Ok(2));
        assert_eq!(visits(&tree, 60), Ok(2));
    }

    #[test]
    fn a_union_that_holds_itself_costs_more_at_every_depth() {
        let node = |kind: &str| json!({"properties": {"is": {"const": kind}, "in": {"$ref": "#"}}});
        let union = json!({"oneOf": [node("a"), node("b")]});
        let costs: Vec<u64> = (0..4).map(|depth| visits(&union, depth).unwrap()).collect();
        assert!(costs.windows(2).all(|pair| pair[1] >= pair[0] * 2), "{costs:?}");
    }

    #[test]
    fn circles_and_long_chains_are_endless() {
        for circle in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
        ] {
            assert_eq!(visits(&circle, 0), Err(Endless), "{circle}");
        }
        assert_eq!(visits(&laugh(5_000, "allOf"), 0), Err(Endless));
    }
}
