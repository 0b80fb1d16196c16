//! Every form of a request is answered in kind, and the service introduces itself to any NATS client.

use futures::StreamExt as _;
use prost::Message as _;
use selvedge_contracts::{
    call::CALLS,
    envelope::{Envelope, digest},
    role::Service,
};
use selvedge_tests::{fabric::Fabric, raw::Raw, wait};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_answered_in_kind() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    let id = agent.record.id.as_str();

    let bare = raw.ask("whoami", &[], "").await;
    assert_eq!(bare.header("Content-Type"), Some("application/json"));
    assert_eq!(bare.json()["agent"], id, "an empty body is an empty payload");
    assert!(bare.json().get("payload").is_none());

    let typed = raw.ask("whoami", &[("Content-Type", "application/json; charset=utf-8")], "{}").await;
    assert_eq!(typed.json()["agent"], id);

    let envelope =
        json!({"id": "q1", "kind": "registry.whoami/1", "mission": "demo", "sender": id, "payload": {}});
    let answer = raw.bare("whoami", &envelope).await.json();
    assert_eq!(
        (&answer["kind"], &answer["payload"]["agent"]),
        (&json!("registry.whoami.reply/1"), &json!(id))
    );
    assert_eq!((&answer["cause"], &answer["sender"]), (&json!("q1"), &json!("registry")));
    assert!(answer["as_of"].as_u64().unwrap() > 0 && answer["payload_digest"].is_null());

    let envelope = Envelope {
        id: "q2".into(),
        kind: "registry.whoami/1".into(),
        payload: b"{}".to_vec(),
        payload_digest: digest(b"{}"),
        ..Envelope::default()
    };
    let answer =
        raw.ask("whoami", &[("Content-Type", "application/protobuf")], envelope.encode_to_vec()).await;
    assert_eq!(answer.header("Content-Type"), None, "protobuf is what a body without a content type is");
    let reply = Envelope::decode(answer.0.payload.as_ref()).unwrap();
    assert_eq!(
        (reply.kind.as_str(), reply.cause.as_str(), reply.mission.as_str()),
        ("registry.whoami.reply/1", "q2", "demo")
    );
    assert_eq!(reply.payload_digest, digest(&reply.payload), "whoever sends a digest gets one");
    assert_eq!(serde_json::from_slice::<Value>(&reply.payload).unwrap()["agent"], id);
    let untyped = raw.ask("whoami", &[], envelope.encode_to_vec()).await;
    assert_eq!(Envelope::decode(untyped.0.payload.as_ref()).unwrap().cause, "q2", "protobuf is the default");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_by_hand_is_answered_with_its_own_revision() {
    let fabric = Fabric::start().await;
    let (_, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    let answer = raw.bare("register", &json!({"about": {"model": "m"}})).await;
    assert_eq!(answer.header("Sv-As-Of"), Some(answer.json()["revision"].to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_after_the_last_of_all_revisions_is_empty() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    let history = json!({"entity": "agent", "id": agent.record.id, "after": u64::MAX});
    assert_eq!(raw.bare("history", &history).await.json()["facts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_and_what_is_none_does_not() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    let root = fabric.bus.connect_as_root().await;
    let mut live = root.subscribe(format!("sv.live._.agent.{}.updated", agent.record.id)).await.unwrap();
    root.request("$JS.API.INFO", "".into()).await.unwrap(); // so the subscription stands
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let register = |model: &str| json!({"about": {"model": model}}).to_string();
    let answer = raw.ask("register", &[("traceparent", trace)], register("a")).await;
    assert_eq!(answer.header("traceparent").map(|trace| &trace[3..35]), Some(&trace[3..35]));
    let fact = tokio::time::timeout(wait::PATIENCE, live.next()).await.unwrap().unwrap();
    assert_eq!(
        fact.headers.unwrap().get("traceparent").map(|trace| trace.as_str()[3..35].to_owned()),
        Some(trace[3..35].to_owned())
    );
    let bloat = "x".repeat(500_000);
    let answer = raw.ask("register", &[("traceparent", &bloat)], register("b")).await;
    assert_eq!(answer.header("traceparent"), None);
    let fact = tokio::time::timeout(wait::PATIENCE, live.next()).await.unwrap().unwrap();
    assert!(fact.headers.unwrap().get("traceparent").is_none(), "what is no trace is not kept");
}

/// All answers to one question of the NATS services protocol.
async fn discover(raw: &Raw, subject: &str, wanted: usize) -> Vec<Value> {
    let inbox = raw.client.new_inbox();
    let mut answers = raw.client.subscribe(inbox.clone()).await.unwrap();
    raw.client.publish_with_reply(subject.to_owned(), inbox, "".into()).await.unwrap();
    let mut found = vec![];
    while found.len() < wanted {
        let answer =
            tokio::time::timeout(wait::PATIENCE, answers.next()).await.expect("an answer in time").unwrap();
        found.push(serde_json::from_slice(&answer.payload).unwrap());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_introduces_itself_as_its_table_says() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let raw = Raw::connect(&fabric.bus, &fabric.operator_credential).await;
    let mut pings = discover(&raw, "$SRV.PING", 2).await;
    pings.sort_by_key(|ping| ping["id"].to_string());
    for (ping, id) in pings.iter().zip(["r1", "r2"]) {
        assert_eq!(
            (&ping["type"], &ping["name"]),
            (&json!("io.nats.micro.v1.ping_response"), &json!("registry"))
        );
        assert!(ping["id"].as_str().unwrap().starts_with(&format!("{id}-")), "its own id at every start");
        assert!(ping["version"].as_str().unwrap().split('.').count() == 3 && ping["metadata"].is_object());
    }
    let second = pings[1]["id"].as_str().unwrap();
    let info = discover(&raw, &format!("$SRV.INFO.registry.{second}"), 1).await.remove(0);
    assert_eq!((&info["type"], &info["id"]), (&json!("io.nats.micro.v1.info_response"), &json!(second)));
    let mut offered: Vec<_> = info["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["subject"].as_str().unwrap().to_owned())
        .collect();
    let mut table: Vec<_> = CALLS
        .iter()
        .filter(|call| call.service == Service::Registry)
        .map(|call| format!("sv.req.*.*.*.{call}"))
        .collect();
    offered.sort();
    table.sort();
    assert_eq!(offered, table);
    for endpoint in info["endpoints"].as_array().unwrap() {
        assert_eq!(endpoint["queue_group"], "registry");
        assert_eq!(
            endpoint["metadata"]["kind"],
            format!("registry.{}/1", endpoint["name"].as_str().unwrap())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_count_requests_and_errors_of_all_replicas() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let (_, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    for _ in 0..20 {
        raw.bare("whoami", &json!({})).await.json();
    }
    for _ in 0..5 {
        raw.bare("agent_show", &json!({"agent": "nobody-00000000"})).await.fault();
    }
    let operator = Raw::connect(&fabric.bus, &fabric.operator_credential).await;
    let stats = discover(&operator, "$SRV.STATS.registry", 2).await;
    let sum = |call: &str, field: &str| -> u64 {
        let endpoints = stats.iter().flat_map(|answer| answer["endpoints"].as_array().unwrap());
        endpoints
            .filter(|endpoint| endpoint["name"] == call)
            .map(|endpoint| endpoint[field].as_u64().unwrap())
            .sum()
    };
    assert_eq!((sum("whoami", "num_requests"), sum("whoami", "num_errors")), (20, 0));
    assert_eq!((sum("agent_show", "num_requests"), sum("agent_show", "num_errors")), (5, 5));
    assert!(sum("whoami", "processing_time") > 0);
    assert!(stats[0]["started"].as_str().unwrap().ends_with('Z'), "{}", stats[0]["started"]);
}
