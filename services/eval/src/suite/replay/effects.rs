//! Approvals, intents and claims, used again.

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fact::EntityName,
    id::{Digest, ScopeId},
    payload::{
        artifact::Put,
        intent::{IntentReply, IntentState},
    },
    role::Service,
};
use selvedge_kit::{
    client::{Client, Options},
    clock::now_ms,
    credential::Login,
};
use serde_json::json;

use crate::{
    arena::{Arena, ask, ask_with},
    case::Trial,
    error::{Error, Miss, Trialled, holds, refused},
    intents::{count, facts, kinds, memory, proposal, propose, propose_as, settled, versions},
};

/// A committer's credential redeems what another committer has redeemed, as it was and as it is.
pub(super) async fn redeemed(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, by) = (trial.tag.clone(), trial.below(arena.workers.len()));
    trial.tries(format!("what worker {by} proposed and was approved is redeemed again"));
    let effect = arena.effector.effect(&format!("{tag}/act"));
    let proposed = propose(arena.worker(by)?.client(), &tag, effect, json!({})).await?;
    let approved = arena.approver()?.approve(&proposed.intent).await?;
    let intent = settled(arena, &proposed.intent.id).await?;
    holds(intent.state == IntentState::Committed, || format!("it is {}", intent.state.name()))?;
    let committer = committer(arena).await?;
    let revision = facts(arena, &intent.id).await?.last().map_or(0, |fact| fact.revision);
    for seen in [approved.revision, revision] {
        let redeem = json!({ "intent": intent.id, "revision": seen, "token": approved.intent.token });
        let answer = ask::<call::IntentRedeem>(&committer, redeem).await;
        refused(answer, || format!("an approval that was redeemed, at revision {seen},"))?;
    }
    once(arena, &approved).await?;
    let acts = arena.effector.acts(&format!("{tag}/"));
    holds(acts.len() == 1, || format!("it was done {} times", acts.len()))
}

/// Asks as a committer does; it carries nothing out.
async fn committer(arena: &Arena) -> Result<Client, Error> {
    let instance = ScopeId::new("eval")?;
    let credential = arena.kluster().service_credential(Service::Committer, instance, now_ms())?;
    Ok(arena.connect(Login::held(credential)).await?.in_mission(arena.mission.clone()))
}

async fn once(arena: &Arena, of: &IntentReply) -> Trialled {
    let facts = facts(arena, &of.intent.id).await?;
    let times = (count(&facts, "executing"), count(&facts, "committed"));
    holds(times == (1, 1), || kinds(&facts).join(", "))
}

pub(super) async fn committed(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, value) = (trial.tag.clone(), trial.below(1_000));
    trial.tries(format!("a record of {value} is wanted again by all once it is there"));
    let key = format!("replay/{tag}");
    let effect = memory(&key, value, 0);
    let first = arena.worker(trial.index as usize)?;
    let proposed = propose(first.client(), &tag, effect.clone(), json!({})).await?;
    let intent = settled(arena, &proposed.intent.id).await?;
    holds(intent.state == IntentState::Committed, || format!("it is {}", intent.state.name()))?;
    let again = arena.workers.iter().enumerate().map(|(n, worker)| {
        let (tag, effect) = (tag.clone(), effect.clone());
        async move {
            propose_as(worker.client(), proposal(&tag, effect, json!({})), &format!("again-{tag}-{n}")).await
        }
    });
    for answer in join_all(again).await {
        let answer = answer?.intent;
        let is_it = answer.id == intent.id && answer.state == IntentState::Committed;
        holds(is_it, || format!("it was answered with {} as {}", answer.id, answer.state.name()))?;
    }
    once(arena, &proposed).await?;
    let written = versions(arena, &key).await?;
    holds(written.len() == 1, || format!("the record was written {} times", written.len()))
}

/// Content is put, and published under a name: again after another version, too.
pub(super) async fn published(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, by, later) = (trial.tag.clone(), trial.below(arena.workers.len()), trial.one_in(2));
    trial.tries(format!("worker {by} publishes a version six times over, another one in between: {later}"));
    let agent = arena.worker(by)?;
    let fresh = agent.again(arena).await?;
    let content = |text: &str| format!("{tag} {text}").into_bytes();
    let digests = [put(agent.client(), content("one")).await?, put(agent.client(), content("two")).await?];
    let publish = |client, digest: Digest, key: &str| {
        let wanted =
            json!({ "name": format!("replay/{tag}"), "digest": digest, "content_type": "text/plain" });
        let options = Options { idempotency_key: Some(format!("{key}-{tag}")), ..Options::default() };
        async move { ask_with::<call::ArtifactPublish>(client, wanted, &options).await }
    };
    let [one, two] = digests;
    let mut answers =
        join_all([agent.client(), &fresh, agent.client()].map(|client| publish(client, one.clone(), "a")))
            .await;
    if later {
        publish(agent.client(), two, "b").await?;
    }
    for client in [&fresh, agent.client(), &fresh] {
        answers.push(publish(client, one.clone(), "a").await);
    }
    let mut versions = Vec::new();
    for answer in answers {
        let version = answer?.version;
        versions.push((version.version, version.digest));
    }
    versions.dedup();
    holds(versions.len() == 1, || format!("it was answered with {versions:?}"))?;
    let list = json!({ "name": format!("replay/{tag}") });
    let listed = ask::<call::ArtifactHistory>(&arena.operator, list).await?.versions;
    let wanted = 1 + usize::from(later);
    holds(listed.len() == wanted, || format!("{} versions, not {wanted}: {listed:?}", listed.len()))
}

async fn put(client: &Client, content: Vec<u8>) -> Result<Digest, Miss> {
    let digest = Digest::from(&blake3::hash(&content));
    let request = Put { digest: digest.clone() };
    client.call_bytes::<call::ArtifactPut>(&request, content.into(), &Options::default()).await?;
    Ok(digest)
}

/// Sent again once it was answered, also at once. A first claim that is sent several times in one instant is not
/// tried: one replica gives such sendings one task, but several replicas may each hand out what is next.
pub(super) async fn claim(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, by, tasks) = (trial.tag.clone(), trial.below(arena.workers.len()), 2 + trial.below(3));
    trial.tries(format!("worker {by} claims one of {tasks} tasks six times over"));
    let agent = arena.worker(by)?;
    let task = |n: usize| {
        json!({ "id": format!("t{n}"), "title": format!("{tag} {n}"), "queue": tag,
            "checks": [{ "kind": "pointer", "at": "/ok" }] })
    };
    let plan = json!({ "plan": { "title": tag, "tasks": (0..tasks).map(task).collect::<Vec<_>>() } });
    let plan = ask::<call::PlanSubmit>(arena.planner()?.client(), plan).await?;
    let fresh = agent.again(arena).await?;
    let options = Options { idempotency_key: Some(format!("key-{tag}")), ..Options::default() };
    let wanted = json!({ "queue": tag, "wait_ms": 1_000, "ttl_ms": 600_000 });
    let ask = |client| ask_with::<call::TaskClaim>(client, wanted.clone(), &options);
    let mut answers = vec![ask(agent.client()).await];
    answers.extend(join_all([agent.client(), &fresh, agent.client()].map(ask)).await);
    for client in [&fresh, agent.client()] {
        answers.push(ask(client).await);
    }
    let mut tokens = Vec::new();
    for answer in answers {
        let claimed = answer?.claimed.ok_or_else(|| Miss::Broken("it was given nothing".to_owned()))?;
        tokens.push((claimed.task.id, claimed.task.claim.map(|claim| claim.token)));
    }
    tokens.dedup();
    holds(tokens.len() == 1, || format!("it was answered with {tokens:?}"))?;
    let mut claimed = 0;
    for line in &plan.tasks {
        claimed += count(&arena.history(EntityName::Task, &line.id).await?, "claimed");
    }
    holds(claimed == 1, || format!("{claimed} claims"))
}
