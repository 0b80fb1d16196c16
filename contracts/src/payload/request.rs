//! User requests: the root of every chain of causes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Mission, Owner, RequestId};

/// What a user asked for: entity `request`, in its mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserRequest {
    /// `request_…`.
    pub id: RequestId,
    /// Its mission.
    pub mission: Mission,
    /// Who asked.
    pub owner: Owner,
    /// In a line.
    pub title: String,
    /// In the user's words.
    pub text: String,
    /// Unix time at which it was opened, in milliseconds.
    pub opened_at_ms: u64,
    /// Whether it is still worked on.
    pub status: RequestStatus,
}

/// Whether a user request is still worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// It is.
    Open,
    /// It is not.
    Closed,
}

/// `registry.request_open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestOpen {
    /// In a line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// In the user's words.
    #[serde(default)]
    #[schemars(length(max = 20_000))]
    pub text: String,
}

/// `registry.request_close`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestClose {
    /// The request.
    pub request: RequestId,
    /// How it ended.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// Reply of the calls that answer with one user request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestReply {
    /// The request.
    pub request: UserRequest,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `registry.request_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestList {
    /// Only requests in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RequestStatus>,
    /// Only requests after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RequestId>,
    /// Most requests to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `registry.request_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// In order of id.
    pub requests: Vec<UserRequest>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}
