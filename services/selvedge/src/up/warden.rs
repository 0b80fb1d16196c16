//! The warden of a kluster: takes the credentials of ended and lost sessions back, with the operator's
//! keys, so that nats-server closes what still listens under them. The services refuse such a session
//! without it.
//!
//! Bounded: sessions that end at once are revoked in batches, and what the connection's queue cannot
//! hold, or passes while it is down, is found when the warden looks through all sessions again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use selvedge_contracts::{
    fact::{EntityName, FactKind, SESSION_ENDED, SESSION_LOST},
    fault::Fault,
    id::PublicKey,
    payload::session::{Session, SessionList, SessionStatus},
    subject::LIVE_PREFIX,
};
use selvedge_kit::{
    client::Client,
    clock::{Deadline, now_ms},
    credential::Login,
};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::{connect::Context, exit::Failure, revoke, services::Place};

/// How long ends are collected that come right after another.
const COLLECT: Duration = Duration::from_millis(200);
/// Most ends of one batch.
const BATCH: usize = 256;
/// How often all sessions are looked through, for ends that were not heard.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait until the subscriptions stand, in milliseconds.
const FLUSH_MS: u64 = 5_000;

/// Keeps watch over the kluster that `context` means until it is aborted.
pub(super) async fn watch(context: Context, place: Place) {
    loop {
        if let Err(failure) = Warden::watch(&context, &place).await {
            warn!(kluster = %context.kluster, error = failure.chain(), "ended sessions not revoked; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Warden<'a> {
    context: &'a Context,
    url: &'a str,
    operator: Client,
}

impl Warden<'_> {
    /// Answers when the connection came back or it is time to look again: the next one looks through all.
    async fn watch(context: &Context, place: &Place) -> Result<(), Failure> {
        let login = Login::File(context.home.operator_creds(&context.kluster));
        let bus = place.connect("warden", login).await?;
        let ended = bus.subscribe(&live(&SESSION_ENDED.kind), None).await.context("cannot hear of ends")?;
        let lost = bus.subscribe(&live(&SESSION_LOST.kind), None).await.context("cannot hear of ends")?;
        // Before the look at what was, or ends in between are missed.
        bus.flush(Deadline::in_ms(FLUSH_MS)).await;
        let mut connects = bus.connects();
        connects.borrow_and_update();
        let warden = Warden { context, url: &place.url, operator: Client::new(bus) };
        warden.look_through().await?;
        let mut ends = stream::select(ended, lost);
        let look_again = Instant::now() + LOOK_AGAIN;
        loop {
            let first = tokio::select! {
                message = timeout_at(look_again, ends.next()) => message,
                _ = connects.changed() => return Ok(()),
            };
            let Ok(Some(first)) = first else {
                return Ok(());
            };
            let mut sessions: Vec<Session> = state(&first.payload).into_iter().collect();
            let until = Instant::now() + COLLECT;
            while sessions.len() < BATCH
                && let Ok(Some(message)) = timeout_at(until, ends.next()).await
            {
                sessions.extend(state(&message.payload));
            }
            warden.revoke(&sessions).await?;
        }
    }

    /// Sessions that ended while nobody watched.
    async fn look_through(&self) -> Result<(), Failure> {
        for status in [SessionStatus::Ended, SessionStatus::Lost] {
            let wanted = SessionList { status: Some(status), ..SessionList::default() };
            let sessions = revoke::sessions(&self.operator, wanted).await?;
            self.revoke(&sessions).await?;
        }
        Ok(())
    }

    async fn revoke(&self, sessions: &[Session]) -> Result<(), Failure> {
        let mut keys: BTreeMap<PublicKey, u64> = BTreeMap::new();
        // Earlier credentials of a session ended before its last one.
        let now_ms = now_ms();
        for session in sessions.iter().filter(|session| session.expires_at_ms > now_ms) {
            keys.extend(self.keys_of(session).await?);
        }
        keys.retain(|_, ends_at_ms| *ends_at_ms > now_ms);
        if keys.is_empty() {
            return Ok(());
        }
        let revoked = revoke::until_they_end(self.context, self.url, &keys).await?;
        if revoked > 0 {
            info!(kluster = %self.context.kluster, keys = revoked, "revoked what ended sessions held");
        }
        Ok(())
    }

    async fn keys_of(&self, session: &Session) -> Result<BTreeMap<PublicKey, u64>, Fault> {
        let mut keys = revoke::keys_of_session(&self.operator, session).await?;
        keys.entry(session.credential_key.clone()).or_insert(session.expires_at_ms);
        Ok(keys)
    }
}

/// Subject of these facts of sessions in all missions, as they are republished.
fn live(kind: &FactKind) -> String {
    format!("{LIVE_PREFIX}.*.{}.*.{}", EntityName::Session, kind.name)
}

/// The session as the fact leaves it.
fn state(body: &[u8]) -> Option<Session> {
    let (envelope, _) = selvedge_contracts::envelope::Envelope::read(body, None).ok()?;
    let payload: serde_json::Value = serde_json::from_slice(&envelope.payload).ok()?;
    serde_json::from_value(payload.get("state")?.clone()).ok()
}
