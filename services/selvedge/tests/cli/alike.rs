//! What looks like something that is there, from the command line, on a running `up` with every default.

use std::fs;

use serde_json::json;

use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_alike_is_shown_and_decided_by_a_flag_where_nobody_can_be_asked() {
    let machine = Machine::of_up_with(&[]).await;
    machine.agent("ada", "worker").await;
    machine.agent("bob", "worker").await;
    let intent = |key: &str| {
        let effect =
            json!({ "kind": "memory", "key": key, "value": "where the user came from", "revision": 0 });
        let title = "Decide how the login page redirects after a logout";
        let file = format!("{}.json", key.replace('/', "-"));
        let wanted = json!({ "title": title, "effect": effect });
        fs::write(machine.path().join(&file), wanted.to_string()).unwrap();
        file
    };
    let propose = async |key: &str, more: &[&str], agent: &str| {
        let file = intent(key);
        machine.run(&[&["intent", "propose", file.as_str(), "--as", agent][..], more].concat()).await
    };
    propose("login/redirect", &[], "ada").await.ok();
    let asked = propose("auth/next-page", &[], "bob").await;
    assert_eq!(asked.code, 17, "{asked:?}");
    for part in ["Decide how the login page", "ada-", "--overlap proceed", "creation_"] {
        assert!(asked.err.contains(part), "{part:?} is missing of\n{}", asked.err);
    }
    assert!(!machine.run(&["intent", "list", "--as", "bob"]).await.ok().contains("auth/next-page"));
    propose("auth/next-page", &["--overlap", "proceed"], "bob").await.ok();
    assert!(machine.run(&["intent", "list", "--as", "bob"]).await.ok().contains("auth/next-page"));
    propose("auth/logout", &["--overlap", "discard"], "bob").await.ok();
    let discarded = propose("auth/logout", &[], "bob").await;
    assert!(discarded.code == 4 && discarded.err.contains("decided against"), "{discarded:?}");

    fs::write(machine.path().join("found.md"), "what was found").unwrap();
    let put = |name: &'static str, more: &'static [&'static str]| {
        let put = ["artifact", "put", "found.md", "--name", name, "--as", "ada"];
        machine.command(&[&put[..], more].concat()).output()
    };
    let put = async |name, more| crate::machine::ran(put(name, more).await.unwrap());
    put("research/login-redirect-analysis", &[]).await.ok();
    let asked = put("research/login_redirect_analysis", &[]).await;
    assert!(asked.code == 17 && asked.err.contains("research login redirect analysis"), "{asked:?}");
    put("research/login_redirect_analysis", &["--overlap", "proceed"]).await.ok();
    put("research/login_redirect_analysis", &[]).await.ok();
}

const PLAN: &str = "\
title: Rework the login page
tasks:
  - {id: form, title: Fix the login form, checks: [{kind: pointer, at: /passed}]}
  - {id: redirect, title: Decide where the login page redirects to, checks: [{kind: pointer, at: /passed}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_looks_like_another_is_decided_by_a_flag_and_else_ends_with_17() {
    let machine = Machine::of_up_with(&[]).await;
    machine.agent("pia", "planner").await;
    machine.agent("paul", "planner").await;
    let submit = async |plan: &str, more: &[&str], agent: &str| {
        machine.run_with(&[&["plan", "submit", "-", "--as", agent][..], more].concat(), plan).await
    };
    submit(PLAN, &[], "pia").await.ok();
    submit(PLAN, &[], "paul").await.ok(); // the same plan
    let other = PLAN.replace("id: form", "id: login-form");
    let asked = submit(&other, &[], "paul").await;
    assert_eq!(asked.code, 17, "{asked:?}");
    for part in ["plan: Rework the login page", "pia-", "--overlap proceed", "creation_"] {
        assert!(asked.err.contains(part), "{part:?} is missing of\n{}", asked.err);
    }
    submit(&other, &["--overlap", "discard"], "paul").await.ok();
    let discarded = submit(&other, &[], "paul").await;
    assert!(discarded.code == 4 && discarded.err.contains("decided against"), "{discarded:?}");
    let third = PLAN.replace("id: form", "id: form-once-more");
    let made = submit(&third, &["--overlap", "proceed", "-o", "json"], "paul").await.json();
    assert!(made["plan"]["checked"]["creation"].is_string(), "{made}");
    let listed = machine.run(&["plan", "list", "-o", "json", "--as", "pia"]).await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
}
