//! User requests, missions and histories: where every chain of causes begins, and how it is read back.

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Code,
    id::{EntityId, Mission},
    payload::{
        agent::{About, Register},
        history::{Facts, History},
        mission::{MissionCreate, MissionList},
        request::{RequestClose, RequestList, RequestOpen, RequestStatus},
        session::SessionStart,
    },
    role::Role,
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    fabric::{Fabric, plain_session},
    now_ms,
    raw::{count, facts, ledger},
};

fn titled(title: &str) -> RequestOpen {
    RequestOpen { title: title.to_owned(), text: "in the user's words".to_owned() }
}

async fn history(
    client: &Client,
    entity: EntityName,
    id: &str,
    after: u64,
    limit: Option<u32>,
) -> Result<Facts, Code> {
    let ask = History { entity, id: EntityId::new(id).unwrap(), after, limit };
    client.call::<call::History>(&ask).await.map(|answer| answer.reply).map_err(|fault| fault.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_opened_served_and_closed() {
    let fabric = Fabric::start().await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let opened = planning.client.call::<call::RequestOpen>(&titled("one")).await.unwrap().reply.request;
    assert_eq!(
        (opened.owner.as_str(), opened.mission.as_str(), opened.status),
        ("person:olga", "demo", RequestStatus::Open)
    );

    // What is done in a session that serves it carries it as its root.
    let worker = fabric.agent("ada", Role::Worker).await;
    let serving = SessionStart { request: Some(opened.id.clone()), ..plain_session() };
    let working = fabric.session(&worker, serving.clone()).await.unwrap();
    assert_eq!(working.session.request.as_ref(), Some(&opened.id));
    let about = Register { about: About { model: Some("m".to_owned()), ..About::default() } };
    working.client.call::<call::Register>(&about).await.unwrap();
    let ledger = ledger(&fabric.bus).await;
    let made = facts(&ledger, &format!("_.agent.{}.updated", worker.record.id)).await.remove(0);
    assert_eq!(
        (made.envelope.root.as_str(), made.envelope.session.as_str()),
        (opened.id.as_str(), working.session.id.as_str())
    );
    let refused = working.client.call::<call::RequestOpen>(&titled("two")).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "a worker opens none: {refused}");

    let close = RequestClose { request: opened.id.clone(), reason: "answered".to_owned() };
    let closed = planning.client.call::<call::RequestClose>(&close).await.unwrap().reply.request;
    assert_eq!(closed.status, RequestStatus::Closed);
    assert_eq!(fabric.session(&worker, serving).await.err().unwrap().code, Code::Conflict, "it is closed");
    let nothing = "request_nothing".parse().unwrap();
    let unknown = SessionStart { request: Some(nothing), ..plain_session() };
    assert_eq!(fabric.session(&worker, unknown).await.err().unwrap().code, Code::NotFound);
    let lines =
        history(&working.client, EntityName::Request, opened.id.as_str(), 0, None).await.unwrap().facts;
    assert_eq!(
        lines.iter().map(|line| line.kind.as_str()).collect::<Vec<_>>(),
        ["request.opened/1", "request.closed/1"]
    );
    assert_eq!(lines[1].payload["change"]["reason"], "answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_by_state_in_pages() {
    let fabric = Fabric::start().await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let mut ids = vec![];
    for title in ["a", "b", "c", "d"] {
        ids.push(planning.client.call::<call::RequestOpen>(&titled(title)).await.unwrap().reply.request.id);
    }
    let close = RequestClose { request: ids.remove(0), reason: "answered".to_owned() };
    planning.client.call::<call::RequestClose>(&close).await.unwrap();
    ids.sort();
    let ask = async |list: RequestList| {
        let page = planning.client.call::<call::RequestList>(&list).await.unwrap().reply;
        (page.requests.into_iter().map(|request| request.id).collect::<Vec<_>>(), page.more)
    };
    let open = RequestList { status: Some(RequestStatus::Open), limit: Some(2), after: None };
    let (first, more) = ask(open.clone()).await;
    let (rest, no_more) = ask(RequestList { after: first.last().cloned(), ..open }).await;
    assert_eq!(([first, rest].concat(), more, no_more), (ids, true, false));
    let closed = RequestList { status: Some(RequestStatus::Closed), ..RequestList::default() };
    assert_eq!(ask(closed).await, (vec![close.request], false));
}

/// A page whose items are large must still fit into one message.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_requests_is_cut_where_a_message_ends() {
    let fabric = Fabric::start().await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    const REQUESTS: usize = 70;
    for n in 0..REQUESTS {
        let long = RequestOpen { title: format!("r{n}"), text: "\u{1F9F5}".repeat(10_000) };
        planning.client.call::<call::RequestOpen>(&long).await.unwrap();
    }
    let (mut seen, mut after, mut pages) = (0, None, 0);
    loop {
        let list = RequestList { after, ..RequestList::default() };
        let page = planning.client.call::<call::RequestList>(&list).await.unwrap().reply;
        seen += page.requests.len();
        pages += 1;
        after = page.requests.last().map(|request| request.id.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!((seen, pages > 1), (REQUESTS, true), "{pages} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mission_is_made_once_and_listed_in_order() {
    let fabric = Fabric::start().await;
    let create = |name: &str, title: &str| MissionCreate {
        mission: Mission::new(name).unwrap(),
        title: title.to_owned(),
    };
    let made = fabric.operator.call::<call::MissionCreate>(&create("alpha", "first")).await.unwrap().reply;
    assert_eq!((made.mission.id.as_str(), made.mission.title.as_str()), ("alpha", "first"));
    let again = fabric.operator.call::<call::MissionCreate>(&create("alpha", "first")).await.unwrap().reply;
    assert_eq!(again, made);
    let other = fabric.operator.call::<call::MissionCreate>(&create("alpha", "second")).await.unwrap_err();
    assert_eq!(other.code, Code::Conflict, "{other}");
    assert_eq!(count(&ledger(&fabric.bus).await, "_.mission.alpha.>").await, 1);
    let ask = async |after: Option<&str>, limit| {
        let list = MissionList { after: after.map(|name| Mission::new(name).unwrap()), limit };
        let page = fabric.operator.call::<call::MissionList>(&list).await.unwrap().reply;
        (page.missions.into_iter().map(|mission| mission.id.to_string()).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(ask(None, Some(1)).await, (vec!["alpha".to_owned()], true));
    assert_eq!(ask(Some("alpha"), None).await, (vec!["demo".to_owned()], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_says_who_when_why_and_whether_it_was_signed() {
    let fabric = Fabric::start().await;
    let before_ms = now_ms();
    let (agent, working) = fabric.worker("ada").await;
    let about = |model: &str| Register { about: About { model: Some(model.to_owned()), ..About::default() } };
    for model in ["m1", "m2", "m3"] {
        working.client.call::<call::Register>(&about(model)).await.unwrap();
    }
    let id = agent.record.id.as_str();
    let all = history(&working.client, EntityName::Agent, id, 0, None).await.unwrap();
    let kinds: Vec<_> = all.facts.iter().map(|line| (line.kind.as_str(), line.signed)).collect();
    assert_eq!(
        kinds,
        [
            ("agent.registered/1", true),
            ("agent.updated/1", false),
            ("agent.updated/1", false),
            ("agent.updated/1", false)
        ]
    );
    assert!(!all.more);
    let last = &all.facts[3];
    assert_eq!(
        (last.sender.as_str(), last.scope.as_str(), last.mission.as_str()),
        (id, working.session.id.as_str(), "demo")
    );
    assert!(
        (before_ms - 1_000..=now_ms() + 1_000).contains(&last.at_ms),
        "{} is no time of this test",
        last.at_ms
    );
    assert_eq!(last.payload["state"]["about"]["model"], "m3");
    assert!(!last.cause.is_empty());
    let first = history(&working.client, EntityName::Agent, id, 0, Some(2)).await.unwrap();
    assert_eq!((first.facts.as_slice(), first.more), (&all.facts[..2], true));
    let rest =
        history(&working.client, EntityName::Agent, id, first.facts[1].revision, Some(2)).await.unwrap();
    assert_eq!((rest.facts.as_slice(), rest.more), (&all.facts[2..], false));
    let key = agent.record.key.as_str();
    assert_eq!(history(&working.client, EntityName::Key, key, 0, None).await.unwrap_err(), Code::Denied);
    assert_eq!(history(&fabric.operator, EntityName::Key, key, 0, None).await.unwrap().facts.len(), 1);
    assert_eq!(
        history(&working.client, EntityName::Agent, "nobody-00000000", 0, None).await.unwrap().facts,
        []
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_another_mission_is_not_shown() {
    let fabric = Fabric::start().await;
    fabric.mission("other").await;
    let (_, ada) = fabric.worker("ada").await;
    let key = nkeys::KeyPair::new_user();
    let bob = fabric
        .join(&fabric.invite_to("other", Role::Worker, "person:olga").await, "bob", &key)
        .await
        .unwrap();
    let bobs = fabric.session(&bob, plain_session()).await.unwrap();
    let id = bobs.session.id.as_str();
    assert_eq!(history(&bobs.client, EntityName::Session, id, 0, None).await.unwrap().facts.len(), 1);
    assert_eq!(history(&ada.client, EntityName::Session, id, 0, None).await.unwrap().facts, []);
}
