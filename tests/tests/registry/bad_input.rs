//! What is wrong is refused, in words that say what and where, and nothing is done.

use prost::Message as _;
use selvedge_contracts::{
    envelope::{Envelope, MAX_BODY_BYTES, digest},
    fault::{Code, Fault},
};
use selvedge_kit::ledger::Ledger;
use selvedge_tests::{
    fabric::Fabric,
    now_ms,
    raw::{Raw, count, ledger},
    wait::until,
};
use serde_json::{Value, json};

const PROTOBUF: (&str, &str) = ("Content-Type", "application/protobuf");
const JSON: (&str, &str) = ("Content-Type", "application/json");

struct Bench {
    _fabric: Fabric,
    raw: Raw,
    ledger: Ledger,
    recorded: usize,
}

/// A worker that asks, and the ledger before it does.
async fn bench() -> Bench {
    let fabric = Fabric::start().await;
    let (_, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    let ledger = ledger(&fabric.bus).await;
    let recorded = count(&ledger, ">").await;
    Bench { _fabric: fabric, raw, ledger, recorded }
}

impl Bench {
    async fn nothing_was_done(&self) {
        assert_eq!(count(&self.ledger, ">").await, self.recorded);
    }
}

fn at(fault: &Fault) -> Vec<&str> {
    fault.details.iter().map(|detail| detail.at.as_str()).collect()
}

fn register(model: &str) -> Value {
    json!({"about": {"model": model}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_body_is_refused() {
    let bench = bench().await;
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    for body in [register(&long).to_string(), " ".repeat(MAX_BODY_BYTES + 1)] {
        let fault = bench.raw.ask("register", &[JSON], body).await.fault();
        assert_eq!((fault.code, fault.message.contains("1048576")), (Code::Invalid, true), "{fault}");
    }
    // Within the bound, but far beyond what the field takes: the refusal itself must fit into a message.
    let long = "x".repeat(MAX_BODY_BYTES / 2 - 200);
    let body = json!({"about": {"model": long, "program": long}}).to_string();
    let fault = bench.raw.ask("register", &[JSON], body).await.fault();
    assert_eq!((fault.code, at(&fault)), (Code::Invalid, vec!["/about/model", "/about/program"]), "{fault}");
    let name = json!({ long: 1 }).to_string();
    assert_eq!(bench.raw.ask("register", &[JSON], name).await.fault().code, Code::Invalid);
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_envelope_is_refused() {
    let bench = bench().await;
    let payload = register("m").to_string().into_bytes();
    let envelope = Envelope { kind: "registry.register/1".into(), payload, ..Envelope::default() };
    let whole = envelope.encode_to_vec();
    for end in [1, 5, whole.len() / 2, whole.len() - 1] {
        let fault = bench.raw.ask("register", &[PROTOBUF], whole[..end].to_vec()).await.fault();
        assert_eq!(fault.code, Code::Invalid, "{end}: {fault}");
    }
    for (headers, body) in [
        (vec![JSON], "{\"about\": "),
        (vec![JSON], "hello"),
        (vec![JSON], "[1, 2]"),
        (vec![], "{\"about\": {}} {}"),
        (vec![("Content-Type", "text/html")], "<html>"),
        (vec![PROTOBUF], "{\"about\": {}}"),
    ] {
        let fault = bench.raw.ask("register", &headers, body).await.fault();
        assert_eq!(fault.code, Code::Invalid, "{body}: {fault}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(bench.raw.ask("register", &[JSON], deep).await.fault().code, Code::Invalid);
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind_or_version_is_refused() {
    let bench = bench().await;
    for kind in
        ["registry.register/2", "registry.register/0", "registry.whoami/1", "nonsense", "registry.register"]
    {
        let body = json!({"kind": kind, "payload": register("m")});
        let fault = bench.raw.bare("register", &body).await.fault();
        assert_eq!((fault.code, at(&fault)), (Code::Invalid, vec!["kind"]), "{kind}: {fault}");
        assert!(fault.details[0].message.contains("registry.register/1"), "{fault:?}");
    }
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_listed_with_their_pointers() {
    let bench = bench().await;
    let body = json!({"about": {"model": 7, "program": "p".repeat(101), "capabilities": ["ok", "", 3], "colour": "red"}, "name": "x"});
    let fault = bench.raw.bare("register", &body).await.fault();
    let mut found = at(&fault);
    found.sort_unstable();
    assert_eq!(
        found,
        ["", "/about", "/about/capabilities/1", "/about/capabilities/2", "/about/model", "/about/program"],
        "{fault:?}"
    );
    let said = |at: &str| fault.details.iter().find(|detail| detail.at == at).unwrap().message.clone();
    assert!(said("").contains("name") && said("/about").contains("colour"), "{fault:?}");
    let missing = bench.raw.bare("register", &json!({})).await.fault();
    assert_eq!((at(&missing), missing.details[0].message.contains("about")), (vec![""], true), "{missing:?}");
    let missing = bench.raw.bare("history", &json!({"entity": "agent"})).await.fault();
    assert!(missing.details[0].message.contains("id"), "{missing:?}");
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cannot_say_who_asks_or_why() {
    let bench = bench().await;
    let forged = json!({
        "kind": "registry.register/1", "payload": register("m"),
        "sender": "bob-00000000", "mission": "other", "session": "session_other", "task": "task_1",
        "root": "request_1", "cause": "request_2",
    });
    let fault = bench.raw.bare("register", &forged).await.fault();
    assert_eq!(
        (fault.code, at(&fault)),
        (Code::Invalid, vec!["sender", "mission", "session", "task", "root", "cause"]),
        "{fault}"
    );
    let envelope = Envelope {
        sender: "bob-00000000".into(),
        payload: register("m").to_string().into_bytes(),
        ..Envelope::default()
    };
    let fault = bench.raw.ask("register", &[PROTOBUF], envelope.encode_to_vec()).await.fault();
    assert_eq!(at(&fault), ["sender"]);
    let payload = register("m").to_string().into_bytes();
    let envelope = Envelope { payload_digest: digest(b"another payload"), payload, ..Envelope::default() };
    let fault = bench.raw.ask("register", &[PROTOBUF], envelope.encode_to_vec()).await.fault();
    assert_eq!(at(&fault), ["payload_digest"]);
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_deadline_does_nothing() {
    let bench = bench().await;
    let body =
        json!({"kind": "registry.register/1", "payload": register("m"), "deadline_at_ms": now_ms() - 1});
    let fault = bench.raw.bare("register", &body).await.fault();
    assert_eq!((fault.code, at(&fault)), (Code::Unavailable, vec!["deadline_at_ms"]), "{fault}");
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_hold_in_the_envelope_too() {
    let bench = bench().await;
    let many: Vec<Value> = (0..101).map(|_| json!({"entity": "agent", "id": "x", "revision": 1})).collect();
    let body = json!({"kind": "registry.register/1", "payload": register("m"), "id": "i".repeat(129), "idempotency_key": "k".repeat(129), "preconditions": many});
    let fault = bench.raw.bare("register", &body).await.fault();
    assert_eq!(at(&fault), ["idempotency_key", "id", "preconditions"], "{fault:?}");
    bench.nothing_was_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_are_held_against_the_ledger() {
    let bench = bench().await;
    let me = bench.raw.me.agent.to_string();
    let with = |preconditions: Value| json!({"kind": "registry.register/1", "payload": register("m"), "preconditions": preconditions});
    let revision =
        bench.raw.bare("agent_show", &json!({"agent": me})).await.json()["revision"].as_u64().unwrap();
    let failing = with(json!([
        {"entity": "agent", "id": me, "revision": revision + 1},
        {"entity": "agent", "id": me, "revision": revision},
        {"entity": "session", "id": "session_none", "revision": 3},
    ]));
    let fault = bench.raw.bare("register", &failing).await.fault();
    assert_eq!(
        (fault.code, at(&fault)),
        (Code::Conflict, vec!["preconditions/0", "preconditions/2"]),
        "{fault:?}"
    );
    let wrong = bench
        .raw
        .bare("register", &with(json!([{"entity": "ghost", "id": "a b", "revision": 1}])))
        .await
        .fault();
    assert_eq!((wrong.code, at(&wrong)), (Code::Invalid, vec!["preconditions/0"]), "{wrong:?}");
    bench.nothing_was_done().await;
    let holding = with(json!([{"entity": "agent", "id": me, "revision": revision}]));
    assert!(
        bench.raw.bare("register", &holding).await.json()["payload"]["revision"].as_u64().unwrap() > revision
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_would_bend_a_subject_are_refused() {
    let fabric = Fabric::start().await;
    let operator = Raw::connect(&fabric.bus, &fabric.operator_credential).await;
    let ledger = ledger(&fabric.bus).await;
    let recorded = count(&ledger, ">").await;
    let long = "a".repeat(10_240);
    let bad = [
        "a.b",
        "a b",
        "*",
        ">",
        "a.*",
        "a.>",
        "",
        ".",
        "A",
        "ädä",
        "名前",
        "a\u{0}b",
        "a\r\nb",
        "-a",
        "\u{202e}a",
        long.as_str(),
    ];
    for name in bad {
        for (call, payload, pointer) in [
            ("mission_create", json!({"mission": name}), "/mission"),
            ("agent_show", json!({"agent": name}), "/agent"),
            ("agent_retire", json!({"agent": name, "reason": "r"}), "/agent"),
            ("session_end", json!({"session": name}), "/session"),
            ("session_list", json!({"mission": name}), "/mission"),
            (
                "invite_create",
                json!({"id": name, "mission": "demo", "role": "worker", "owner": "person:a", "ttl_ms": 60_000}),
                "/id",
            ),
            (
                "invite_create",
                json!({"id": "invite_1", "mission": "demo", "role": "worker", "owner": name, "ttl_ms": 60_000}),
                "/owner",
            ),
        ] {
            let fault = operator.bare(call, &payload).await.fault();
            assert_eq!(fault.code, Code::Invalid, "{call} {name:?}: {fault}");
            assert!(at(&fault).contains(&pointer), "{call} {name:?}: {fault:?}");
            assert!(
                fault.message.len() + fault.details.iter().map(|detail| detail.message.len()).sum::<usize>()
                    < 8_192
            );
        }
    }
    for id in ["a.b", "*", ">", "a b", "", long.as_str()] {
        let fault = operator.bare("history", &json!({"entity": "agent", "id": id})).await.fault();
        assert_eq!((fault.code, at(&fault)[0]), (Code::Invalid, "/id"), "{id:?}: {fault}");
    }
    assert_eq!(count(&ledger, ">").await, recorded);
}

/// Any bytes are answered with a refusal, and the service goes on. Prints its seed.
#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_stop_the_service() {
    let seed =
        std::env::var("SELVEDGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now_ms);
    println!("SELVEDGE_TEST_SEED={seed}");
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13; // xorshift64
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let bench = bench().await;
    let good = Envelope { kind: "registry.whoami/1".into(), payload: b"{}".to_vec(), ..Envelope::default() }
        .encode_to_vec();
    for round in 0..300 {
        let mut body = if round % 2 == 0 {
            good.clone()
        } else {
            (0..next() % 64).map(|_| (next() & 0xff) as u8).collect()
        };
        for _ in 0..next() % 4 {
            if !body.is_empty() {
                let at = next() as usize % body.len();
                body[at] = (next() & 0xff) as u8;
            }
        }
        let headers: &[(&str, &str)] = match next() % 3 {
            0 => &[PROTOBUF],
            1 => &[JSON],
            _ => &[],
        };
        let answer = bench.raw.ask("whoami", headers, body.clone()).await;
        if let Some(code) = answer.header("Nats-Service-Error-Code") {
            assert_eq!(code, "400", "seed {seed}, round {round}, {body:?}: {:?}", answer.0.payload);
        }
    }
    assert_eq!(bench.raw.bare("whoami", &json!({})).await.json()["agent"], bench.raw.me.agent.as_str());
}

/// One worker asks more than its share at once, for a revision from the future each time.
#[tokio::test(flavor = "multi_thread")]
async fn one_agent_cannot_shut_out_the_others() {
    let fabric = Fabric::start().await;
    let (_, eve) = fabric.worker("eve").await;
    let (_, ada) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &eve.credential).await;
    let body = json!({"kind": "registry.agent_list/1", "payload": {}, "at_least": u64::MAX}).to_string();
    for index in 0..1_100 {
        let reply = format!("{}.x{index}", raw.me.inbox_prefix());
        raw.client.publish_with_reply(raw.subject("agent_list"), reply, body.clone().into()).await.unwrap();
    }
    raw.client.flush().await.unwrap();
    let direct = Raw::connect(&fabric.bus, &ada.credential).await;
    let plain = direct.bare("register", &json!({"about": {"model": "n"}})).await;
    assert_eq!(plain.json()["agent"]["about"]["model"], "n", "{:?}", plain.json());
    // Her own share may still be taken by what she sent.
    let future = until("an answer for eve", async || {
        let answer = raw.ask("agent_list", &[("Sv-At-Least", "18446744073709551615")], "{}").await.fault();
        if answer.code == Code::Busy { Err(answer) } else { Ok(answer) }
    })
    .await;
    assert_eq!(
        future.details[0].at, "at_least",
        "a revision that does not exist is not waited for: {future:?}"
    );
}
