//! Who may do what, tried out: the operator is answered, a worker's credential cannot reach JetStream.

use selvedge_contracts::{
    call,
    id::{Caller, KlusterName, Mission, ScopeId},
    payload::{Nothing, agent::Whoami},
    role::Role,
};
use selvedge_kit::{
    authority::{
        Keyring,
        jwt::{Life, Tags},
    },
    bus::BusError,
    client::Client,
    clock::{Deadline, now_ms},
    credential::Login,
};

use super::report::Finding;
use crate::{connect::Context, services::Place};

/// Longest wait for one answer, in milliseconds.
const ANSWER_MS: u64 = 2_000;
/// Life of the credential that is tried, in milliseconds.
const TRIED_MS: u64 = 30_000;
const REINSTALL: &str =
    "run `selvedge up`, or `selvedge init --provision`: they tell the server of our accounts and operators";

/// Whether the registry knows the operator.
pub(super) async fn operator(client: &Client, kluster: &KlusterName) -> Finding {
    let check = "the registry answers";
    match client.call::<call::Whoami>(&Nothing {}).await {
        Ok(answer) => Finding::ok(check, known_as(&answer.reply)),
        Err(fault) if fault.is_retryable() => {
            let fix = format!("start it: `selvedge --kluster {kluster} serve registry`, or `selvedge up`");
            Finding::fail(check, fault.to_string(), fix)
        }
        Err(fault) => Finding::fail(check, fault.to_string(), REINSTALL),
    }
}

fn known_as(whoami: &Whoami) -> String {
    let owner = whoami.owner.as_ref().map_or("nobody", |owner| owner.as_str());
    format!("it knows us as {} of {owner}", whoami.agent)
}

/// Whether a worker is denied what it must not have: with a credential that nobody else has and that ends soon.
pub(super) async fn worker(context: &Context, place: &Place, kluster: &KlusterName) -> Finding {
    let check = "a worker is held";
    let Ok(keyring) = Keyring::open(&context.home.authority()) else {
        return Finding::warn(check, "not tried: the keys are not in this folder", "run this where they are");
    };
    match attempt(place, &keyring, kluster).await {
        Ok(Some(BusError::Denied { .. })) => Finding::ok(check, "the server denied it the JetStream API"),
        Ok(Some(other)) => Finding::fail(check, format!("expected a denial, found: {other}"), REINSTALL),
        Ok(None) => Finding::fail(check, "the server let it ask the JetStream API", REINSTALL),
        Err(error) => Finding::fail(check, format!("{error:#}"), REINSTALL),
    }
}

/// What a worker's question to the JetStream API ends with; nothing if it is answered.
async fn attempt(
    place: &Place,
    keyring: &Keyring,
    kluster: &KlusterName,
) -> anyhow::Result<Option<BusError>> {
    let now_ms = now_ms();
    let tags = Tags {
        mission: Mission::new("doctor")?,
        agent: Caller::new("doctor-00000000")?,
        scope: ScopeId::new("doctor")?,
    };
    let life = Life { now_ms, expires_at_ms: now_ms + TRIED_MS };
    let credential = keyring.kluster(kluster)?.signer(Role::Worker)?.credential(&tags, life)?;
    let bus = place.connect("doctor", Login::held(credential)).await?;
    let asked = bus.request("$JS.API.INFO", Default::default(), "".into(), Deadline::in_ms(ANSWER_MS)).await;
    Ok(asked.err())
}
