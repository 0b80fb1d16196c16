//! What a task needs to itself while it is worked on, and what it will change outside once its output holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{EffectorName, RecordKey, RepositoryName, SpaceId, TaskName},
    payload::{claim::Claim, intent::Method},
};

/// Most spaces in which one task reserves something.
pub const MAX_RESERVATIONS: usize = 8;
/// Most claims of one task, in all its spaces.
pub const MAX_RESERVED_CLAIMS: usize = 64;
/// Most effects that one task may declare.
pub const MAX_EFFECTS: usize = 16;

/// What a task needs in one space: it is given out once all of it is leased to whoever does it, and held until
/// its attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// Where the claims stand.
    pub space: SpaceId,
    /// What is needed.
    #[schemars(length(min = 1, max = 64))]
    pub claims: Vec<Claim>,
}

/// What a task will change outside. Whoever does it hands in what exactly with its output; nobody else
/// proposes it. Several of one task are done in the order of the plan, once all of them may be done; if one of
/// them fails or is refused, those before it are undone in reverse, so each but the last has to come with its
/// undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EffectSpec {
    /// What it is called within the task.
    pub name: TaskName,
    /// What it may touch, and nothing else.
    pub on: EffectTarget,
    /// Whether what takes it back has to be handed in with it: `required` of each that another one follows.
    #[serde(default, skip_serializing_if = "is_optional")]
    pub undo: UndoWish,
}

/// What an effect of a task is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
pub enum EffectTarget {
    /// Commits on one branch.
    Git {
        /// The repository.
        repository: RepositoryName,
        /// The branch, without `refs/heads/`.
        #[schemars(length(min = 1, max = 200))]
        branch: String,
    },
    /// Requests of one method to one URL, or below it.
    Http {
        /// The method.
        method: Method,
        /// The absolute URL, `http` or `https`, without user, query or fragment.
        #[schemars(length(min = 8, max = 4096))]
        url: String,
    },
    /// One record of the mission's memory, or those below it.
    Memory {
        /// Its key.
        key: RecordKey,
    },
    /// What one effector does.
    External {
        /// Who does it.
        effector: EffectorName,
        /// What it is called there; anything if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = 100))]
        operation: Option<String>,
    },
}

/// Whether what takes an effect back has to be handed in with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoWish {
    /// It may be.
    #[default]
    Optional,
    /// It has to be.
    Required,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_optional(undo: &UndoWish) -> bool {
    *undo == UndoWish::Optional
}

/// In a line, for people.
impl std::fmt::Display for EffectTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Git { repository, branch } => write!(f, "git {repository} {branch}"),
            Self::Http { method, url } => write!(f, "http {} {url}", method.name()),
            Self::Memory { key } => write!(f, "memory {key}"),
            Self::External { effector, operation: None } => write!(f, "external {effector}"),
            Self::External { effector, operation: Some(operation) } => {
                write!(f, "external {effector} {operation}")
            }
        }
    }
}

/// In a line, for people.
impl std::fmt::Display for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let claims: Vec<String> = self.claims.iter().map(Claim::to_string).collect();
        write!(f, "{}: {}", self.space, claims.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_effect_is_bound_to_what_it_names() {
        let spec: EffectSpec = serde_json::from_value(json!({
            "name": "land", "on": { "kind": "git", "repository": "shop", "branch": "main" },
        }))
        .unwrap();
        assert_eq!((spec.undo, spec.on.to_string().as_str()), (UndoWish::Optional, "git shop main"));
        let strange = json!({ "name": "x", "on": { "kind": "git", "repository": "shop", "branch": "main", "base": "1" } });
        assert!(serde_json::from_value::<EffectSpec>(strange).is_err());
        assert!(
            serde_json::from_value::<EffectSpec>(json!({ "name": "x", "on": { "kind": "mail" } })).is_err()
        );
    }
}
