//! What policies decide, from text to answer.

use cedar_policy::Entities;
use proptest::prelude::*;
use selvedge_contracts::{
    envelope::Envelope,
    fact::EntityName,
    id::{Caller, CommitHash, Digest, EffectorName, EntityId, RecordKey, RepositoryName, SecretName},
    payload::{
        intent::{
            ExternalEffect, FileChange, GitEffect, HttpEffect, MemoryEffect, Method, Probe, Repeat, TreePath,
        },
        policy::{Active, Finding},
    },
    subject::{Entity, Fact},
};
use selvedge_kit::{ledger::FactRecord, view::Apply as _};
use serde_json::{Value, json};

use super::*;

fn commit(branch: &str, paths: &[&str]) -> Effect {
    let content = Digest::from(&blake3::hash(b"x"));
    let put = |path: &&str| FileChange::Put {
        path: TreePath::new(path).unwrap(),
        content: content.clone(),
        mode: Default::default(),
    };
    Effect::Git(GitEffect {
        repository: RepositoryName::new("record").unwrap(),
        branch: branch.to_owned(),
        base: CommitHash::new(&"0".repeat(40)).unwrap(),
        changes: paths.iter().map(put).collect(),
        message: "m".to_owned(),
        reads: Vec::new(),
    })
}

fn http(method: Method, url: &str, probe: Option<&str>) -> Effect {
    let probe = probe.map(|url| Probe { url: url.to_owned(), done: vec![200], absent: vec![404] });
    Effect::Http(HttpEffect {
        method,
        url: url.to_owned(),
        headers: Default::default(),
        secrets: Default::default(),
        body: None,
        content_type: None,
        repeat: Repeat::Unsafe,
        probe,
        timeout_ms: None,
    })
}

fn memory(key: &str) -> Effect {
    let key = RecordKey::new(key).unwrap();
    Effect::Memory(MemoryEffect { key, value: Some(json!(1)), revision: 0, sources: Vec::new() })
}

fn external() -> Effect {
    Effect::External(ExternalEffect {
        effector: EffectorName::new("mailer").unwrap(),
        operation: "send".to_owned(),
        arguments: json!({}),
        repeat: Repeat::Unsafe,
        timeout_ms: None,
    })
}

fn with_question<T>(role: Role, effect: &Effect, ask: impl FnOnce(&Question<'_>) -> T) -> T {
    ask(&Question {
        mission: &Mission::new("demo").unwrap(),
        agent: &AgentId::new("ada-1a2b3c4d").unwrap(),
        role,
        owner: &Owner::new("person:ada").unwrap(),
        task: None,
        effect,
        has_undo: false,
    })
}

fn decided(text: &str, effect: &Effect) -> Outcome {
    let text = PolicyText::check(text);
    assert_eq!(
        text.findings().findings.iter().filter(|finding| finding.error).count(),
        0,
        "{:?}",
        text.findings()
    );
    with_question(Role::Worker, effect, |question| text.decide(question))
}

fn findings(text: &str) -> Vec<Finding> {
    PolicyText::check(text).findings().findings
}

#[test]
fn every_effect_is_shown_as_the_schema_says() {
    let vocabulary = vocabulary().unwrap();
    let probed = http(Method::Post, "https://a.example/x?y", Some("http://b.example:81/z"));
    for (effect, count) in
        [(commit("main", &["a/b", "c"]), 1), (probed, 2), (memory("a/b"), 1), (external(), 1)]
    {
        let asked = with_question(Role::Dispatcher, &effect, |question| {
            let task = ScopeId::new("t1").unwrap();
            asked(vocabulary, &Question { task: Some(&task), ..question.clone() }).unwrap()
        });
        assert_eq!(asked.len(), count);
        for asked in asked {
            let held = Entities::from_entities(asked.entities.iter().cloned(), Some(vocabulary.schema()));
            held.unwrap_or_else(|error| panic!("{}: {error}", effect.name()));
        }
    }
}

const RULES: &str = r#"
@id("docs") permit(principal, action == Action::"git.commit", resource)
when { resource.common_folder like "docs/*" };
@id("code") @approvals("1") permit(principal, action == Action::"git.commit", resource)
when { resource.branch == "main" };
@id("lock") @approvals("2") @approver_role("operator") @expires_after("15m")
permit(principal, action == Action::"git.commit", resource) when { resource.names.contains("Cargo.lock") };
@id("secrets") forbid(principal, action, resource)
when { resource is Commit && resource.folders.contains("secrets/") };
@id("host") permit(principal, action == Action::"http.request", resource)
when { resource.host == "api.example.org" && resource.scheme == Scheme::"https" };
"#;

#[test]
fn forbid_beats_permit_and_what_nothing_permits_is_not_done() {
    let requirement = |effect: &Effect| decided(RULES, effect).requirement;
    assert_eq!(requirement(&commit("topic", &["docs/a.md"])).map(|needed| needed.approvals), Some(0));
    let forbidden = decided(RULES, &commit("main", &["docs/secrets/../x".replace("/../", "/").as_str()]));
    assert!(forbidden.requirement.is_some(), "docs/secrets is not secrets");
    let forbidden = decided(RULES, &commit("main", &["docs/a.md", "secrets/key"]));
    assert_eq!((forbidden.requirement, forbidden.rules), (None, vec!["secrets".to_owned()]));
    let unmatched = decided(RULES, &commit("topic", &["src/a.rs"]));
    assert_eq!((unmatched.requirement, unmatched.rules, unmatched.errors), (None, vec![], vec![]));
    assert_eq!(requirement(&memory("a")), None);
    assert_eq!(requirement(&external()), None);
}

#[test]
fn of_several_permits_the_strictest_of_each_holds() {
    let outcome = decided(RULES, &commit("main", &["docs/Cargo.lock"]));
    let wanted = Requirement { approvals: 2, role: Role::Operator, expires_after_ms: Some(900_000) };
    assert_eq!(outcome.requirement, Some(wanted));
    assert_eq!(outcome.rules, ["code", "docs", "lock"]);
}

#[test]
fn a_probe_needs_permission_too() {
    let of =
        |probe| decided(RULES, &http(Method::Post, "https://api.example.org/x", Some(probe))).requirement;
    assert!(of("https://api.example.org/x/status").is_some());
    assert_eq!(of("https://elsewhere.example.org/x"), None);
    assert_eq!(of("http://api.example.org/x"), None);
    let unreadable = decided(RULES, &http(Method::Get, "https://user@api.example.org/", None));
    assert_eq!(unreadable.requirement, None);
    assert!(unreadable.errors.concat().contains("names a user"), "{unreadable:?}");
}

#[test]
fn a_secret_may_be_kept_to_its_host() {
    let text = r#"permit(principal, action, resource);
        forbid(principal, action == Action::"http.request", resource)
        when { resource.secrets.contains("deploy-token") && resource.host != "a.example" };"#;
    let of = |url: &str, probe| {
        let Effect::Http(effect) = http(Method::Post, url, probe) else { panic!("no request") };
        let secret = SecretName::new("deploy-token").unwrap();
        let effect = HttpEffect { secrets: [("authorization".to_owned(), secret)].into(), ..effect };
        decided(text, &Effect::Http(effect)).requirement.is_some()
    };
    assert!(of("https://a.example/", None));
    assert!(!of("https://b.example/", None));
    assert!(!of("https://a.example/", Some("https://b.example/")), "nor where it is probed");
}

#[test]
fn what_goes_wrong_while_deciding_means_no_and_is_listed() {
    let text = r#"
        @id("all") permit(principal, action, resource);
        @id("sum") forbid(principal, action == Action::"memory.put", resource)
        when { context.size_bytes + 9223372036854775807 < 0 };"#;
    assert!(decided(text, &external()).requirement.is_some());
    let failed = decided(text, &memory("a"));
    assert_eq!(failed.requirement, None, "the forbid could not be decided");
    assert!(failed.errors.concat().contains("overflow"), "{failed:?}");
}

#[test]
fn findings_have_their_place_and_say_how_to_mend_it() {
    for (text, line, column, says) in [
        ("permit(principal, action, resource)", 1, 36, "unexpected end"),
        ("// a\npermit(principal, action == Action::\"git.comit\", resource);", 2, 29, "git.commit"),
        (
            "permit(principal, action == Action::\"git.commit\", resource)\nwhen { resource.brnch == \"x\" };",
            2,
            8,
            "branch",
        ),
        ("permit(principal, action, resource)\n  when { principal.role == Role::\"boss\" };", 2, 28, "Role"),
        ("permit(principal, action, resource) when { principal.role == \"worker\" };", 1, 44, "Role"),
        ("// é\n@note(\"ü\") @approvals(\"two\")\npermit(principal, action, resource);", 2, 12, "0 to 16"),
        ("@aprovals(\"2\") permit(principal, action, resource);", 1, 1, "@approvals"),
        ("@expires_after(\"1h\")\nforbid(principal, action, resource);", 1, 1, "on a forbid"),
        ("permit(principal == ?principal, action, resource);", 1, 1, "template"),
        ("permit(principal, action, resource) when { context.task == \"a\" };", 1, 44, "has"),
        ("\u{0}\u{1}", 1, 1, "control character"),
        (
            "@id(\"a\") permit(principal, action, resource);\n @id(\"a\") forbid(principal, action, resource);",
            2,
            2,
            "\"a\"",
        ),
    ] {
        let found = findings(text);
        let first = found.iter().find(|finding| finding.error);
        let first = first.unwrap_or_else(|| panic!("{text}: {found:?}"));
        assert_eq!((first.line, first.column), (Some(line), Some(column)), "{text}: {found:?}");
        assert!(found.iter().any(|finding| finding.message.contains(says)), "{text}: {found:?}");
        assert!(!PolicyText::check(text).findings().valid);
    }
    let long = findings(&"x".repeat(300 * 1024));
    assert!(long[0].message.contains("307200 bytes; expected at most 262144"), "{long:?}");
}

#[test]
fn a_warning_forbids_nothing_and_names_the_rule() {
    let never =
        "@id(\"never\") permit(principal, action, resource)\nwhen { principal.id == \"a\" && false };";
    let found = findings(never);
    assert!(PolicyText::check(never).findings().valid, "{found:?}");
    assert!(found.iter().any(|finding| finding.message.contains("rule never")), "{found:?}");
    let nothing = findings("forbid(principal, action, resource);");
    assert!(nothing.iter().any(|finding| finding.message.contains("nothing is permitted")), "{nothing:?}");
}

/// The deepest texts that are read at all: they end, and where they are sound they decide, on the stack that
/// a service's threads have.
#[test]
fn the_deepest_text_that_is_read_is_checked_and_decided() {
    let with = |condition: &str| format!("permit(principal, action, resource) when {{ {condition} }};");
    let many = |piece: &str, times: usize, last: &str| with(&(piece.repeat(times) + last));
    let nested = with(&format!("{}true{}", "(".repeat(30), ")".repeat(30)));
    let sets = with(&format!(
        "{}true{} == {}true{}",
        "[".repeat(30),
        "]".repeat(30),
        "[".repeat(30),
        "]".repeat(30)
    ));
    for (text, is_sound) in [
        (nested, true),
        (sets, true),
        (many("principal.id == \"a\" || ", 120, "true"), true),
        (many("true && ", 300, "true"), true),
        (many("if principal.id == \"a\" then false else ", 100, "true"), true),
        (many("1 + ", 450, "1 > 0"), true),
        (many("true.", 450, "x"), false),
        (many("!", 900, "true"), false),
        (many("-", 900, "1 < 0"), false),
    ] {
        let checked = PolicyText::check(&text);
        let found = checked.findings();
        assert!(
            !found.findings.iter().any(|finding| finding.message.contains("words and signs")
                || finding.message.contains("nested")
                || finding.message.contains("could not be checked")),
            "{found:?}"
        );
        assert_eq!(found.valid, is_sound, "{text}: {found:?}");
        if is_sound {
            let deciding = std::thread::Builder::new()
                .stack_size(2 << 20)
                .spawn(move || with_question(Role::Worker, &external(), |question| checked.decide(question)));
            let outcome = deciding.unwrap().join().unwrap();
            assert_eq!((outcome.requirement.is_some(), outcome.errors), (true, vec![]), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a text, checking it ends with a verdict that is consistent.
    #[test]
    fn any_text_has_a_verdict(text in "(permit|forbid|[(){};@\"\\\\.,=&|!a-z0-9\\PC ]){0,60}") {
        let checked = PolicyText::check(&text);
        prop_assert_eq!(checked.findings().valid, checked.errors().next().is_none());
    }

    /// More rules never make a permit out of a forbid, nor ask for less.
    #[test]
    fn another_rule_never_weakens(
        approvals in prop::collection::vec(0..4u32, 1..5), forbids in any::<bool>()
    ) {
        let permit = |n: &u32| format!("@approvals(\"{n}\") permit(principal, action, resource);\n");
        let text: String = approvals.iter().map(permit).collect();
        let most = approvals.iter().max().copied();
        let outcome = decided(&text, &external());
        prop_assert_eq!(outcome.requirement.map(|needed| needed.approvals), most);
        if forbids {
            let text = text + "forbid(principal, action == Action::\"external.run\", resource);";
            prop_assert_eq!(decided(&text, &external()).requirement, None);
            prop_assert_eq!(decided(&text, &memory("a")).requirement.map(|needed| needed.approvals), most);
        }
    }
}

/// The facts of one mission, as a replica reads them from the ledger.
struct Facts {
    policies: Policies,
    last: u64,
}

impl Facts {
    fn new() -> Self {
        Self { policies: Policies::new(Arc::default(), Arc::default()), last: 0 }
    }

    fn drafted(&mut self, version: u32, text: &str, digest_of: &str) {
        let state = Policy {
            mission: Mission::new("demo").unwrap(),
            version,
            digest: Digest::from(&blake3::hash(digest_of.as_bytes())),
            text: text.to_owned(),
            note: String::new(),
            author: Caller::new("olga-1a2b3c4d").unwrap(),
            owner: Owner::new("person:olga").unwrap(),
            drafted_at_ms: 1,
        };
        let fact = self.fact(EntityName::Policy, version_id(version), &json!(state));
        self.policies.versions.apply(&fact).unwrap();
    }

    fn activated(&mut self, version: u32) {
        let owner = |name| Owner::new(name).unwrap();
        let active = Active {
            version,
            proposed_by: owner("person:olga"),
            confirmed_by: owner("person:rita"),
            since_ms: 2,
        };
        let state = Activation { activation: 7, active: Some(active), proposed: None };
        let fact = self.fact(EntityName::Activation, activation_id(), &json!(state));
        self.policies.activations.apply(&fact).unwrap();
    }

    fn fact(&mut self, name: EntityName, id: EntityId, state: &Value) -> FactRecord {
        self.last += 1;
        let entity = Entity { mission: Mission::new("demo").unwrap(), name, id };
        let payload = serde_json::to_vec(&json!({ "change": {}, "state": state })).unwrap();
        FactRecord {
            revision: self.last,
            at_ms: 1,
            fact: Fact { entity, kind: "made".to_owned() },
            request: None,
            envelope: Envelope { payload, ..Envelope::default() },
        }
    }

    fn decide(&self, effect: &Effect) -> Answer {
        with_question(Role::Worker, effect, |question| self.policies.decide(question))
    }
}

#[test]
fn without_a_policy_what_cannot_be_taken_back_needs_an_approver() {
    let facts = Facts::new();
    for (effect, approvals) in [
        (commit("main", &["a"]), 1),
        (external(), 1),
        (memory("a"), 0),
        (http(Method::Delete, "https://a.example/", None), 1),
        (http(Method::Get, "http://127.0.0.1:8222/varz", None), 1),
        (http(Method::Head, "https://a.example/", None), 1),
    ] {
        let answer = facts.decide(&effect);
        let wanted = Requirement { approvals, role: Role::Approver, expires_after_ms: None };
        assert_eq!((answer.requirement, answer.policy, answer.activation), (Some(wanted), None, 0));
    }
}

#[test]
fn a_policy_that_cannot_be_loaded_or_read_lets_nothing_through() {
    let permit = "permit(principal, action, resource);";
    let mut facts = Facts::new();
    facts.drafted(1, permit, permit);
    assert!(facts.decide(&memory("a")).requirement.is_some(), "drafted is not in force");
    facts.activated(1);
    let answer = facts.decide(&memory("a"));
    assert_eq!(
        (answer.policy, answer.activation, answer.rules.as_slice()),
        (Some(1), 7, ["policy0".to_owned()].as_slice())
    );
    assert!(answer.requirement.is_some());
    for (version, text, digest_of, says) in [
        (2, None, "", "version 2"),
        (3, Some("permit("), "permit(", "unexpected end"),
        (4, Some("permit(principal, action == Action::\"gone\", resource);"), "", "digest"),
        (5, Some("@approvals(\"99\") permit(principal, action, resource);"), "same", "0 to 16"),
    ] {
        if let Some(text) = text {
            facts.drafted(version, text, if digest_of == "same" { text } else { digest_of });
        }
        facts.activated(version);
        let answer = facts.decide(&memory("a"));
        assert_eq!((answer.requirement, answer.policy), (None, Some(version)), "{says}");
        assert!(answer.errors.concat().contains(says), "{says}: {:?}", answer.errors);
    }
}
