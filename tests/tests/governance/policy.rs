//! Policies over the bus: drafted, put in force by two principals, and obeyed.

use std::collections::BTreeSet;

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{Digest, Mission},
    payload::{
        Nothing,
        intent::{Effect, IntentState},
        policy::{
            ActivationReply, Finding, PolicyActivate, PolicyConfirm, PolicyDraft, PolicyList, PolicyReply,
            PolicyShow, PolicyTest, PolicyValidate,
        },
    },
    role::Role,
};
use selvedge_kit::{
    client::{Client, Options},
    clock::Deadline,
    service::Running,
};
use selvedge_tests::{
    fabric::Fabric,
    governance,
    raw::{Raw, count, ledger},
};
use serde_json::{Value, json};

const PERMIT: &str = "@id(\"all\") permit(principal, action, resource);\n";

/// A fabric with two replicas of the service, and whoever asks it.
struct Scene {
    fabric: Fabric,
    operator: Client,
    /// An approver of `person:rita`; the operator is of `person:olga`.
    rita: Client,
    _replicas: Vec<Running>,
}

impl Scene {
    async fn start() -> Self {
        Self::of(2).await
    }

    async fn of(replicas: usize) -> Self {
        let fabric = Fabric::start().await;
        let start = |index| governance::start(&fabric.bus, ["g1", "g2"][index]);
        let replicas = join_all((0..replicas).map(start)).await;
        let operator = fabric.operator.clone().in_mission(Mission::new("demo").unwrap());
        let rita = fabric.member("rita", Role::Approver, "person:rita").await.working.client;
        Self { fabric, operator, rita, _replicas: replicas }
    }

    async fn draft(&self, text: &str) -> Result<PolicyReply, Fault> {
        draft(&self.operator, text).await
    }

    async fn propose(&self, version: u32) -> Result<ActivationReply, Fault> {
        propose(&self.operator, version, "because").await
    }

    async fn confirm(&self, drafted: &PolicyReply) -> Result<ActivationReply, Fault> {
        confirm(&self.rita, drafted.policy.version, &drafted.policy.digest).await
    }

    /// Puts a text in force.
    async fn enact(&self, text: &str) -> ActivationReply {
        let drafted = self.draft(text).await.unwrap();
        self.propose(drafted.policy.version).await.unwrap();
        self.confirm(&drafted).await.unwrap()
    }

    async fn activations(&self) -> usize {
        count(&ledger(&self.fabric.bus).await, "demo.activation._.confirmed").await
    }
}

async fn draft(client: &Client, text: &str) -> Result<PolicyReply, Fault> {
    let draft = PolicyDraft { text: text.to_owned(), note: "a test".to_owned() };
    client.call::<call::PolicyDraft>(&draft).await.map(|answered| answered.reply)
}

async fn propose(client: &Client, version: u32, reason: &str) -> Result<ActivationReply, Fault> {
    let activate = PolicyActivate { version, reason: reason.to_owned() };
    client.call::<call::PolicyActivate>(&activate).await.map(|answered| answered.reply)
}

async fn confirm(client: &Client, version: u32, digest: &Digest) -> Result<ActivationReply, Fault> {
    let confirm = PolicyConfirm { version, digest: digest.clone() };
    client.call::<call::PolicyConfirm>(&confirm).await.map(|answered| answered.reply)
}

async fn show(client: &Client, version: Option<u32>) -> Result<PolicyReply, Fault> {
    client.call::<call::PolicyShow>(&PolicyShow { version }).await.map(|answered| answered.reply)
}

async fn findings(client: &Client, text: &str) -> Vec<Finding> {
    let validate = PolicyValidate { text: text.to_owned() };
    client.call::<call::PolicyValidate>(&validate).await.unwrap().reply.findings
}

fn note(key: &str) -> Effect {
    governance::memory(key, json!(1))
}

fn cases(expect: &Value) -> PolicyTest {
    let case = json!({
        "name": "a note", "agent": "ada-1a2b3c4d", "role": "worker", "effect": note("a"), "expect": expect,
    });
    PolicyTest { text: None, version: None, cases: serde_json::from_value(json!([case])).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_kept_for_ever_and_the_newest_text_again_is_none() {
    let scene = Scene::start().await;
    let first = scene.draft(PERMIT).await.unwrap();
    assert_eq!((first.policy.version, first.policy.owner.as_str()), (1, "person:olga"));
    assert_eq!(first.policy.digest, Digest::from(&blake3::hash(PERMIT.as_bytes())));
    assert_eq!(scene.draft(PERMIT).await.unwrap(), first);
    let second = scene.draft(&PERMIT.replace("all", "any")).await.unwrap();
    let third = scene.draft(PERMIT).await.unwrap();
    assert_eq!((second.policy.version, third.policy.version), (2, 3), "an older text again is a new version");
    for _ in 0..4 {
        for (version, drafted) in [(1, &first), (2, &second), (3, &third)] {
            assert_eq!(show(&scene.operator, Some(version)).await.unwrap(), *drafted, "whichever replica");
        }
    }
    let listed = async |after, limit| {
        let list = PolicyList { after, limit: Some(limit) };
        scene.rita.call::<call::PolicyList>(&list).await.unwrap().reply
    };
    let page = listed(0, 2).await;
    let versions: Vec<u32> = page.policies.iter().map(|policy| policy.version).collect();
    assert_eq!((versions, page.more), (vec![1, 2], true));
    assert!(page.policies.iter().all(|policy| policy.text.is_empty()));
    let rest = listed(2, 2).await;
    assert_eq!((rest.policies[0].version, rest.policies.len(), rest.more), (3, 1, false));
    let missing = show(&scene.operator, Some(4)).await.unwrap_err();
    assert_eq!((missing.code, missing.message.contains("policy_list")), (Code::NotFound, true));
    assert_eq!(show(&scene.operator, None).await.unwrap_err().code, Code::NotFound, "none is in force");
    assert_eq!(count(&ledger(&scene.fabric.bus).await, "demo.policy.>").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_another_principal_to_put_a_version_in_force_and_a_rollback_is_a_new_activation() {
    let scene = Scene::start().await;
    let first = scene.draft(PERMIT).await.unwrap();
    let second = scene.draft("forbid(principal, action, resource);").await.unwrap();
    let digest = &first.policy.digest;
    assert_eq!(scene.confirm(&first).await.unwrap_err().code, Code::Conflict, "nothing is proposed");
    let proposed = scene.propose(1).await.unwrap().activation;
    assert_eq!((proposed.activation, proposed.active.is_some()), (0, false));
    assert_eq!(confirm(&scene.operator, 1, digest).await.unwrap_err().code, Code::Denied, "who proposed it");
    let ola = scene.fabric.member("ola", Role::Approver, "person:olga").await.working.client;
    assert_eq!(confirm(&ola, 1, digest).await.unwrap_err().code, Code::Denied, "another agent of the same");
    assert_eq!(scene.confirm(&second).await.unwrap_err().code, Code::Conflict, "another version");
    let other_digest = confirm(&scene.rita, 1, &second.policy.digest).await.unwrap_err();
    assert_eq!(other_digest.code, Code::Conflict, "not what was seen");

    let active = scene.confirm(&first).await.unwrap().activation;
    let now = active.active.clone().unwrap();
    assert_eq!((active.activation, now.version, now.confirmed_by.as_str()), (1, 1, "person:rita"));
    assert_eq!(scene.confirm(&first).await.unwrap().activation, active, "again is the same");
    assert_eq!(scene.propose(1).await.unwrap_err().code, Code::Conflict, "it is in force");
    scene.propose(2).await.unwrap();
    assert_eq!(scene.confirm(&second).await.unwrap().activation.activation, 2);
    scene.propose(1).await.unwrap();
    let back = scene.confirm(&first).await.unwrap().activation;
    assert_eq!((back.activation, back.active.map(|active| active.version)), (3, Some(1)));
    assert_eq!(show(&scene.rita, None).await.unwrap().policy, first.policy);
    assert_eq!(scene.activations().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_confirmations_at_once_one_counts_and_one_version_is_in_force() {
    let scene = Scene::start().await;
    let confirmers = [
        scene.rita.clone(),
        scene.fabric.member("paul", Role::Approver, "person:paul").await.working.client,
        scene.fabric.member("pia", Role::Approver, "person:pia").await.working.client,
        scene.fabric.member("per", Role::Approver, "person:per").await.working.client,
    ];
    let mut drafted = vec![];
    for version in 0..4 {
        drafted.push(scene.draft(&format!("// {version}\n{PERMIT}")).await.unwrap().policy);
    }
    let mut numbers = BTreeSet::new();
    for round in 0..12usize {
        let (one, other) = (&drafted[2 * round % 4], &drafted[(2 * round + 1) % 4]);
        scene.propose(one.version).await.unwrap();
        // Four agree at once, through two replicas, while the operator thinks better of it.
        let confirmed = join_all(confirmers.iter().map(|by| confirm(by, one.version, &one.digest)));
        let (confirmed, changed) = tokio::join!(confirmed, propose(&scene.operator, other.version, "better"));
        let won: Vec<_> = confirmed.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        for lost in confirmed.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(lost.code, Code::Conflict | Code::Busy), "{lost}");
        }
        assert!(won.len() <= 1, "round {round}: {won:?}");
        changed.unwrap();
        for reply in won {
            assert!(numbers.insert(reply.activation.activation), "round {round}: {reply:?}");
            assert_eq!(reply.activation.active.as_ref().unwrap().version, one.version);
        }
        // What the operator wants now is what is confirmed next, and nothing else.
        let settled = confirm(&confirmers[0], other.version, &other.digest).await.unwrap();
        assert!(numbers.insert(settled.activation.activation));
        assert_eq!(settled.activation.active.unwrap().version, other.version, "round {round}");
    }
    let confirmed = u32::try_from(scene.activations().await).unwrap();
    assert!(numbers.iter().copied().eq(1..=confirmed), "{numbers:?}: each number once, no gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_decided_by_what_is_in_force_and_says_so() {
    let scene = Scene::of(1).await;
    let ada = scene.fabric.member("ada", Role::Worker, "person:ada").await.working.client;
    let decided =
        async |key: &str| governance::propose(&ada, &governance::wanting(note(key))).await.unwrap().intent;
    let without = decided("notes/a").await.decision.unwrap();
    assert_eq!((without.policy, without.activation, without.rules), (None, 0, vec![]));
    let rules = "@id(\"notes\") @approvals(\"2\") @approver_role(\"verifier\") permit(principal, action, resource)\n\
                 when { resource is Record && resource.key like \"notes/*\" };";
    scene.enact(rules).await;
    let under = decided("notes/b").await;
    let decision = under.decision.unwrap();
    assert_eq!(
        (decision.policy, decision.activation, decision.rules),
        (Some(1), 1, vec!["notes".to_owned()])
    );
    assert_eq!((decision.requirement.approvals, decision.requirement.role), (2, Role::Verifier));
    let refused = decided("other/c").await;
    assert_eq!(refused.state, IntentState::Rejected);
    assert!(
        refused.reasons.iter().any(|reason| reason.message.contains("version 1")),
        "{:?}",
        refused.reasons
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_decided_by_a_text_a_version_or_what_is_in_force() {
    let scene = Scene::start().await;
    // Replicas follow the ledger: whoever wants the newest says so.
    let last = ledger(&scene.fabric.bus).await;
    let test = async |test: &PolicyTest| {
        let at_least = last.last_revision(Deadline::in_ms(5_000)).await.unwrap();
        let options = Options { at_least, ..Options::default() };
        scene.rita.call_with::<call::PolicyTest>(test, &options).await.map(|answered| answered.reply)
    };
    let free = json!({ "allow": true, "requirement": { "approvals": 0, "role": "approver" } });
    let wanted = cases(&free);
    assert!(test(&wanted).await.unwrap().passed, "a record of memory needs no approval without a policy");
    scene.enact("forbid(principal, action, resource);").await;
    let refused = test(&wanted).await.unwrap();
    assert_eq!(
        (refused.passed, refused.cases[0].actual.allow, refused.cases[0].expected.allow),
        (false, false, true)
    );
    let strict = format!("@approvals(\"1\") {PERMIT}");
    let of_text = PolicyTest { text: Some(strict.clone()), ..wanted.clone() };
    let asked = test(&of_text).await.unwrap();
    assert_eq!((asked.passed, asked.cases[0].rules.as_slice()), (false, ["all".to_owned()].as_slice()));
    assert_eq!(asked.cases[0].actual.requirement.as_ref().unwrap().approvals, 1);
    scene.draft(PERMIT).await.unwrap();
    assert!(test(&PolicyTest { version: Some(2), ..wanted.clone() }).await.unwrap().passed);
    let both = PolicyTest { version: Some(2), ..of_text };
    assert_eq!(test(&both).await.unwrap_err().code, Code::Invalid);
    assert_eq!(
        test(&PolicyTest { version: Some(9), ..wanted.clone() }).await.unwrap_err().code,
        Code::NotFound
    );
    let broken = PolicyTest { text: Some("permit(".to_owned()), ..wanted };
    let fault = test(&broken).await.unwrap_err();
    assert!(fault.details.iter().any(|detail| detail.message.starts_with("line 1, column")), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_policy_is_refused_with_every_place_and_nothing_is_kept() {
    let scene = Scene::start().await;
    let unknown =
        "permit(principal, action == Action::\"memory.put\", resource)\nwhen { resource.kye == \"a\" };";
    for (text, place, says) in [
        ("permit(principal, action, resource)", "line 1, column 36", "unexpected end"),
        (unknown, "line 2, column 8", "kye"),
        ("@approvals(\"many\")\npermit(principal, action, resource);", "line 1, column 1", "0 to 16"),
        (
            "@approver_role(\"boss\") @approvals(\"1\")\npermit(principal, action, resource);",
            "line 1, column 1",
            "verifier",
        ),
        ("\u{1}\u{2}ELF", "line 1, column 1", "control character"),
        (&"(".repeat(200_000), "line 1, column", "nested"),
    ] {
        let fault = scene.draft(text).await.unwrap_err();
        assert_eq!(fault.code, Code::Invalid);
        let told = fault.details.iter().any(|detail| {
            detail.at == "/text" && detail.message.starts_with(place) && detail.message.contains(says)
        });
        assert!(told, "{fault:?}");
        assert!(
            findings(&scene.rita, text).await.iter().any(|finding| finding.error && finding.line.is_some())
        );
    }
    let large = scene.draft(&"x".repeat(300 * 1024)).await.unwrap_err();
    assert_eq!((large.code, large.details[0].at.as_str()), (Code::Invalid, "/text"));
    // As many characters as may be, but more bytes.
    let wide = scene.draft(&format!("//{}", "é".repeat(200_000))).await.unwrap_err();
    assert!(wide.details[0].message.contains("bytes"), "{wide:?}");
    assert_eq!(scene.draft("").await.unwrap_err().code, Code::Invalid);
    let raw = Raw::connect(&scene.fabric.bus, &scene.fabric.operator_credential).await;
    let subject = raw.subject_in("demo", "policy_draft").replace(".registry.", ".governance.");
    let binary = raw.ask_on(&subject, &[], b"\xff\xfe\x00permit".to_vec()).await.fault();
    assert_eq!(binary.code, Code::Invalid, "{binary}");
    let kluster = draft(&scene.fabric.operator, PERMIT).await.unwrap_err();
    assert!(kluster.code == Code::Invalid && kluster.message.contains("mission"), "{kluster}");
    assert_eq!(count(&ledger(&scene.fabric.bus).await, "*.policy.>").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_draft_and_propose_and_workers_do_not_confirm() {
    let scene = Scene::start().await;
    let drafted = scene.draft(PERMIT).await.unwrap();
    let ada = scene.fabric.member("ada", Role::Worker, "person:ada").await.working.client;
    for client in [&ada, &scene.rita] {
        assert_eq!(draft(client, PERMIT).await.unwrap_err().code, Code::Denied);
        assert_eq!(propose(client, 1, "r").await.unwrap_err().code, Code::Denied);
    }
    scene.propose(1).await.unwrap();
    assert_eq!(confirm(&ada, 1, &drafted.policy.digest).await.unwrap_err().code, Code::Denied);
    // Another mission's approver cannot reach this one.
    scene.fabric.mission("other").await;
    let other = scene.operator.clone().in_mission(Mission::new("other").unwrap());
    assert_eq!(confirm(&other, 1, &drafted.policy.digest).await.unwrap_err().code, Code::NotFound);
    assert_eq!(show(&ada, Some(1)).await.unwrap().policy, drafted.policy);
    let schema = ada.call::<call::PolicySchemaShow>(&Nothing {}).await.unwrap().reply;
    assert!(schema.text.contains("action \"git.commit\"") && schema.json.is_object());
    assert_eq!(scene.activations().await, 0);
}
