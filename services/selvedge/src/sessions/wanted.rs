//! What a session is asked to be.

use clap::Args;
use selvedge_contracts::{
    id::RequestId,
    payload::session::{DEFAULT_CREDENTIAL_TTL_MS, Session},
};

use crate::input;

/// What a session is asked to be.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Wanted {
    /// Life of the credential, such as 8h; an hour unless said.
    #[arg(long, value_name = "TIME", value_parser = input::milliseconds)]
    pub ttl: Option<u64>,
    /// How long the session counts as present after a heartbeat; as long as its credential unless said.
    #[arg(long, value_name = "TIME", value_parser = input::milliseconds)]
    pub presence: Option<u64>,
    /// The user request that the session serves.
    #[arg(long, value_name = "ID")]
    pub request: Option<RequestId>,
    /// The only calls it may make, as service.call; repeat for more.
    #[arg(long = "call", value_name = "CALL")]
    pub calls: Vec<String>,
}

impl Wanted {
    /// Nobody may be there to send heartbeats (a stock NATS client does not), so presence lasts as long
    /// as the credential unless it is asked for.
    pub(super) fn presence_ms(&self) -> u64 {
        self.presence.or(self.ttl).unwrap_or(DEFAULT_CREDENTIAL_TTL_MS)
    }

    pub(super) fn asks_for_no_other(&self, session: &Session) -> bool {
        let calls = (!self.calls.is_empty()).then_some(&self.calls);
        let request = self.request.as_ref();
        let is_present_enough = match self.presence {
            Some(presence_ms) => presence_ms == session.presence_ttl_ms,
            None => session.presence_ttl_ms >= self.presence_ms(),
        };
        is_present_enough
            && (calls.is_none() || calls == session.calls.as_ref())
            && (request.is_none() || request == session.request.as_ref())
    }
}
