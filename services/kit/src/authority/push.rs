//! Tells running servers of an account's new token.

use std::time::Duration;

use async_nats::ConnectOptions;
use futures::StreamExt as _;
use serde::Deserialize;

use super::{Credential, Error, Kluster};

const UPDATE_SUBJECT: &str = "$SYS.REQ.CLAIMS.UPDATE";
/// After the first server's answer, how long to wait for one more. Those that are late learn the token
/// from the others.
const QUIET: Duration = Duration::from_millis(200);

/// How often a token may change while servers are told of it.
const MOST_ROUNDS: usize = 32;

/// Why an account's token was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The system account's credential or the account's token cannot be used.
    #[error("the system account's credential or the account's token cannot be used")]
    Credential(#[from] Error),
    /// No server could be reached.
    #[error("cannot connect to nats-server at {servers}")]
    Connect {
        /// Where it was tried.
        servers: String,
        /// Why not.
        source: async_nats::ConnectError,
    },
    /// The token could not be sent.
    #[error("cannot send the account's token")]
    Send(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A server refused it.
    #[error("nats-server {server} refused the account's token: {reason}")]
    Refused {
        /// Which server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// Others wrote it anew each time that it was told.
    #[error("the account's token changed {MOST_ROUNDS} times while servers were told of it")]
    Changing,
    /// No server answered in time.
    #[error(
        "no nats-server answered within {timeout_ms} ms: does the credential belong to its system account?"
    )]
    NoAnswer {
        /// How long was waited.
        timeout_ms: u128,
    },
}

/// Connection options that prove this credential; its inbox prefix is set if it is one of a role.
///
/// # Errors
/// [`Error::Signing`] if the seed is not that of a key.
pub fn connect_options(credential: &Credential) -> Result<ConnectOptions, Error> {
    let key = std::sync::Arc::new(credential.key()?);
    let options = ConnectOptions::with_jwt(credential.jwt.clone(), move |nonce| {
        let key = std::sync::Arc::clone(&key);
        async move { key.sign(&nonce).map_err(async_nats::AuthError::new) }
    });
    Ok(match credential.identity() {
        Ok(identity) => options.custom_inbox_prefix(identity.inbox_prefix()),
        Err(_) => options, // neither the system's nor provisioning's has a prefix
    })
}

/// Tells the servers of a kluster's account as it stands in the key folder. Gives their names.
///
/// A server takes whatever token comes last, so of two who tell it at once the slower could undo what
/// the faster took back: whoever told it looks again afterwards, and tells what is newer.
///
/// # Errors
/// As [`account`]; [`PushError::Changing`] if the token kept changing.
pub async fn newest(
    servers: &str,
    system: &Credential,
    kluster: &Kluster,
    timeout: Duration,
) -> Result<Vec<String>, PushError> {
    let mut token = kluster.jwt()?;
    for _ in 0..MOST_ROUNDS {
        let taken = account(servers, system, &token, timeout).await?;
        let now = kluster.jwt()?;
        if now == token {
            return Ok(taken);
        }
        token = now;
    }
    Err(PushError::Changing)
}

/// Tells the servers of an account's token and waits until they took it. Gives their names.
///
/// # Errors
/// [`PushError`] as soon as one refuses it, or if none answers within `timeout`.
pub async fn account(
    servers: &str,
    system: &Credential,
    token: &str,
    timeout: Duration,
) -> Result<Vec<String>, PushError> {
    let addresses: Vec<&str> = servers.split(',').collect();
    let connected = connect_options(system)?.connection_timeout(timeout).connect(addresses).await;
    let client = connected.map_err(|source| PushError::Connect { servers: servers.to_owned(), source })?;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| PushError::Send(error.into()))?;
    let sent = client.publish_with_reply(UPDATE_SUBJECT, inbox, token.to_owned().into()).await;
    sent.map_err(|error| PushError::Send(error.into()))?;
    let mut taken = Vec::new();
    let mut wait = timeout;
    while let Ok(Some(answer)) = tokio::time::timeout(wait, answers.next()).await {
        taken.push(read_answer(&answer.payload)?);
        wait = QUIET;
    }
    if taken.is_empty() { Err(PushError::NoAnswer { timeout_ms: timeout.as_millis() }) } else { Ok(taken) }
}

#[derive(Deserialize)]
struct Answer {
    server: Server,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Server {
    name: String,
}

#[derive(Deserialize)]
struct Refusal {
    description: String,
}

/// Name of the server that took the token.
fn read_answer(payload: &[u8]) -> Result<String, PushError> {
    let answer: Answer = serde_json::from_slice(payload).map_err(|error| PushError::Refused {
        server: "(unknown)".to_owned(),
        reason: format!("its answer is not what it must be: {error}"),
    })?;
    match answer.error {
        None => Ok(answer.server.name),
        Some(refusal) => Err(PushError::Refused { server: answer.server.name, reason: refusal.description }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_server_and_its_reason() {
        let refused = br#"{"server":{"name":"n1"},"error":{"account":"A","code":500,"description":"no"}}"#;
        let error = read_answer(refused).unwrap_err();
        assert_eq!(error.to_string(), "nats-server n1 refused the account's token: no");
        assert_eq!(read_answer(br#"{"server":{"name":"n1"},"data":{"code":200}}"#).unwrap(), "n1");
        assert!(read_answer(b"nonsense").is_err());
    }
}
