//! A worker's change goes all the way: checked by another one, approved by a person, committed where the record is.

use selvedge_tests::wait::until;
use serde_json::json;

use crate::working::{becomes, said, shop, start, stop, submit, worker};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_lands_in_a_record_that_is_reached_by_its_url() {
    let machine = shop().await;
    machine.agent("olga", "approver").await;
    // Another folder than that of `record`, so that nothing but the URL leads there.
    machine.git(".", "x", &["clone", "-q", "--bare", "seed", "far.git"]).await.ok();
    let url = format!("file://{}", machine.path().join("far.git").display());
    machine.run(&["repository", "set", "far", &url]).await.ok();
    let place = json!({ "repository": "far", "branch": "main" });
    let plan = submit(
        &machine,
        json!([{ "id": "count", "title": "count on", "workspace": place,
            "effects": [{ "name": "land", "on": { "kind": "git", "repository": "far", "branch": "main" } }],
            "checks": [{ "kind": "command", "run": ["grep", "-qx", "2", "count"] }] }]),
    )
    .await;
    let working = start(&machine, "worker.log", &worker("echo 2 > count", &[]));
    let verifying = start(&machine, "verifier.log", &["verifier", "--as", "vera"]);
    let shown = becomes(&machine, &plan, "count", "committing").await;
    let asked = until("somebody to be asked", async || {
        let listed = machine.run(&["approval", "list", "--mine", "--as", "olga", "-o", "json"]).await.json();
        listed[0]["intent"]["id"].as_str().map(str::to_owned).ok_or(listed)
    })
    .await;
    assert_eq!(shown["task"]["effects"][0]["intent"], json!(asked));
    machine.run(&["approval", "grant", &asked, "--as", "olga", "--yes"]).await.ok();
    becomes(&machine, &plan, "count", "validated").await;
    let count = machine.git("far.git", "x", &["show", "main:count"]).await.ok();
    assert_eq!(count.trim(), "2", "{}", said(&machine, "worker.log"));
    let untouched = machine.git("record.git", "x", &["show", "main:count"]).await.ok();
    assert_eq!(untouched.trim(), "1");
    assert_eq!(stop(working).await, Some(0));
    assert_eq!(stop(verifying).await, Some(0));
}
