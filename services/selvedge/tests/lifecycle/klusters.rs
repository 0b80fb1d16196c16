//! Klusters made while up runs.

use selvedge_contracts::{
    call,
    id::Mission,
    payload::{
        Nothing,
        mission::{MissionCreate, MissionList},
    },
};
use serde_json::Value;

use crate::process::{Up, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_kluster_made_while_up_runs_is_served_at_once_and_apart() {
    let up = Up::start();
    let made = up.run(&["kluster", "create", "team-b", "--output", "json"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["state"], "serving");

    let (here, there) = (up.operator("main").await, up.operator("team-b").await);
    there.call::<call::Whoami>(&Nothing {}).await.unwrap();
    let create = MissionCreate { mission: Mission::new("secret").unwrap(), title: String::new() };
    there.call::<call::MissionCreate>(&create).await.unwrap();
    let names = async |client: &selvedge_kit::client::Client| {
        let reply = client.call::<call::MissionList>(&MissionList::default()).await.unwrap().reply;
        reply.missions.iter().map(|mission| mission.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&there).await, ["secret"]);
    assert_eq!(names(&here).await, ["demo"]);

    let again = up.run(&["kluster", "create", "team-b"]);
    assert_eq!(again.status.code(), Some(4), "{}", text(&again.stderr));
    let listed = text(&up.run(&["kluster", "list"]).stdout);
    assert!(listed.contains("main") && listed.contains("team-b"), "{listed}");

    for asked in [["status"], ["doctor"]] {
        let of_one = text(&up.run(&[&asked[..], &["--kluster", "team-b"]].concat()).stdout);
        assert!(of_one.contains("team-b"), "{of_one}");
        assert!(!of_one.contains("main: ") && !of_one.contains("kluster main"), "{of_one}");
        let of_none = up.run(&[&asked[..], &["--kluster", "other"]].concat());
        assert_eq!(of_none.status.code(), Some(3), "{of_none:?}");
        assert!(text(&of_none.stderr).contains("there are: main, team-b"), "{of_none:?}");
    }

    let up = up.kill9_and_start_again();
    assert_eq!(up.process.ready["klusters"], serde_json::json!(["main", "team-b"]));
    assert_eq!(names(&up.operator("team-b").await).await, ["secret"]);
}
