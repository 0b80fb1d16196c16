//! A credential can publish and hear what its role's row says, and nothing else.

use selvedge_contracts::{
    permission,
    role::{Role, Service},
};
use selvedge_kit::authority::Credential;
use selvedge_tests::Bus;

use crate::probe::Probe;

fn texts(subjects: &[&str]) -> Vec<String> {
    subjects.iter().map(|subject| (*subject).to_owned()).collect()
}

/// The role's own row, with the credential's tags filled in and wildcards made into tokens.
fn own(role: Role, credential: &Credential) -> permission::Permissions {
    let identity = credential.identity().unwrap();
    let fill = |subject: String| {
        subject
            .replace("{{tag(mission)}}", identity.mission.as_str())
            .replace("{{tag(agent)}}", identity.agent.as_str())
            .replace("{{tag(scope)}}", identity.scope.id.as_str())
    };
    let permission::Permissions { publish, subscribe } = permission::of(role);
    let token = |subject: String| subject.replace(['*', '>'], "x");
    permission::Permissions {
        publish: publish.into_iter().map(fill).map(token).collect(),
        subscribe: subscribe.into_iter().map(fill).collect(),
    }
}

#[tokio::test]
async fn a_worker_can_publish_its_own_requests_and_nothing_else() {
    let bus = Bus::start_bare(selvedge_tests::Options::LAZY).await;
    let credential = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    let probe = Probe::connect(&bus, &credential).await;
    let own = own(Role::Worker, &credential).publish;
    assert!(
        own.contains(&"sv.req.demo.ada-1a2b3c4d.worker-session_01.registry.whoami".to_owned()),
        "{own:?}"
    );
    assert_eq!(probe.refused_publishes(&own).await, Vec::<String>::new());

    let foreign = texts(&[
        "sv.req.demo.bob-1a2b3c4d.worker-session_01.registry.whoami",
        "sv.req.demo.ada-1a2b3c4d.worker-session_02.registry.whoami",
        "sv.req.demo.ada-1a2b3c4d.planner-session_01.registry.whoami",
        "sv.req.demo.ada-1a2b3c4d.worker-session_01.registry.agent_retire",
        "sv.req.other.ada-1a2b3c4d.worker-session_01.registry.whoami",
        "sv.fact.demo.agent.ada-1a2b3c4d.registered",
        "sv.live.demo.agent.ada-1a2b3c4d.registered",
        "sv.timer.registry.invite.demo.i.expire",
        "sv.due.registry.invite.demo.i.expire",
        "sv.audit.registry.demo.ada-1a2b3c4d.whoami",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.LEDGER",
        "$JS.API.STREAM.MSG.GET.LEDGER",
        "$JS.API.DIRECT.GET.LEDGER",
        "$JS.API.CONSUMER.CREATE.LEDGER",
        "$JS.API.STREAM.DELETE.LEDGER",
        "$JS.ACK.LEDGER.x.1.1.1.1.1",
        "$KV.presence.demo.ada-1a2b3c4d.session_01",
        "$SYS.REQ.CLAIMS.UPDATE",
        "_INBOX.bob-1a2b3c4d.worker-session_02.x",
        "_INBOX.ada-1a2b3c4d.worker-session_01.x",
    ]);
    assert_eq!(probe.refused_publishes(&foreign).await, foreign);
}

#[tokio::test]
async fn a_worker_hears_its_own_mission_and_inbox_and_nothing_else() {
    let bus = Bus::start_bare(selvedge_tests::Options::LAZY).await;
    let credential = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    let probe = Probe::connect(&bus, &credential).await;
    let own = own(Role::Worker, &credential).subscribe;
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    assert!(own.contains(&"sv.live.demo.>"), "{own:?}");
    assert_eq!(probe.refused_subscriptions(&own).await, Vec::<String>::new());
    let foreign = [
        ">",
        "sv.>",
        "sv.req.>",
        "sv.live.>",
        "sv.live.other.>",
        "sv.fact.>",
        "_INBOX.>",
        "$JS.>",
        "$KV.>",
        "$SYS.>",
        "sv.req.*.*.*.registry.* registry",
        "_INBOX.ada-1a2b3c4d.worker-session_02.>",
    ];
    assert_eq!(probe.refused_subscriptions(&foreign).await, foreign);
}

#[tokio::test]
async fn a_service_can_do_what_its_row_says_and_nothing_else() {
    let bus = Bus::start().await;
    let credential = bus.service_credential(Service::Registry, "one");
    let probe = Probe::connect(&bus, &credential).await;
    let own = own(Role::Registry, &credential);
    assert_eq!(probe.refused_publishes(&own.publish).await, Vec::<String>::new());
    let heard: Vec<&str> = own.subscribe.iter().map(String::as_str).collect();
    assert!(heard.contains(&"sv.req.*.*.*.registry.* registry"), "{heard:?}");
    assert_eq!(probe.refused_subscriptions(&heard).await, Vec::<String>::new());

    let foreign = texts(&[
        "$JS.API.CONSUMER.CREATE.LEDGER",
        "$JS.API.CONSUMER.CREATE.LEDGER.mine.sv.fact.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.LEDGER.mine",
        "$JS.API.CONSUMER.DELETE.LEDGER.registry_ends",
        "$JS.API.STREAM.UPDATE.LEDGER",
        "$JS.API.STREAM.PURGE.LEDGER",
        "$JS.API.STREAM.DELETE.LEDGER",
        "$JS.API.STREAM.MSG.DELETE.LEDGER",
        "sv.fact.demo.intent.i.committed",
        "sv.fact.demo.intent.i.executing",
        "sv.live.demo.agent.a.registered",
        "sv.due.registry.invite.demo.i.expire",
        "sv.timer.committer.invite.demo.i.expire",
        "sv.audit.committer.demo.a.x",
        "sv.req.demo.ada-1a2b3c4d.worker-session_01.registry.whoami",
    ]);
    assert_eq!(probe.refused_publishes(&foreign).await, foreign);
    let foreign =
        ["sv.req.*.*.*.registry.*", "sv.req.*.*.*.registry.* mine", "sv.req.>", "_INBOX.>", "sv.fact.>"];
    assert_eq!(probe.refused_subscriptions(&foreign).await, foreign);
}

#[tokio::test]
async fn every_roles_credential_connects_and_may_use_its_whole_row() {
    let bus = Bus::start_bare(selvedge_tests::Options::LAZY).await;
    for role in Role::ALL {
        let service = Service::ALL.iter().find(|service| service.role() == *role);
        let agent = service.map_or("ada-1a2b3c4d", |service| service.name());
        let credential = bus.credential(*role, "demo", agent, "session_01");
        let probe = Probe::connect(&bus, &credential).await;
        let own = own(*role, &credential);
        assert_eq!(probe.refused_publishes(&own.publish).await, Vec::<String>::new(), "{role}");
        let heard: Vec<&str> = own.subscribe.iter().map(String::as_str).collect();
        assert_eq!(probe.refused_subscriptions(&heard).await, Vec::<String>::new(), "{role}");
    }
}
