//! Policies from the command line, with the example that comes along.

use std::path::Path;

use selvedge_kit::service::Running;
use selvedge_tests::{fabric::Fabric, governance};
use serde_json::json;

use crate::machine::{Machine, Ran};

/// An operator's machine with the example, and an approver of another owner.
struct Scene {
    machine: Machine,
    _governance: Running,
    _fabric: Fabric,
}

impl Scene {
    async fn start() -> Self {
        let fabric = Fabric::start().await;
        let governance = governance::start(&fabric.bus, "g1").await;
        let machine = Machine::of_operator(&fabric);
        let register = ["agent", "register", "rita", "--role", "approver", "--mission", "demo"];
        machine.run(&[&register[..], &["--owner", "person:rita"]].concat()).await.ok();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/policies");
        for file in ["example.cedar", "example.cases.json"] {
            std::fs::copy(examples.join(file), machine.path().join(file)).unwrap();
        }
        Self { machine, _governance: governance, _fabric: fabric }
    }

    async fn policy(&self, arguments: &[&str]) -> Ran {
        self.machine.run(&[&["policy"], arguments].concat()).await
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.machine.path().join(file), text).unwrap();
    }

    /// Another principal agrees to a version.
    async fn confirm(&self, version: u32) {
        let confirmed = self.policy(&["confirm", &version.to_string(), "--as", "rita"]).await;
        assert!(confirmed.err.contains("digest"), "what is agreed to is shown: {confirmed:?}");
        let confirmed = confirmed.ok();
        assert!(confirmed.contains(&format!("in force    version {version} since")), "{confirmed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_sound_and_decides_its_cases_as_it_says() {
    let scene = Scene::start().await;
    assert_eq!(scene.policy(&["validate", "example.cedar"]).await.ok(), "example.cedar is sound\n");
    let tested = scene.policy(&["test", "example.cedar", "example.cases.json"]).await.ok();
    assert!(tested.ends_with("19 cases, 0 of them otherwise than expected\n"), "{tested}");
    assert!(tested.contains("allowed with 2 approvals by role approver, within 2h by code, supply chain"));

    // Without a policy in force the same cases come out otherwise, which is told and ends with 1.
    let without = scene.policy(&["test", "active", "example.cases.json", "-o", "json"]).await;
    assert_eq!(without.code, 1, "{without:?}");
    let without: serde_json::Value = serde_json::from_str(&without.out).unwrap();
    let secret = without["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["name"].as_str().unwrap().contains("secret"));
    let secret = secret.unwrap();
    assert_eq!((&secret["expected"]["allow"], &secret["actual"]["allow"]), (&json!(false), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_told_with_their_place_and_the_line_they_stand_in() {
    let scene = Scene::start().await;
    scene.write("bad.cedar", "// ok\n@approvals(\"two\") permit(principal, action, resource)\n  when { resource.brnch == \"x\" };\n");
    for verb in ["validate", "draft"] {
        let bad = scene.policy(&[verb, "bad.cedar"]).await;
        assert_eq!(bad.code, 2, "{bad:?}");
        let told = bad.out + &bad.err;
        assert!(told.contains("bad.cedar:2:1: error: \"two\" is no number of approvals"), "{told}");
        assert!(
            told.contains("\n    2 | @approvals(\"two\") permit(principal, action, resource)\n      | ^\n"),
            "{told}"
        );
        assert!(told.contains("bad.cedar:3:10: error: rule policy0: "), "{told}");
        assert!(
            told.contains("\n    3 |   when { resource.brnch == \"x\" };\n      |          ^\n"),
            "{told}"
        );
    }
    std::fs::write(scene.machine.path().join("binary"), b"\xff\xfe\x00").unwrap();
    assert_ne!(scene.policy(&["validate", "binary"]).await.code, 0);
    assert_eq!(scene.policy(&["list"]).await.ok(), "no policy\n", "nothing was kept");
    let cases = scene.policy(&["test", "example.cedar", "bad.cedar"]).await;
    assert!(cases.code == 2 && cases.err.contains("not JSON"), "{cases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_drafted_put_in_force_compared_and_rolled_back() {
    let scene = Scene::start().await;
    let drafted = scene.policy(&["draft", "example.cedar", "--note", "first rules"]).await.ok();
    assert!(drafted.contains("version   1\n") && drafted.contains("in force  no"), "{drafted}");
    scene.write("strict.cedar", "forbid (principal, action, resource);\n");
    let strict = scene.policy(&["draft", "strict.cedar", "-o", "json"]).await;
    assert!(strict.err.contains("warning: nothing is permitted"), "{strict:?}");
    assert_eq!(strict.json()["policy"]["version"], 2);

    let nothing = scene.policy(&["rollback"]).await;
    assert!(nothing.code == 4 && nothing.err.contains("no policy is in force"), "{nothing:?}");
    let proposed = scene.policy(&["activate", "1", "--reason", "to begin"]).await.ok();
    assert!(proposed.contains("proposed    version 1 by ") && proposed.contains("to begin"), "{proposed}");
    let own = scene.policy(&["confirm", "1"]).await;
    assert!(own.code == 5 && own.err.contains("another principal"), "{own:?}");
    scene.confirm(1).await;
    let only = scene.policy(&["rollback"]).await;
    assert!(only.code == 3 && only.err.contains("before version 1"), "{only:?}");
    scene.policy(&["activate", "2", "--reason", "a breach"]).await.ok();
    scene.confirm(2).await;

    let listed = scene.policy(&["list"]).await.ok();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[1].starts_with("1 ") && lines[1].ends_with("first rules"), "{listed}");
    assert!(lines[2].starts_with("2 ") && lines[2].contains("in force"), "{listed}");
    let diff = scene.policy(&["diff", "active", "example.cedar"]).await.ok();
    assert!(diff.starts_with("--- version 2\n+++ example.cedar\n@@ -1 +1,"), "{diff}");
    assert!(diff.contains("\n-forbid (principal, action, resource);\n+// An example"), "{diff}");
    let same = scene.policy(&["diff", "1", "example.cedar", "-o", "json"]).await.json();
    assert_eq!((&same["same"], &same["diff"]), (&json!(true), &json!("")));

    let back = scene.policy(&["rollback", "-o", "json"]).await.json();
    assert_eq!(back["activation"]["proposed"]["version"], 1);
    assert_eq!(back["activation"]["proposed"]["reason"], "rollback from version 2");
    scene.confirm(1).await;
    let shown = scene.policy(&["show"]).await.ok();
    assert!(shown.contains("confirmed by person:rita") && shown.contains("@id(\"supply chain\")"), "{shown}");
    let log = scene.machine.run(&["log", "activation", "_", "--mission", "demo"]).await.ok();
    assert_eq!(log.matches("activation.confirmed/1").count(), 3, "{log}");
    let schema = scene.policy(&["schema"]).await.ok();
    assert!(schema.contains("action \"external.run\""), "{schema}");
    let missing = scene.policy(&["show", "9"]).await;
    assert_eq!(missing.code, 3, "{missing:?}");
}
