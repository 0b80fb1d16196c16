//! Lists that come in pages.

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    id::{EntityId, Mission},
    payload::{
        history::{FactLine, History},
        mission::{Mission as NamedMission, MissionList},
        session::{Session, SessionList},
    },
};
use selvedge_kit::client::Client;

use crate::exit::Failure;

/// Most items of a list that a command holds at once.
const MOST_ITEMS: usize = 100_000;
/// Most missions that are named where one is to be chosen.
const SHOWN: usize = 10;

/// All items: asks on, after the last item's key, until there are no more.
///
/// Not an `AsyncFnMut`: a task could not be made of what awaits one.
pub(crate) async fn all<T, K, Page>(
    key: impl Fn(&T) -> K,
    mut ask: impl FnMut(Option<K>) -> Page,
) -> Result<Vec<T>, Fault>
where
    Page: Future<Output = Result<(Vec<T>, bool), Fault>>,
{
    let mut found: Vec<T> = Vec::new();
    loop {
        let (page, more) = ask(found.last().map(&key)).await?;
        let is_last = page.is_empty() || !more;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
        if found.len() >= MOST_ITEMS {
            return Err(Fault::invalid(format!("more than {MOST_ITEMS} items; ask for fewer")));
        }
    }
}

/// Every mission.
pub(crate) async fn missions(client: &Client) -> Result<Vec<NamedMission>, Fault> {
    let ask = |after| async move {
        let reply = client.call::<call::MissionList>(&MissionList { after, limit: None }).await?.reply;
        Ok((reply.missions, reply.more))
    };
    all(|mission: &NamedMission| mission.id.clone(), ask).await
}

/// The only mission there is. What `eval` made for itself does not count beside one that people work in.
///
/// # Errors
/// `not_found` if there is none, [`Failure::Usage`] if there are several.
pub(crate) async fn only_mission(client: &Client) -> Result<Mission, Failure> {
    only(missions(client).await?.into_iter().map(|mission| mission.id).collect())
}

fn only(all: Vec<Mission>) -> Result<Mission, Failure> {
    let of_people: Vec<Mission> =
        all.iter().filter(|mission| !mission.as_str().starts_with("eval-")).cloned().collect();
    let meant = if of_people.is_empty() { all } else { of_people };
    match meant.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Fault::not_found("there is no mission; `selvedge mission create` makes one").into()),
        several => {
            let names: Vec<&str> = several.iter().take(SHOWN).map(Mission::as_str).collect();
            let more = if several.len() > SHOWN { ", …" } else { "" };
            Err(Failure::usage(format!(
                "there are several missions: say --mission, or set SELVEDGE_MISSION: {}{more}",
                names.join(", ")
            )))
        }
    }
}

/// The sessions that `wanted` asks for, in one mission.
pub(crate) async fn sessions(client: &Client, wanted: &SessionList) -> Result<Vec<Session>, Fault> {
    let ask = |after| async move {
        let wanted = SessionList { after, ..wanted.clone() };
        let reply = client.call::<call::SessionList>(&wanted).await?.reply;
        Ok((reply.sessions, reply.more))
    };
    all(|session: &Session| session.id.clone(), ask).await
}

/// The whole history of an entity; that of `mission` if it belongs to one.
pub(crate) async fn history(
    client: &Client,
    mission: &Mission,
    entity: EntityName,
    id: &EntityId,
) -> Result<Vec<FactLine>, Fault> {
    let client = &client.clone().in_mission(mission.clone());
    let ask = |after: Option<u64>| async move {
        let wanted = History { entity, id: id.clone(), after: after.unwrap_or(0), limit: None };
        let reply = client.call::<call::History>(&wanted).await?.reply;
        Ok((reply.facts, reply.more))
    };
    all(|fact: &FactLine| fact.revision, ask).await
}

/// The missions to look in: the one named, else all, the kluster's own among them.
pub(crate) async fn missions_meant(client: &Client, named: Option<&Mission>) -> Result<Vec<Mission>, Fault> {
    if let Some(mission) = named {
        return Ok(vec![mission.clone()]);
    }
    let mut found = vec![Mission::kluster()];
    found.extend(missions(client).await?.into_iter().map(|mission| mission.id));
    Ok(found)
}

/// The mission that an entity belongs to, and its history there.
///
/// # Errors
/// `not_found` if no mission has it.
pub(crate) async fn find(
    client: &Client,
    named: Option<&Mission>,
    entity: EntityName,
    id: &EntityId,
) -> Result<(Mission, Vec<FactLine>), Failure> {
    let missions = if entity.is_kluster_wide() {
        vec![Mission::kluster()]
    } else {
        missions_meant(client, named).await?
    };
    for mission in missions {
        let facts = history(client, &mission, entity, id).await?;
        if !facts.is_empty() {
            return Ok((mission, facts));
        }
    }
    let place = named.map_or_else(String::new, |mission| format!(" in {mission}"));
    Err(Fault::not_found(format!("there is no {entity} {id}{place}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missions_of_eval_do_not_count_beside_others() {
        let of = |names: &[&str]| only(names.iter().map(|name| Mission::new(name).unwrap()).collect());
        assert_eq!(of(&["demo", "eval-0a1b2c3d"]).unwrap().as_str(), "demo");
        assert_eq!(of(&["eval-0a1b2c3d"]).unwrap().as_str(), "eval-0a1b2c3d");
        assert!(of(&["demo", "auth"]).unwrap_err().to_string().ends_with("demo, auth"));
        assert!(of(&[]).unwrap_err().to_string().contains("mission create"));
    }
}
