//! Bad input through the bus: refused with every violation, and nothing half done.

use selvedge_contracts::fault::{Code, Fault};
use selvedge_tests::raw::Raw;
use serde_json::{Value, json};

use crate::scene::Scene;

async fn refusal(raw: &Raw, call: &str, payload: &Value) -> Fault {
    let subject = format!("sv.req.demo.{}.{}.leases.{call}", raw.me.agent, raw.me.scope);
    raw.ask_on(&subject, &[], payload.to_string()).await.fault()
}

fn acquire(claims: &Value) -> Value {
    json!({ "space": "shop", "claims": claims })
}

#[tokio::test]
async fn what_is_wrong_with_a_claim_is_named_and_nothing_is_held() {
    let scene = Scene::start().await;
    let ada = scene.worker("ada").await;
    let raw = Raw::connect(&scene.fabric.bus, &ada.session.credential).await;
    let too_large = refusal(&raw, "acquire", &acquire(&json!(vec![json!({ "path": "a" }); 100_000]))).await;
    assert_eq!(too_large.code, Code::Invalid, "{too_large:?}");
    let many = vec![json!({ "path": "a" }); 50_000];
    for (payload, at) in [
        (acquire(&json!([{ "path": "/etc/passwd" }])), "/claims/0"),
        (acquire(&json!([{ "path": "ok" }, { "path": "../up" }])), "/claims/1"),
        (acquire(&json!([{ "glob": "src/[" }])), "/claims/0"),
        (acquire(&json!([{ "glob": "!src" }])), "/claims/0"),
        (acquire(&json!([])), "/claims"),
        (acquire(&json!(many)), "/claims"),
        (json!({ "space": "Not A Space", "claims": [{ "path": "a" }] }), "/space"),
        (json!({ "space": "shop", "claims": [{ "path": "a" }], "ttl_ms": -1 }), "/ttl_ms"),
        (json!({ "space": "shop", "claims": [{ "path": "a" }], "ttl_ms": 0 }), "/ttl_ms"),
        (json!({ "space": "shop", "claims": [{ "path": "a" }], "ttl_ms": 86_400_001 }), "/ttl_ms"),
        (json!({ "space": "shop", "claims": [{ "path": "a" }], "wait_ms": 86_400_001 }), "/wait_ms"),
        (json!({ "space": "shop", "claims": [{ "path": "a" }], "purpose": "x".repeat(257) }), "/purpose"),
        (json!({ "space": "shop", "claims": [{ "path": "a" }], "extra": 1 }), ""),
    ] {
        let refused = refusal(&raw, "acquire", &payload).await;
        assert_eq!(refused.code, Code::Invalid, "{at}: {refused:?}");
        assert!(refused.details.iter().any(|detail| detail.at.starts_with(at)), "{at}: {refused:?}");
    }
    let missing = json!({ "space": "shop", "lease": "lease_00", "token": 1 });
    assert_eq!(refusal(&raw, "renew", &missing).await.code, Code::NotFound);
    let too_many =
        json!({ "space": "shop", "tokens": vec![json!({ "lease": "lease_00", "token": 1 }); 257] });
    assert_eq!(refusal(&raw, "check", &too_many).await.code, Code::Invalid);
    assert!(ada.list().await.is_empty(), "nothing is half done");
}

#[tokio::test]
async fn a_bare_request_by_hand_is_answered_in_kind_by_any_replica() {
    let scene = Scene::start_with(selvedge_tests::Options::LAZY, 2).await;
    let ada = scene.worker("ada").await;
    let raw = Raw::connect(&scene.fabric.bus, &ada.session.credential).await;
    let subject = format!("sv.req.demo.{}.{}.leases.acquire", raw.me.agent, raw.me.scope);
    for index in 0..8 {
        let payload = acquire(&json!([{ "path": format!("src/{index}") }]));
        let answer = raw.ask_on(&subject, &[], payload.to_string()).await.json();
        assert_eq!(answer["lease"]["state"], "held", "{answer}");
        assert!(answer["lease"]["token"].as_u64().is_some(), "{answer}");
    }
    assert_eq!(ada.list().await.len(), 8);
}
