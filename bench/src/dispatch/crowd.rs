//! Many connected agents that do nothing but say that they are there: a process of its own, so that what the
//! services hold of them can be told from what they themselves hold.

use std::{
    io::{BufRead as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use nkeys::KeyPair;
use selvedge_contracts::{
    call::{self, CallType},
    id::AgentName,
    payload::{
        Nothing,
        agent::{About, Join},
        session::{DEFAULT_PRESENCE_TTL_MS, SessionStart},
    },
};
use selvedge_kit::{authority::Credential, client::Client, credential::Login, signature::Signer};
use selvedge_tests::fabric::{connect_url, copy, plain_session, public};
use serde::{Deserialize, Serialize};

use crate::load::Sample;

/// Agents that join at once, and how often each asks for the same.
const AT_ONCE: usize = 16;
const ATTEMPTS: usize = 5;
/// How often each says that it is there, in milliseconds: a third of the time after which it would be held for gone.
const EVERY_MS: u64 = DEFAULT_PRESENCE_TTL_MS / 3;

/// How long a session lasts unheard, in milliseconds: longer than it takes until all have come.
const JOINING_MS: u64 = 600_000;

/// Who they are.
#[derive(Serialize, Deserialize)]
pub(crate) struct Crowd {
    pub(crate) url: String,
    pub(crate) account: String,
    /// Invites: token and seed.
    pub(crate) invites: Vec<(String, String)>,
    /// How long they are listened to, once all have said that they are there, in seconds.
    pub(crate) seconds: f64,
}

/// What they saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) joined_in_s: f64,
    pub(crate) beats: usize,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Joins, connects and goes on until the input ends. Says on a line of its own what was seen.
pub(crate) async fn run(file: &Path) {
    let text = std::fs::read_to_string(file).expect("the file of the crowd");
    let crowd: Crowd = serde_json::from_str(&text).expect("a crowd");
    let started = Instant::now();
    let joined =
        stream::iter(crowd.invites.iter().enumerate()).map(|(index, invite)| one(&crowd, index, invite));
    let agents: Vec<Client> = joined.buffer_unordered(AT_ONCE).collect().await;
    let joined_in_s = started.elapsed().as_secs_f64();
    // Everybody once before it counts.
    beat(&agents, EVERY_MS as f64 / 1e3).await;
    let took = beat(&agents, crowd.seconds).await;
    let (beats, sample) = (took.len(), Sample::of(took, Duration::from_secs_f64(crowd.seconds)));
    let (p50_us, p99_us) = (sample.percentile_us(0.5), sample.percentile_us(0.99));
    let seen = Seen { joined_in_s, beats, p50_us, p99_us };
    println!("{}", serde_json::to_string(&seen).expect("JSON"));
    std::io::stdout().flush().expect("its output");
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().count()).await;
}

/// An agent in a session. The connections with which it came in are closed.
async fn one(crowd: &Crowd, index: usize, (jwt, seed): &(String, String)) -> Client {
    let (key, session_key) = (KeyPair::new_user(), KeyPair::new_user());
    let signer = || Signer::new(copy(&key), crowd.account.clone(), None);
    let connect = async |credential| Client::new(connect_url(&crowd.url, Login::held(credential)).await);
    let invite = Credential { jwt: jwt.clone(), seed: seed.clone() };
    let name = AgentName::new(&format!("idle{index}")).expect("a name");
    let join = Join { name, about: About::default() };
    let joined = asked::<call::Join>(&connect(invite).await.signing(signer()), &join).await;
    let door = Credential::new(joined.door.jwt.expect("a door"), &key).expect("a credential");
    // The first ones wait until the last one has come, which takes longer than a session lasts unheard by default.
    let presence_ttl_ms = Some(JOINING_MS);
    let wanted = SessionStart { credential_key: public(&session_key), presence_ttl_ms, ..plain_session() };
    let started = asked::<call::SessionStart>(&connect(door).await.signing(signer()), &wanted).await;
    let jwt = started.credential.jwt.expect("a credential");
    connect(Credential::new(jwt, &session_key).expect("a credential")).await
}

/// Asks, and again where that may help: all come at once.
async fn asked<C: CallType>(client: &Client, request: &C::Request) -> C::Reply {
    for _ in 1..ATTEMPTS {
        match client.call::<C>(request).await {
            Ok(answered) => return answered.reply,
            Err(fault) if fault.is_retryable() => {}
            Err(fault) => panic!("{fault}"),
        }
    }
    client.call::<C>(request).await.expect("an answer").reply
}

/// All say that they are there, one after the other and again, each every so often; how long each answer took.
async fn beat(agents: &[Client], seconds: f64) -> Vec<Duration> {
    let started = Instant::now();
    let pause = Duration::from_millis(EVERY_MS) / u32::try_from(agents.len().max(1)).expect("not too many");
    let count = (seconds / pause.as_secs_f64()) as u32;
    let beats = (0..count).map(|turn| async move {
        tokio::time::sleep_until((started + pause * turn).into()).await;
        let sent = Instant::now();
        agents[turn as usize % agents.len()].call::<call::Heartbeat>(&Nothing {}).await.expect("heard");
        sent.elapsed()
    });
    // None waits for another one's answer, as none of them would.
    stream::iter(beats).buffer_unordered(agents.len()).collect().await
}
