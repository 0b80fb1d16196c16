//! The words that policies are written in: our Cedar schema, read once, and its names.

use std::sync::LazyLock;

use cedar_policy::{
    EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression, Schema, SchemaFragment, Validator,
};

/// The schema, in Cedar's own syntax.
pub(crate) const SCHEMA: &str = include_str!("policy.cedarschema");

/// The schema, ready for use.
pub(super) struct Vocabulary {
    pub(super) validator: Validator,
    agent: EntityTypeName,
    role: EntityTypeName,
    method: EntityTypeName,
    scheme: EntityTypeName,
    commit: EntityTypeName,
    target: EntityTypeName,
    record: EntityTypeName,
    operation: EntityTypeName,
    actions: [EntityUid; 4],
}

/// A kind of effect, as policies name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Commit,
    Request,
    Put,
    Run,
}

impl Action {
    pub(super) const ALL: [Self; 4] = [Self::Commit, Self::Request, Self::Put, Self::Run];

    const fn name(self) -> &'static str {
        match self {
            Self::Commit => "git.commit",
            Self::Request => "http.request",
            Self::Put => "memory.put",
            Self::Run => "external.run",
        }
    }
}

/// The vocabulary; an error is a fault of this program, and then nothing may be done.
pub(super) fn vocabulary() -> Result<&'static Vocabulary, &'static str> {
    static VOCABULARY: LazyLock<Result<Vocabulary, String>> = LazyLock::new(read);
    VOCABULARY.as_ref().map_err(String::as_str)
}

/// The schema in Cedar's JSON syntax.
pub(crate) fn schema_json() -> Result<serde_json::Value, String> {
    let (fragment, _) =
        SchemaFragment::from_cedarschema_str(SCHEMA).map_err(|error| format!("the schema: {error}"))?;
    fragment.to_json_value().map_err(|error| format!("the schema: {error}"))
}

fn read() -> Result<Vocabulary, String> {
    let (schema, _) =
        Schema::from_cedarschema_str(SCHEMA).map_err(|error| format!("the policies' schema: {error}"))?;
    named(Validator::new(schema)).map_err(|error| format!("a name of the policies' schema: {error}"))
}

fn named(validator: Validator) -> Result<Vocabulary, Box<ParseErrors>> {
    let actions: EntityTypeName = "Action".parse().map_err(Box::new)?;
    let action = |action: Action| uid(&actions, action.name());
    Ok(Vocabulary {
        validator,
        agent: "Agent".parse().map_err(Box::new)?,
        role: "Role".parse().map_err(Box::new)?,
        method: "Method".parse().map_err(Box::new)?,
        scheme: "Scheme".parse().map_err(Box::new)?,
        commit: "Commit".parse().map_err(Box::new)?,
        target: "HttpTarget".parse().map_err(Box::new)?,
        record: "Record".parse().map_err(Box::new)?,
        operation: "Operation".parse().map_err(Box::new)?,
        actions: Action::ALL.map(action),
    })
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

impl Vocabulary {
    pub(super) fn schema(&self) -> &Schema {
        self.validator.schema()
    }

    pub(super) fn action(&self, action: Action) -> EntityUid {
        let [commit, request, put, run] = &self.actions;
        match action {
            Action::Commit => commit,
            Action::Request => request,
            Action::Put => put,
            Action::Run => run,
        }
        .clone()
    }

    pub(super) fn agent(&self, id: &str) -> EntityUid {
        uid(&self.agent, id)
    }

    /// What an action is done to.
    pub(super) fn resource(&self, action: Action, id: &str) -> EntityUid {
        let kind = match action {
            Action::Commit => &self.commit,
            Action::Request => &self.target,
            Action::Put => &self.record,
            Action::Run => &self.operation,
        };
        uid(kind, id)
    }

    pub(super) fn role(&self, name: &str) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(uid(&self.role, name))
    }

    pub(super) fn method(&self, name: &str) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(uid(&self.method, name))
    }

    pub(super) fn scheme(&self, name: &str) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(uid(&self.scheme, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_contracts::call::{CallType, IntentPropose};

    #[test]
    fn the_schema_is_read_and_knows_every_role_that_may_propose() {
        let vocabulary = vocabulary().unwrap();
        assert_eq!(vocabulary.schema().actions().count(), Action::ALL.len());
        let json = schema_json().unwrap();
        let roles = json.pointer("//entityTypes/Role/enum").unwrap().as_array().unwrap();
        for role in IntentPropose::CALL.roles {
            assert!(roles.iter().any(|known| known == role.name()), "{role}");
        }
    }
}
