//! Who approves what, and what an approval is worth.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{Digest, Mission},
    payload::intent::{ApprovalToken, Approve, DenialLift, IntentReply, IntentState, Propose, Redeem},
    role::Role,
};
use selvedge_governance::{forget_key, rotate_keys};
use selvedge_tests::{
    governance::{approval, deny, external, keys, redeem, show, wanting},
    wait,
};

use crate::scene::{Member, Scene, refused};

const TWO: &str =
    "@id(\"two\") @approvals(\"2\") @approver_role(\"approver\") permit(principal, action, resource);";

async fn give(by: &Member, approve: &Approve) -> Result<IntentReply, Fault> {
    by.working.client.call::<call::IntentApprove>(approve).await.map(|answered| answered.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_of_another_owner_in_the_role_signed_and_of_what_was_seen() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let own = scene.member("own", Role::Approver, "person:olga").await;
    let worker = scene.member("will", Role::Worker, "person:will").await;
    let intent = scene.ada.propose(&wanting(external("send"))).await.intent;
    refused(own.approve(&intent).await, Code::Denied, "another owner must approve");
    refused(worker.approve(&intent).await, Code::Denied, "role approver");
    refused(scene.ada.approve(&intent).await, Code::Denied, "another owner must approve");
    let forged =
        Approve { signature: approval(&own.agent, &intent).signature, ..approval(&paula.agent, &intent) };
    refused(give(&paula, &forged).await, Code::Denied, "identity key");
    let other = scene.ada.propose(&wanting(external("other"))).await.intent;
    let moved = Approve { intent: intent.id.clone(), ..approval(&paula.agent, &other) };
    let fault = refused(give(&paula, &moved).await, Code::Denied, "look at it again");
    assert_eq!(fault.details.len(), 2, "the digest and the signature: {fault:?}");
    assert_eq!(scene.count("granted").await + scene.count("approved").await, 0);
    let approved = paula.approve(&intent).await.unwrap();
    assert_eq!(approved.intent.grants[0].key, paula.agent.record.key);
    assert_eq!(paula.approve(&intent).await.unwrap(), approved, "again is the same");
    assert_eq!(scene.count("approved").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_of_two_is_not_one_owner_twice() {
    let scene = Scene::start().await;
    scene.enact(TWO).await;
    let paula = scene.approver().await;
    let twin = scene.member("twin", Role::Approver, "person:paul").await;
    let rita = scene.member("rita", Role::Approver, "person:rita").await;
    let intent = scene.ada.propose(&wanting(external("send"))).await.intent;
    assert_eq!(intent.decision.as_ref().unwrap().rules, ["two"]);
    let once = paula.approve(&intent).await.unwrap().intent;
    assert_eq!((once.state, once.token.is_none()), (IntentState::Verified, true));
    refused(twin.approve(&intent).await, Code::Denied, "counts owners");
    let approved = rita.approve(&intent).await.unwrap();
    assert_eq!(approved.intent.state, IntentState::Approved);
    redeem(&scene.committer, &approved).await.unwrap();
    assert_eq!((scene.count("granted").await, scene.count("approved").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_denial_ends_it() {
    let scene = Scene::start().await;
    let (paula, own) = (scene.approver().await, scene.member("own", Role::Approver, "person:olga").await);
    let intent = scene.ada.propose(&wanting(external("send"))).await.intent;
    refused(deny(&own.working, &intent).await, Code::Denied, "another owner");
    paula.approve(&intent).await.unwrap();
    let rita = scene.member("rita", Role::Approver, "person:rita").await;
    let denied = deny(&rita.working, &intent).await.unwrap().intent;
    assert_eq!(denied.denied.as_ref().map(|denial| &denial.owner), Some(&rita.agent.record.owner));
    // Proposed again it stays denied, whoever proposes it, until that is lifted.
    let again = scene.ada.propose(&wanting(intent.effect.clone())).await.intent;
    assert_eq!(again, denied);
    let lift = DenialLift { intent: intent.id.clone(), reason: "a mistake".to_owned() };
    refused(scene.ada.client().call::<call::DenialLift>(&lift).await, Code::Denied, "they may lift that");
    rita.client().call::<call::DenialLift>(&lift).await.unwrap();
    let anew = scene.ada.propose(&wanting(intent.effect.clone())).await.intent;
    assert_eq!((anew.state, anew.round), (IntentState::Verified, intent.round + 1));
    assert_eq!((denied.state, denied.token), (IntentState::Rejected, None));
    assert!(
        denied.reasons[0].message.contains("person:rita") && denied.reasons[0].message.contains("not so")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_of_its_own_intent_as_it_stands_and_of_nothing_else() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let intent = scene.ada.propose(&wanting(external("send"))).await.intent;
    let other = scene.ada.propose(&wanting(external("other"))).await.intent;
    let (approved, of_other) = (paula.approve(&intent).await.unwrap(), paula.approve(&other).await.unwrap());
    let ask = async |token: Option<ApprovalToken>| {
        let redeem = Redeem { intent: intent.id.clone(), revision: approved.revision, token };
        scene.committer.call::<call::IntentRedeem>(&redeem).await
    };
    let token = approved.intent.token.clone().unwrap();
    let forged = ApprovalToken { mac: Digest::new(&"0".repeat(64)).unwrap(), ..token.clone() };
    let unknown = ApprovalToken { key_id: "key_0".to_owned(), ..token.clone() };
    for wrong in [Some(forged), Some(unknown), of_other.intent.token] {
        refused(ask(wrong).await, Code::Denied, "not of this intent");
    }
    refused(ask(None).await, Code::Denied, "no token is shown");
    scene.fabric.mission("other").await;
    let elsewhere = scene.committer.clone().in_mission(Mission::new("other").unwrap());
    assert_eq!(redeem(&elsewhere, &approved).await.unwrap_err().code, Code::NotFound);
    let now = show(scene.ada.client(), &intent.id).await.unwrap();
    assert_eq!(now, approved, "no forger ends an intent");
    ask(Some(token)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_its_proposer_binds_anew_needs_its_approvals_anew() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let wanted = wanting(external("send"));
    let approved = paula.approve(&scene.ada.propose(&wanted).await.intent).await.unwrap();
    let rebound = Propose { expires_after_ms: Some(60_000), ..wanted };
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    assert_eq!(bob.propose(&rebound).await, approved, "somebody else changes nothing");
    let anew = scene.ada.propose(&rebound).await;
    assert_eq!((anew.intent.round, anew.intent.state), (1, IntentState::Verified));
    assert_eq!((anew.intent.grants.len(), anew.intent.token.is_none()), (0, true));
    refused(redeem(&scene.committer, &approved).await, Code::Conflict, "look at it again");
    let old = Redeem {
        intent: anew.intent.id.clone(),
        revision: anew.revision,
        token: approved.intent.token.clone(),
    };
    refused(scene.committer.call::<call::IntentRedeem>(&old).await, Code::Conflict, "not to be executed");
    let again = paula.approve(&anew.intent).await.unwrap();
    let old = Redeem { revision: again.revision, ..old };
    refused(scene.committer.call::<call::IntentRedeem>(&old).await, Code::Denied, "not of this intent");
    redeem(&scene.committer, &again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_outlive_a_rotation_of_keys_and_end_with_the_key_that_sealed_them() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let approved = paula.approve(&scene.ada.propose(&wanting(external("send"))).await.intent).await.unwrap();
    let sealed_by = approved.intent.token.clone().unwrap().key_id;
    let path = keys(&scene.fabric.bus);
    let rotated = rotate_keys(&path).unwrap();
    redeem(&scene.committer, &approved).await.expect("the former key counts");
    let next = paula.approve(&scene.ada.propose(&wanting(external("next"))).await.intent).await.unwrap();
    assert_eq!(next.intent.token.as_ref().unwrap().key_id, rotated.active);
    forget_key(&path, &sealed_by).unwrap();
    refused(redeem(&scene.committer, &approved).await, Code::Conflict, "taken out");
    let now = show(scene.ada.client(), &approved.intent.id).await.unwrap().intent;
    assert_eq!(now.state, IntentState::Rejected, "on the record");
    redeem(&scene.committer, &next).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_approvals_racing_through_two_replicas_exactly_as_many_count_as_are_asked_for() {
    let scene = Scene::start_with(2).await;
    scene.enact(TWO).await;
    let mut approvers = Vec::new();
    for index in 0..6 {
        approvers.push(scene.member(&format!("a{index}"), Role::Approver, &format!("person:a{index}")).await);
    }
    for round in 1..=5 {
        let intent = scene.ada.propose(&wanting(external(&format!("send {round}")))).await.intent;
        let outcomes = futures::future::join_all(approvers.iter().map(|by| by.approve(&intent))).await;
        let given = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert_eq!(lost.code, Code::Conflict, "{lost:?}");
        }
        assert_eq!((given, scene.count("granted").await, scene.count("approved").await), (2, round, round));
        let now = wait::until("both replicas to see it", async || {
            let now = show(scene.ada.client(), &intent.id).await.unwrap();
            if now.intent.state == IntentState::Approved { Ok(now) } else { Err(now.intent.state) }
        })
        .await;
        redeem(&scene.committer, &now).await.unwrap();
    }
}
