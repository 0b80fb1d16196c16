//! The one shape in which a request is refused. It crosses the bus as JSON, with its code in the
//! headers of the NATS services protocol (ADR-32).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Header with the fault's code number (NATS ADR-32).
pub const CODE_HEADER: &str = "Nats-Service-Error-Code";
/// Header with the fault's message (NATS ADR-32).
pub const MESSAGE_HEADER: &str = "Nats-Service-Error";

/// Why a request was refused. Few codes on purpose: the message and details say the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is wrong in itself; sending it again will not help.
    Invalid,
    /// What it names does not exist.
    NotFound,
    /// It does not fit what is: somebody else was first, or a precondition does not hold.
    Conflict,
    /// The caller may not do this.
    Denied,
    /// Too much at once; try again after a moment.
    Busy,
    /// Something needed cannot be reached, or did not answer in time; the outcome may be unknown.
    Unavailable,
    /// A bug or a broken store.
    Internal,
}

impl Code {
    /// The number that rides in [`CODE_HEADER`], after HTTP's status codes (RFC 9110).
    pub const fn number(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Denied => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Busy => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The code's name, as it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request, sent again under the same idempotency key, may succeed.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detail {
    /// JSON pointer (RFC 6901) into the payload, `""` for the whole of it; or the name of an envelope
    /// field or header.
    pub at: String,
    /// What is wrong there, what was expected, and how to mend it.
    pub message: String,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// Why, in one of few words.
    pub code: Code,
    /// Why, in a sentence that says what to do next.
    pub message: String,
    /// Every violation found, not only the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

impl Fault {
    /// A fault without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }

    /// [`Code::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// [`Code::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// [`Code::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// [`Code::Denied`].
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Code::Denied, message)
    }

    /// [`Code::Busy`].
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Code::Busy, message)
    }

    /// [`Code::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// [`Code::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// The same fault with one more detail.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>, message: impl Into<String>) -> Self {
        self.details.push(Detail { at: at.into(), message: message.into() });
        self
    }

    /// Whether the same request, sent again under the same idempotency key, may succeed.
    pub fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }
}
