//! Subjects that are somebody else's: the server's, a service's, another agent's. None of what is published here
//! would do harm if it were let through, but to the mission of the run.

use futures::{FutureExt as _, StreamExt as _};
use selvedge_contracts::call;
use selvedge_kit::clock::Deadline;
use serde_json::json;

use super::rights::denied;
use crate::{
    agent::Agent,
    arena::{Arena, PATIENCE_MS, ask},
    case::Trial,
    error::{Miss, Trialled, holds},
};

/// Whose subject it is, and how it is made of the mission, the forger, its victim and the trial.
type Forgery = (&'static str, fn(&Forged<'_>) -> String);

/// What subjects are made of.
pub(super) struct Forged<'a> {
    mission: &'a str,
    me: &'a Agent,
    victim: &'a Agent,
    tag: &'a str,
}

impl Forged<'_> {
    fn request(&self, mission: &str, caller: &Agent, scope: &Agent) -> String {
        let session = &scope.working.session;
        format!("sv.req.{mission}.{}.{}-{}.registry.whoami", caller.id, session.role, session.id)
    }
}

pub(super) const FORGERIES: &[Forgery] = &[
    ("another agent's request", |f| f.request(f.mission, f.victim, f.victim)),
    ("a request in another agent's session", |f| f.request(f.mission, f.me, f.victim)),
    ("a request of another agent in one's own session", |f| f.request(f.mission, f.victim, f.me)),
    ("a request in another mission", |f| f.request("another-mission", f.me, f.me)),
    ("a request in the kluster's own mission", |f| f.request("_", f.me, f.me)),
    ("a request in another role", |f| {
        format!("sv.req.{}.{}.operator-{}.registry.whoami", f.mission, f.me.id, f.me.working.session.id)
    }),
    ("a fact", |f| format!("sv.fact.{}.task.{}.validated", f.mission, f.tag)),
    ("a republished fact", |f| format!("sv.live.{}.task.{}.validated", f.mission, f.tag)),
    ("a timer", |f| format!("sv.timer.dispatcher.task.{}.{}.deadline", f.mission, f.tag)),
    ("a timer that is due", |f| format!("sv.due.dispatcher.task.{}.{}.deadline", f.mission, f.tag)),
    ("a republished lease", |f| format!("sv.lease.{}.{}.lease_0123456789abcdef", f.mission, f.tag)),
    ("a record of the bucket of leases", |f| {
        format!("$KV.leases.{}.{}.lease_0123456789abcdef", f.mission, f.tag)
    }),
    ("a request that a replica passes on", |f| format!("sv.fwd.leases.{}.x", f.tag)),
    ("an order to an effector", |f| format!("sv.effect.{}.execute", f.mission)),
    ("an audit record", |f| format!("sv.audit.registry.{}.{}.whoami", f.mission, f.victim.id)),
    ("another agent's inbox", |f| {
        let session = &f.victim.working.session;
        format!("_INBOX.{}.{}-{}.{}", f.victim.id, session.role, session.id, f.tag)
    }),
    ("JetStream's API: a stream", |_| "$JS.API.STREAM.INFO.LEDGER".to_owned()),
    ("JetStream's API: a message", |_| "$JS.API.STREAM.MSG.GET.LEDGER".to_owned()),
    ("JetStream's API: a direct read", |_| "$JS.API.DIRECT.GET.LEDGER".to_owned()),
    ("JetStream's API: a list", |_| "$JS.API.STREAM.NAMES".to_owned()),
    ("JetStream's API: a consumer", |_| "$JS.API.CONSUMER.NAMES.LEDGER".to_owned()),
    ("the system account", |_| "$SYS.REQ.SERVER.PING".to_owned()),
];

pub(super) async fn forged(arena: &Arena, trial: &mut Trial) -> Trialled {
    let forgery = FORGERIES.get(trial.index as usize % FORGERIES.len());
    let (what, subject) = forgery.ok_or_else(|| Miss::Unable("no such forgery".to_owned()))?;
    let by = trial.below(arena.workers.len());
    trial.tries(format!("worker {by} publishes {what}"));
    let forged = Forged {
        mission: arena.mission.as_str(),
        me: arena.worker(by)?,
        victim: arena.worker(by + 1)?,
        tag: &trial.tag,
    };
    let subject = subject(&forged);
    denied(forged.me.client(), &subject, r#"{"operation":"forged","key":"k"}"#).await?;
    nothing_appears(arena, &subject, &trial.tag).await
}

async fn nothing_appears(arena: &Arena, subject: &str, tag: &str) -> Trialled {
    if subject.starts_with("sv.fact.") {
        let stored = arena.ledger.last_matching(subject, Deadline::in_ms(PATIENCE_MS)).await?;
        holds(stored == 0, || format!("{subject} stands at revision {stored}"))?;
    }
    let leases = ask::<call::LeaseList>(&arena.operator, json!({ "space": tag })).await?.leases;
    holds(leases.is_empty(), || format!("{leases:?}"))?;
    let acts = arena.effector.acts("forged");
    holds(acts.is_empty(), || format!("{acts:?}"))
}

/// What an agent may not hear.
const SECRETS: &[fn(&Agent) -> String] = &[
    |_| "sv.req.>".to_owned(),
    |victim| format!("_INBOX.{}.>", victim.id),
    |_| "_INBOX.>".to_owned(),
    |_| "sv.fact.>".to_owned(),
    |_| "sv.audit.>".to_owned(),
    |_| "$KV.>".to_owned(),
    |_| ">".to_owned(),
];

pub(super) async fn heard(arena: &Arena, trial: &mut Trial) -> Trialled {
    let by = trial.below(arena.workers.len());
    trial.tries(format!("worker {by} subscribes to what it may not hear while another one writes"));
    let (me, victim) = (arena.worker(by)?, arena.worker(by + 1)?);
    let spy = me.again(arena).await?;
    let mut secrets = futures::stream::SelectAll::new();
    for secret in SECRETS {
        secrets.push(spy.bus().subscribe(&secret(victim), None).await?);
    }
    spy.bus().flush(Deadline::in_ms(PATIENCE_MS)).await;
    let about = json!({ "about": { "description": trial.tag } });
    ask::<call::Register>(victim.client(), about).await?;
    ask::<call::Whoami>(victim.client(), json!({})).await?;
    // What the server had sent by now would be here.
    spy.bus().flush(Deadline::in_ms(PATIENCE_MS)).await;
    let own = format!("_INBOX.{}.", me.id);
    while let Some(Some(message)) = secrets.next().now_or_never() {
        let subject = message.subject.to_string();
        holds(subject.starts_with(&own), || format!("it heard {subject}"))?;
    }
    Ok(())
}
