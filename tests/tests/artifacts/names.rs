//! Names: versions that never change, contracts, validation, who may read what.

use futures::StreamExt as _;
use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{ArtifactName, ContractName, ScopeId},
    payload::{
        artifact::{
            ArtifactList, ContractWanted, Judge, Publish, Show, Verdict, Version, VersionList, VersionReply,
            VersionState,
        },
        contract::ContractAdd,
        session::TaskGrant,
    },
    role::Role,
};
use selvedge_kit::{
    client::{Client, Options},
    clock::Deadline,
    credential::Login,
    transfer,
};
use selvedge_tests::{
    Credential,
    artifacts::{meant, plain, publish, publish_with},
    fabric::{Working, connect_bus, plain_session, public},
    now_ms,
    raw::{count, ledger},
    wait,
};
use serde_json::json;

use crate::scene::{Scene, get};

async fn put(client: &Client, content: &str) -> selvedge_contracts::id::Digest {
    transfer::put_bytes(client, content.to_owned().into()).await.unwrap().digest
}

async fn colleague(scene: &Scene, name: &str, role: Role) -> Working {
    let agent = scene.fabric.agent(name, role).await;
    scene.fabric.session(&agent, plain_session()).await.unwrap()
}

async fn show(client: &Client, artifact: &str) -> Result<VersionReply, Fault> {
    Ok(client.call::<call::ArtifactShow>(&Show { artifact: meant(artifact) }).await?.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes_and_every_way_of_naming_one_finds_it() {
    let scene = Scene::start().await;
    let client = scene.client();
    for content in ["one", "two", "three"] {
        let digest = put(client, content).await;
        publish(client, "research/auth-analysis", &digest).await.unwrap();
    }
    let of = async |which: &str| get(client, &format!("research/auth-analysis{which}")).await.unwrap();
    let two = selvedge_tests::artifacts::digest(b"two");
    let prefix = &two.as_str()[..8];
    for (which, content, version) in [
        ("", "three", 3),
        ("@latest", "three", 3),
        ("@v1", "one", 1),
        ("@v2", "two", 2),
        (&format!("@{prefix}"), "two", 2),
        (&format!("@sha{prefix}"), "two", 2),
    ] {
        let (got, bytes) = of(which).await;
        assert_eq!((bytes.as_slice(), got.version), (content.as_bytes(), Some(version)), "{which}");
    }
    for missing in ["research/auth-analysis@v4", "research/auth-analysis@deadbeef", "research/other"] {
        assert_eq!(get(client, missing).await.unwrap_err().code, Code::NotFound, "{missing}");
    }
    let list =
        VersionList { name: ArtifactName::new("research/auth-analysis").unwrap(), after: 1, limit: Some(1) };
    let page = client.call::<call::ArtifactHistory>(&list).await.unwrap().reply;
    assert_eq!((page.versions[0].version, page.versions.len(), page.more), (2, 1, true));
    let list = ArtifactList { prefix: Some("research/".to_owned()), ..ArtifactList::default() };
    let names = client.call::<call::ArtifactList>(&list).await.unwrap().reply.artifacts;
    assert_eq!(
        names.iter().map(|name| (name.name.as_str(), name.latest.version)).collect::<Vec<_>>(),
        [("research/auth-analysis", 3)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_the_same_version_also_after_others_were_published() {
    let scene = Scene::start().await;
    let _second = selvedge_tests::artifacts::start(&scene.fabric.bus, &scene.config, "a2").await;
    let client = scene.client();
    let (one, two) = (put(client, "one").await, put(client, "two").await);
    let options = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
    let first = publish_with(client, &plain("a", &one), &options).await.unwrap();
    publish(client, "a", &two).await.unwrap();
    for _ in 0..6 {
        let again = publish_with(client, &plain("a", &one), &options).await.unwrap();
        assert_eq!(again, first);
    }
    assert_eq!(count(&ledger(&scene.fabric.bus).await, "demo.artifact.a.published").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publishers_get_versions_without_gaps() {
    let scene = Scene::start().await;
    let second = selvedge_tests::artifacts::start(&scene.fabric.bus, &scene.config, "a2").await;
    let client = scene.client();
    let publishing = (0..24).map(|n| async move {
        let digest = put(client, &format!("content {n}")).await;
        publish(client, "contended", &digest).await.unwrap().version.version
    });
    let mut versions: Vec<u32> = futures::future::join_all(publishing).await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=24).collect::<Vec<_>>());
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_does_not_fit_its_contract_is_refused_with_every_violation() {
    let scene = Scene::start().await;
    let client = scene.client();
    contract(&scene, json!({"required": ["title"], "properties": {"pages": {"type": "integer"}}})).await;
    let under = |digest| Publish {
        contract: Some(ContractWanted { name: ContractName::new("summary").unwrap(), version: None }),
        ..plain("s", &digest)
    };
    let bad = put(client, r#"{"pages": "x"}"#).await;
    let refused = publish_with(client, &under(bad), &Options::default()).await.unwrap_err();
    let at: Vec<_> = refused.details.iter().map(|detail| detail.at.as_str()).collect();
    assert_eq!((refused.code, at.len()), (Code::Invalid, 2), "{refused:?}");
    assert!(at.contains(&"/pages") && at.contains(&""), "{refused:?}");
    let text = put(client, "no json").await;
    let refused = publish_with(client, &under(text), &Options::default()).await.unwrap_err();
    assert!(refused.message.contains("not JSON"), "{refused}");
    assert_eq!(show(client, "s").await.unwrap_err().code, Code::NotFound, "nothing was published");

    let good = put(client, r#"{"title": "t", "pages": 3}"#).await;
    let version = publish_with(client, &under(good), &Options::default()).await.unwrap().version;
    assert_eq!(
        (version.version, version.state, version.content_type.as_str()),
        (1, VersionState::Valid, "application/json")
    );
    assert_eq!(version.contract.unwrap().version, 1);
}

async fn contract(scene: &Scene, schema: serde_json::Value) {
    let add = ContractAdd { name: ContractName::new("summary").unwrap(), schema };
    let added = scene.fabric.operator.call::<call::ContractAdd>(&add).await.unwrap();
    let seen = Options { at_least: added.as_of, ..Options::default() };
    // The service must have heard of it.
    let list = ArtifactList::default();
    scene.client().call_with::<call::ArtifactList>(&list, &seen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_contract_wants_validated_is_unreadable_to_others_until_it_is() {
    let scene = Scene::start().await;
    contract(&scene, json!({"type": "object", "x-validation": "required"})).await;
    let (bob, vera) =
        (colleague(&scene, "bob", Role::Worker).await, colleague(&scene, "vera", Role::Verifier).await);
    let held = async |content: &str| -> Version {
        let digest = put(scene.client(), content).await;
        let wanted = Publish {
            contract: Some(ContractWanted { name: ContractName::new("summary").unwrap(), version: Some(1) }),
            ..plain("s", &digest)
        };
        publish_with(scene.client(), &wanted, &Options::default()).await.unwrap().version
    };
    let first = held("{}").await;
    assert_eq!(first.state, VersionState::Unvalidated);
    let denied = get(&bob.client, "s").await.unwrap_err();
    assert!(denied.code == Code::Denied && denied.message.contains("unvalidated"), "{denied}");
    let hidden = get(&bob.client, first.digest.as_str()).await.unwrap_err();
    assert_eq!(hidden.code, Code::NotFound, "nor by its digest: {hidden}");
    for client in [scene.client(), &vera.client] {
        assert_eq!(get(client, "s").await.unwrap().1, b"{}");
    }
    let judge = |version, verdict| Judge {
        name: ArtifactName::new("s").unwrap(),
        version,
        verdict,
        reason: Some("seen".to_owned()),
    };
    let own = scene.client().call::<call::ArtifactJudge>(&judge(1, Verdict::Valid)).await.unwrap_err();
    assert_eq!(own.code, Code::Denied, "a worker judges nothing");
    let judged = vera.client.call::<call::ArtifactJudge>(&judge(1, Verdict::Valid)).await.unwrap();
    assert_eq!(judged.reply.version.state, VersionState::Valid);
    assert_eq!(get(&bob.client, "s").await.unwrap().1, b"{}");
    assert_eq!(get(&bob.client, first.digest.as_str()).await.unwrap().1, b"{}");

    held(r#"{"bad":1}"#).await;
    let judged = vera.client.call::<call::ArtifactJudge>(&judge(2, Verdict::Invalid)).await.unwrap();
    assert_eq!(judged.reply.version.state, VersionState::Invalid);
    assert_eq!(get(&bob.client, "s").await.unwrap().1, b"{}", "the latest is the latest that may be read");
    assert_eq!(get(&bob.client, "s@v2").await.unwrap_err().code, Code::Denied);
    let second = vera.client.call::<call::ArtifactJudge>(&judge(2, Verdict::Valid)).await.unwrap_err();
    assert_eq!(second.code, Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_contradictory_verdicts_in_one_instant_exactly_one_holds() {
    const VERSIONS: u32 = 150;
    let scene = Scene::start().await;
    let _second = selvedge_tests::artifacts::start(&scene.fabric.bus, &scene.config, "a2").await;
    contract(&scene, json!({"type": "object", "x-validation": "required"})).await;
    let judges =
        [colleague(&scene, "vera", Role::Verifier).await, colleague(&scene, "vito", Role::Verifier).await];
    let digest = put(scene.client(), "{}").await;
    for number in 1..=VERSIONS {
        // Another source each time, else it is the same version.
        let source = put(scene.client(), &number.to_string()).await;
        let wanted = Publish {
            contract: Some(ContractWanted { name: ContractName::new("summary").unwrap(), version: Some(1) }),
            sources: vec![meant(source.as_str())],
            ..plain("s", &digest)
        };
        publish_with(scene.client(), &wanted, &Options::default()).await.unwrap();
    }
    for version in 1..=VERSIONS {
        let judge = |number: usize, verdict| {
            let name = ArtifactName::new("s").unwrap();
            let wanted = Judge { name, version, verdict, reason: Some(number.to_string()) };
            let client = &judges[number % 2].client;
            async move { client.call::<call::ArtifactJudge>(&wanted).await.map(|answered| answered.reply) }
        };
        let verdicts = (0..6).map(|number| judge(number, [Verdict::Valid, Verdict::Invalid][number % 2]));
        let mut held = Vec::new();
        for answer in futures::future::join_all(verdicts).await {
            match answer {
                Ok(reply) => held.push(reply.version.state),
                Err(fault) => assert_eq!(fault.code, Code::Conflict, "{fault}"),
            }
        }
        held.dedup();
        assert_eq!(held.len(), 1, "v{version}: {held:?}");
        let shown = show(scene.client(), &format!("s@v{version}")).await.unwrap();
        assert_eq!([shown.version.state], held[..], "v{version}");
    }
    let ledger = ledger(&scene.fabric.bus).await;
    assert_eq!(count(&ledger, "demo.artifact.s.judged").await, VERSIONS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_made_under_a_task_names_it() {
    let scene = Scene::start().await;
    let operator = scene.fabric.operator.clone().in_mission(scene.agent.mission.clone());
    let key = KeyPair::new_user();
    let task = ScopeId::new("task_x-1").unwrap();
    let grant = TaskGrant {
        task: task.clone(),
        agent: scene.agent.record.id.clone(),
        credential_key: public(&key),
        expires_at_ms: now_ms() + 60_000,
        presence_ttl_ms: None,
        request: None,
        calls: None,
    };
    let granted = operator.call::<call::TaskGrant>(&grant).await.unwrap().reply;
    let login = Login::held(Credential::new(granted.credential.jwt.unwrap(), &key).unwrap());
    let client = Client::new(connect_bus(&scene.fabric.bus, login).await);
    let digest = put(&client, "made").await;
    let published = publish(&client, "a", &digest).await.unwrap();
    assert_eq!((&published.version.task, &published.version.session), (&Some(task.clone()), &task));
    let plain = publish(scene.client(), "b", &put(scene.client(), "other").await).await.unwrap();
    assert_eq!(plain.version.task, None);
    assert_eq!(show(scene.client(), "a").await.unwrap().version.task, Some(task));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_alone_opens_nothing() {
    let scene = Scene::start().await;
    let bob = colleague(&scene, "bob", Role::Worker).await;
    let digest = put(scene.client(), "mine").await;
    assert_eq!(get(&bob.client, digest.as_str()).await.unwrap_err().code, Code::NotFound);
    assert_eq!(publish(&bob.client, "theft", &digest).await.unwrap_err().code, Code::NotFound);
    let start =
        selvedge_contracts::payload::artifact::PutStart { digest: Some(digest.clone()), size_bytes: Some(4) };
    let upload = bob.client.call::<call::ArtifactPutStart>(&start).await.unwrap().reply;
    assert!(upload.stored.is_none() && !upload.missing.is_empty(), "it is as if it were not there");
    put(&bob.client, "mine").await;
    assert_eq!(get(&bob.client, digest.as_str()).await.unwrap().1, b"mine", "who has it may read it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_demand_what_was_just_published_of_any_replica() {
    let scene = Scene::start().await;
    let _second = selvedge_tests::artifacts::start(&scene.fabric.bus, &scene.config, "a2").await;
    for n in 0..20_u32 {
        let digest = put(scene.client(), &format!("{n}")).await;
        let published = publish(scene.client(), "fresh", &digest).await.unwrap();
        for _ in 0..4 {
            let options = Options { at_least: published.revision, ..Options::default() };
            let asked = Show { artifact: meant("fresh") };
            let shown = scene.client().call_with::<call::ArtifactShow>(&asked, &options).await.unwrap();
            assert_eq!(shown.reply.version.version, n + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_followed_by_its_live_facts_with_its_provenance() {
    let scene = Scene::start().await;
    let nats = scene.fabric.bus.connect_as(&scene.working.credential).await;
    let mut live = nats.subscribe("sv.live.demo.artifact.research:auth-analysis.>").await.unwrap();
    nats.flush().await.unwrap();
    let source = put(scene.client(), "source").await;
    publish(scene.client(), "raw", &source).await.unwrap();
    let digest = put(scene.client(), "content").await;
    let mut wanted = plain("research/auth-analysis", &digest);
    wanted.sources = vec![meant("raw@v1")];
    publish_with(scene.client(), &wanted, &Options::default()).await.unwrap();
    let fact = tokio::time::timeout(wait::PATIENCE, live.next()).await.unwrap().unwrap();
    assert!(fact.subject.ends_with(".published"));
    let fact: serde_json::Value = serde_json::from_slice(&fact.payload).unwrap();
    let change = &fact["payload"]["change"];
    assert_eq!((&change["version"], &change["digest"]), (&json!(1), &json!(digest.as_str())));
    assert_eq!(change["producer"], scene.agent.record.id.as_str());
    assert_eq!(change["sources"], json!([{"digest": source.as_str(), "name": "raw", "version": 1}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_version_is_known_whatever_became_of_the_call_that_recorded_it() {
    let scene = Scene::start().await;
    let client = scene.client();
    let digests = [put(client, "one").await, put(client, "two").await];
    let digests = &digests;
    let hurried = (0..64_u64).map(|who| async move {
        for n in 0..60_u64 {
            let wanted = plain(&format!("hurried-{who}"), &digests[usize::try_from(n % 2).unwrap()]);
            let options = Options { timeout_ms: Some(4 + (n * 7 + who) % 40), ..Options::default() };
            // Whether it is answered in time does not matter.
            let _ = publish_with(client, &wanted, &options).await;
        }
    });
    futures::future::join_all(hurried).await;
    let ledger = ledger(&scene.fabric.bus).await;
    let (mut lost, last) = (Vec::new(), ledger.last_revision(Deadline::in_ms(5_000)).await.unwrap());
    let all = Options { at_least: last, ..Options::default() };
    for who in 0..64 {
        let recorded = count(&ledger, &format!("demo.artifact.hurried-{who}.published")).await;
        let name = ArtifactName::new(&format!("hurried-{who}")).unwrap();
        let list = VersionList { name, after: 0, limit: Some(1_000) };
        let known = client.call_with::<call::ArtifactHistory>(&list, &all).await;
        let known = known.map_or(0, |page| page.reply.versions.len());
        if known != recorded {
            lost.push((who, recorded, known));
        }
    }
    assert_eq!(lost, [], "publisher, versions recorded, versions known");
}
