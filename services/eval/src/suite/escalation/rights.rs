//! Calls above a role's rights, and above a session's.

use selvedge_contracts::{
    call::{self, CALLS},
    fault::Code,
    id::{Caller, EffectorName, ScopeId},
    role::{Role, Service},
    subject::Request,
};
use selvedge_kit::{
    bus::BusError,
    client::{Client, Options},
    clock::{Deadline, now_ms},
    credential::Login,
};
use serde_json::json;

use crate::{
    agent::Agent,
    arena::{Arena, PATIENCE_MS, ask},
    case::Trial,
    error::{Error, Miss, Trialled, holds},
};

/// One role, and every call that is not its own: nats-server refuses each before any service sees it.
pub(super) async fn every_call(arena: &Arena, trial: &mut Trial) -> Trialled {
    let role = Role::ALL.get(trial.index as usize).copied();
    let role = role.ok_or_else(|| Miss::Unable("no such role".to_owned()))?;
    let above: Vec<_> = CALLS.iter().filter(|call| !call.is_allowed_to(role)).collect();
    trial.tries(format!("a {role} asks for {} calls that are not its own", above.len()));
    let client = holder(arena, role).await?;
    let me = client.bus().me();
    for call in above {
        let subject = Request {
            mission: arena.mission.clone(),
            caller: me.agent.clone(),
            scope: me.scope.clone(),
            service: call.service,
            call: call.name.to_owned(),
        };
        denied(&client, &subject.to_string(), "{}").await?;
    }
    Ok(())
}

/// Publishes, and sees that nats-server denies it.
pub(super) async fn denied(client: &Client, subject: &str, body: &'static str) -> Trialled {
    let deadline = Deadline::in_ms(PATIENCE_MS);
    let answer = client.bus().request(subject, Default::default(), body.into(), deadline).await;
    match answer {
        Err(BusError::Denied { .. }) => Ok(()),
        Err(BusError::Failed { subject, reason }) => Err(Miss::Unable(format!("{subject}: {reason}"))),
        Err(other) => Err(Miss::Broken(format!("{subject} was not denied: {other}"))),
        Ok(_) => Err(Miss::Broken(format!("{subject} was not denied but answered"))),
    }
}

/// Somebody with a credential of this role.
async fn holder(arena: &Arena, role: Role) -> Result<Client, Miss> {
    let member = arena.members().find(|agent| agent.role == role);
    if let Some(member) = member {
        return Ok(member.again(arena).await?);
    }
    let service = Service::ALL.iter().find(|service| service.role() == role);
    let instance = || ScopeId::new("eval").map_err(Error::from);
    let credential = match role {
        Role::Operator => return Ok(arena.operator.clone()),
        Role::Join => arena.invite(Role::Worker, &arena.worker(0)?.owner).await?,
        Role::Door => return Ok(arena.worker(0)?.door.clone()),
        Role::Effector => {
            let name = EffectorName::new(arena.mission.as_str())?;
            arena.kluster().effector_credential(&name, now_ms())?
        }
        _ => match service {
            Some(service) => arena.kluster().service_credential(*service, instance()?, now_ms())?,
            None => arena.credential(role, Caller::new(role.name())?.as_str(), "eval")?,
        },
    };
    Ok(arena.connect(Login::held(credential)).await?)
}

/// Most calls that one trial tries beyond its session's list.
const TRIED: usize = 12;

/// A session of few calls tries others of its role: services alone can refuse those.
pub(super) async fn narrowed(arena: &Arena, trial: &mut Trial) -> Trialled {
    let by = trial.below(arena.workers.len());
    let allowed = ["registry.whoami", "registry.session_end"];
    let others: Vec<_> =
        call::allowed_to(Role::Worker).filter(|c| !allowed.contains(&c.to_string().as_str())).collect();
    let start = trial.below(others.len());
    let tried: Vec<_> = others.iter().cycle().skip(start).take(TRIED).collect();
    let names: Vec<String> = tried.iter().map(ToString::to_string).collect();
    trial.tries(format!(
        "worker {by}, whose session is for {}, asks for {}",
        allowed.join(" and "),
        names.join(", ")
    ));
    let agent = arena.worker(by)?;
    let narrow = agent.session(arena, Some(&allowed)).await?;
    ask::<call::Whoami>(&narrow.client, json!({})).await?;
    for call in tried {
        let wire = narrow.client.wire(call, &json!({}), &Options::default(), |_| {})?;
        match narrow.client.send(&wire, Deadline::in_ms(PATIENCE_MS)).await {
            Err(fault) if fault.code == Code::Denied => {}
            Err(fault) if fault.is_retryable() => return Err(fault.into()),
            other => {
                holds(false, || format!("{call} was not denied to a session that is not for it: {other:?}"))?;
            }
        }
    }
    // And with a payload that would do something.
    let space = trial.tag.clone();
    let acquire = json!({ "space": space, "claims": [{ "path": "src" }], "ttl_ms": 600_000 });
    let answer = ask::<call::LeaseAcquire>(&narrow.client, acquire).await;
    holds(answer.as_ref().is_err_and(|fault| fault.code == Code::Denied), || format!("{answer:?}"))?;
    let list = ask::<call::LeaseList>(&arena.operator, json!({ "space": space })).await?.leases;
    holds(list.is_empty(), || format!("it left leases: {list:?}"))?;
    Ok(Agent::end(&narrow).await?)
}
