//! `selvedge kluster`: tenants. Another account of nats-server with its own ledger; nothing crosses.

use std::path::PathBuf;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{EffectorName, KlusterName},
    payload::Nothing,
    subject::EFFECT_PREFIX,
};
use selvedge_kit::{
    authority::{Error, Keyring, Kluster},
    client::{Client, Options},
    clock::now_ms,
    config::Origin,
    credential::Login,
    metrics::Metrics,
};
use serde::Serialize;

use crate::{
    connect::{Context, UpState},
    exit::Failure,
    foundation,
    services::Place,
};

/// How long the new kluster's registry may take to answer, in milliseconds.
const ANSWER_MS: u64 = 15_000;

/// Where a kluster stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Its registry answers.
    Serving,
    /// The servers know it; nobody serves it yet.
    Provisioned,
    /// It has keys, and no server runs.
    Keys,
}

#[derive(Serialize)]
struct Made {
    kluster: KlusterName,
    account: String,
    state: State,
}

/// Makes a kluster, and has it served if something runs.
///
/// # Errors
/// It exists, there are no keys here, or the servers cannot be reached.
pub(crate) async fn create(context: &Context, name: &KlusterName) -> Result<(), Failure> {
    let keyring = open(context)?;
    let kluster = keyring.create_kluster(name, now_ms()).map_err(|error| match error {
        Error::KlusterExists { .. } => Failure::Fault(Fault::conflict(error.to_string())),
        other => anyhow::Error::new(other).context("cannot make the kluster's keys").into(),
    })?;
    let state = bring_up(context, &keyring, &kluster).await?;
    let made = Made { kluster: name.clone(), account: kluster.account(), state };
    Ok(context.output.print(&made, human_made).context("cannot print")?)
}

async fn bring_up(context: &Context, keyring: &Keyring, kluster: &Kluster) -> Result<State, Failure> {
    let up = context.running_up();
    let target =
        context.config.nats.target(&context.environment).context("cannot tell which server is meant")?;
    if up.is_none() && target.origin == Origin::Default {
        return Ok(State::Keys);
    }
    // A running `up` of this folder is meant before any other server: the keys are its own.
    let url = up.as_ref().map_or(target.url, |up| up.url.clone());
    let place = Place::new(url, context, Metrics::default());
    foundation::push_account(&place.url, keyring, kluster).await?;
    foundation::lay(context, &place, kluster, context.config.server.replicas).await?;
    let Some(up) = up else {
        foundation::service_creds(context, kluster)?;
        return Ok(State::Provisioned);
    };
    look_again(&up)?;
    answers(context, &place, kluster).await?;
    Ok(State::Serving)
}

fn look_again(up: &UpState) -> Result<(), Failure> {
    let pid = i32::try_from(up.pid).ok().and_then(Pid::from_raw).context("up.json names no process")?;
    Ok(kill_process(pid, Signal::HUP)
        .with_context(|| format!("cannot tell `selvedge up` (process {}) of the kluster", up.pid))?)
}

/// Waits until the kluster's registry answers its operator.
async fn answers(context: &Context, place: &Place, kluster: &Kluster) -> Result<(), Failure> {
    let path = context.home.operator_creds(kluster.name());
    let client = Client::new(place.connect("operator", Login::File(path)).await?);
    let options = Options { timeout_ms: Some(ANSWER_MS), ..Options::default() };
    Ok(client.call_with::<call::Whoami>(&Nothing {}, &options).await.map(drop)?)
}

#[derive(Serialize)]
struct Listed {
    kluster: KlusterName,
    account: String,
    has_operator: bool,
}

/// Lists the klusters whose keys are here.
///
/// # Errors
/// There are no keys here.
pub(crate) fn list(context: &Context) -> Result<(), Failure> {
    let keyring = open(context)?;
    let mut listed = Vec::new();
    for name in keyring.klusters().context("cannot list the klusters")? {
        let account = keyring.kluster(&name).context("cannot open the kluster's keys")?.account();
        let has_operator = context.home.operator_creds(&name).exists();
        listed.push(Listed { kluster: name, account, has_operator });
    }
    Ok(context.output.print(&listed, |listed| human_list(listed)).context("cannot print")?)
}

#[derive(Serialize)]
struct Effector {
    kluster: KlusterName,
    effector: EffectorName,
    credential: PathBuf,
    /// What it subscribes to.
    orders: String,
    /// Unix time at which the credential ends, in milliseconds.
    expires_at_ms: u64,
}

/// Makes an effector's credential. The servers need not know of it before.
///
/// # Errors
/// There are no keys here, or the file cannot be written.
pub(crate) fn effector(context: &Context, name: &EffectorName, out: Option<PathBuf>) -> Result<(), Failure> {
    let kluster = open(context)?.kluster(&context.kluster).context("cannot open the kluster's keys")?;
    let made =
        kluster.effector_credential(name, now_ms()).context("cannot make the effector's credential")?;
    let path = out.unwrap_or_else(|| PathBuf::from(format!("{name}.creds")));
    made.write(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let expires_at_ms = made.claims().ok().and_then(|claims| claims.expires_at_ms()).unwrap_or(0);
    let orders = format!("{EFFECT_PREFIX}.{name}.*");
    let kluster = context.kluster.clone();
    let told = Effector { kluster, effector: name.clone(), credential: path, orders, expires_at_ms };
    Ok(context.output.print(&told, human_effector).context("cannot print")?)
}

fn human_effector(made: &Effector) -> String {
    let Effector { effector, credential, orders, .. } = made;
    format!("{effector} may act: {}\n  it hears its orders on {orders}", credential.display())
}

fn open(context: &Context) -> Result<Keyring, Failure> {
    let folder = context.home.authority();
    if !folder.exists() {
        let message = format!(
            "there are no keys in {}; run `selvedge up` or `selvedge init` first, or name the folder with --home",
            context.home.path().display()
        );
        return Err(Failure::Usage(message));
    }
    Ok(Keyring::open(&folder).context("cannot open the keys")?)
}

fn human_made(made: &Made) -> String {
    let Made { kluster, account, state } = made;
    let next = match state {
        State::Serving => {
            format!("its registry answers: selvedge --kluster {kluster} agent register …")
        }
        State::Provisioned => format!("next: selvedge --kluster {kluster} serve registry"),
        State::Keys => "no server runs: the next `selvedge up` serves it".to_owned(),
    };
    format!("kluster {kluster} is made (account {account})\n  {next}")
}

fn human_list(listed: &[Listed]) -> String {
    let row = |listed: &Listed| {
        let operator = if listed.has_operator { "operator here" } else { "no operator yet" };
        format!("{:<20} {}  {operator}", listed.kluster, listed.account)
    };
    listed.iter().map(row).collect::<Vec<_>>().join("\n")
}
