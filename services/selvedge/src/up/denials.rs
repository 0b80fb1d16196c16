//! What the child nats-server denied its clients, written to the audit stream of the kluster it happened
//! in: attempts to escalate must be visible. Bounded: what does not fit the queue is in the log alone.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::Context as _;
use selvedge_contracts::{
    fault::Code,
    id::{Caller, KlusterName},
    subject,
};
use selvedge_kit::{
    authority::{Keyring, jwt::Life},
    clock::{Deadline, now_ms},
    credential::Login,
};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    nats_child::{Denial, What},
    services::Place,
};

/// Denials written over one connection.
const BATCH: usize = 64;
/// Pause between two batches: a client that is denied without end costs a connection a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest that a batch may take, in milliseconds.
const WRITE_MS: u64 = 5_000;

/// Writes until the child ends. `home` is the kluster for what nobody's account can be told of.
pub(super) async fn record(
    place: Place,
    authority: PathBuf,
    home: KlusterName,
    mut denials: mpsc::Receiver<Denial>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while denials.recv_many(&mut batch, BATCH).await > 0 {
        let mut by_kluster: BTreeMap<KlusterName, Vec<Denial>> = BTreeMap::new();
        for denial in batch.drain(..) {
            tell(&denial);
            let kluster = denial.kluster.clone().unwrap_or_else(|| home.clone());
            by_kluster.entry(kluster).or_default().push(denial);
        }
        for (kluster, denials) in by_kluster {
            if let Err(error) = write(&place, &authority, &kluster, &denials).await {
                warn!(%kluster, error = format!("{error:#}"), "denials not written to the audit stream");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(denial: &Denial) {
    let (kluster, user) =
        (denial.kluster.as_ref().map(AsRef::<str>::as_ref), denial.user.as_ref().map(AsRef::<str>::as_ref));
    warn!(what = what(denial), kluster, user, detail = denial.detail, "nats-server denied a client");
}

/// With the right to do everything, for a moment: no service may write what nats-server saw.
async fn write(
    place: &Place,
    authority: &std::path::Path,
    kluster: &KlusterName,
    denials: &[Denial],
) -> anyhow::Result<()> {
    let kluster = Keyring::open(authority)?.kluster(kluster)?;
    let now_ms = now_ms();
    let life = Life { now_ms, expires_at_ms: now_ms + 10 * WRITE_MS };
    let login = Login::held(kluster.provision_credential(life)?);
    let bus = place.connect("denials", login).await.map_err(anyhow::Error::new)?;
    for denial in denials {
        let body = json!({
            "at_ms": now_ms,
            "code": Code::Denied,
            "message": format!("nats-server denied a {}: {}", what(denial), denial.detail),
            "subject": denial.detail,
            "what": what(denial),
            "kluster": denial.kluster,
            "credential_key": denial.user,
            "detail": denial.detail,
        });
        let published = bus.publish(subject_of(denial), Default::default(), body.to_string().into()).await;
        published.context("cannot publish")?;
    }
    bus.flush(Deadline::in_ms(WRITE_MS)).await;
    Ok(())
}

/// The caller is the credential's key, in the lower case that a caller has: nats-server knows no other name.
fn subject_of(denial: &Denial) -> String {
    let caller = denial.user.as_ref().and_then(|key| Caller::new(&key.as_str().to_lowercase()).ok());
    subject::server_violation(denial.kluster.as_ref(), caller.as_ref())
}

fn what(denial: &Denial) -> &'static str {
    match denial.what {
        What::Publish => "publish",
        What::Subscribe => "subscribe",
        What::Connect => "connect",
    }
}
