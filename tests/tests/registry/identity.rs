//! Who is who: joining, sessions, and what a bare request by hand gets.

use selvedge_contracts::{call, payload::Nothing, role::Role};
use selvedge_tests::fabric::Fabric;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_request_by_hand_is_answered_in_json() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let client = fabric.bus.connect_as(&working.credential).await;
    let me = working.credential.identity().unwrap();
    let subject = format!("sv.req.demo.{}.{}.registry.whoami", me.agent, me.scope);
    let answer = client.request(subject, "{}".into()).await.unwrap();
    let reply: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(reply["agent"], agent.record.id.as_str());
    assert_eq!(reply["role"], "worker");
    assert_eq!(reply["owner"], "person:olga");
    let headers = answer.headers.unwrap();
    assert_eq!(headers.get("Content-Type").unwrap().as_str(), "application/json");
    assert!(headers.get("Sv-As-Of").unwrap().as_str().parse::<u64>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_back_what_it_registered() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let whoami = working.client.call::<call::Whoami>(&Nothing {}).await.unwrap().reply;
    assert_eq!(whoami.agent, agent.record.id.as_str());
    assert!(agent.record.id.as_str().starts_with("ada-"));
    assert_eq!(agent.record.roles.values().collect::<Vec<_>>(), [&Role::Worker]);
}
