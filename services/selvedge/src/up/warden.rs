//! The warden of a kluster: takes the credentials of ended and lost sessions back, with the operator's
//! keys, so that nats-server closes what still listens under them. The services refuse such a session
//! without it.
//!
//! Bounded: sessions that end at once are revoked in batches, and what the connection's queue cannot
//! hold, or passes while it is down, is found when the warden looks through all sessions again. So is what
//! the account's token has no room for, which is said once: in the log, in a metric and by `doctor`.

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
    metrics::Metrics,
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
    let mut shortage = Shortage { metrics: place.metrics.clone(), left_out: 0 };
    loop {
        if let Err(failure) = Warden::watch(&context, &place, &mut shortage).await {
            warn!(kluster = %context.kluster, error = failure.chain(), "ended sessions not revoked; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Warden<'a> {
    context: &'a Context,
    url: &'a str,
    operator: Client,
    shortage: &'a mut Shortage,
}

/// Keys that should be revoked and are not, for want of room, as far as is known.
struct Shortage {
    metrics: Metrics,
    left_out: usize,
}

impl Shortage {
    /// Says so when there is one now, or none any more.
    fn is_now(&mut self, left_out: usize, context: &Context) {
        let before = std::mem::replace(&mut self.left_out, left_out);
        self.metrics.keys_not_revoked(before, left_out);
        let (kluster, most) = (&context.kluster, context.config.server.max_revoked_keys);
        match (before, left_out) {
            (0, 1..) => warn!(
                %kluster, keys = left_out, most,
                "no room to revoke what ended sessions hold: nats-server lets them listen until their credentials end; see `selvedge doctor`"
            ),
            (1.., 0) => info!(%kluster, most, "room again to revoke what ended sessions hold"),
            _ => {}
        }
    }
}

impl Warden<'_> {
    /// Answers when the connection came back or it is time to look again: the next one looks through all.
    async fn watch(context: &Context, place: &Place, shortage: &mut Shortage) -> Result<(), Failure> {
        let login = Login::File(context.home.operator_creds(&context.kluster));
        let bus = place.connect("warden", login).await?;
        let ended = bus.subscribe(&live(&SESSION_ENDED.kind), None).await.context("cannot hear of ends")?;
        let lost = bus.subscribe(&live(&SESSION_LOST.kind), None).await.context("cannot hear of ends")?;
        // Before the look at what was, or ends in between are missed.
        bus.flush(Deadline::in_ms(FLUSH_MS)).await;
        let mut connects = bus.connects();
        connects.borrow_and_update();
        let mut warden = Warden { context, url: &place.url, operator: Client::new(bus), shortage };
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
            let left_out = warden.shortage.left_out + warden.revoke(&sessions).await?;
            warden.shortage.is_now(left_out, context);
        }
    }

    /// Sessions that ended while nobody watched.
    async fn look_through(&mut self) -> Result<(), Failure> {
        let mut left_out = 0;
        for status in [SessionStatus::Ended, SessionStatus::Lost] {
            let wanted = SessionList { status: Some(status), ..SessionList::default() };
            let sessions = revoke::sessions(&self.operator, wanted).await?;
            left_out += self.revoke(&sessions).await?;
        }
        self.shortage.is_now(left_out, self.context);
        Ok(())
    }

    /// Gives how many keys there was no room for.
    async fn revoke(&self, sessions: &[Session]) -> Result<usize, Failure> {
        let mut keys: BTreeMap<PublicKey, u64> = BTreeMap::new();
        // Earlier credentials of a session ended before its last one.
        let now_ms = now_ms();
        for session in sessions.iter().filter(|session| session.expires_at_ms > now_ms) {
            keys.extend(self.keys_of(session).await?);
        }
        keys.retain(|_, ends_at_ms| *ends_at_ms > now_ms);
        if keys.is_empty() {
            return Ok(0);
        }
        let revoked = revoke::until_they_end(self.context, self.url, &keys).await?;
        if revoked.taken > 0 {
            info!(kluster = %self.context.kluster, keys = revoked.taken, "revoked what ended sessions held");
        }
        Ok(revoked.left_out)
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
