//! What a decision of a policy of a thousand rules takes, in this process: from the effect to the answer.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use selvedge_contracts::{id::Mission, payload::policy::PolicyCase};
use selvedge_governance::PolicyText;
use serde_json::{Value, json};

const RULES: usize = 1_000;
const GOAL_US: f64 = 1_000.0;

pub(crate) fn measure(seconds: f64) {
    println!("\n### policy: {RULES} rules\n");
    for (rules, text) in [("about four actions", spread()), ("all about commits", commits())] {
        let before_kb = resident_kb();
        let started = Instant::now();
        let policy = PolicyText::check(&text);
        println!(
            "- {rules}: a text of {} KiB is checked in {:.0} ms and held in {:.1} MB",
            text.len() / 1_024,
            started.elapsed().as_secs_f64() * 1e3,
            resident_kb().saturating_sub(before_kb) as f64 / 1_024.0
        );
        assert!(policy.findings().valid, "{:?}", policy.findings());
        for (what, paths) in [("a commit of 10 files", 10), ("a commit of 1,000 files", 1_000)] {
            decide(&format!("{rules}, {what}"), &policy, &case(paths), seconds);
        }
    }
}

fn decide(what: &str, policy: &PolicyText, case: &PolicyCase, seconds: f64) {
    let mission = Mission::new("demo").expect("a mission");
    let decision = policy.test(&mission, case);
    assert!(decision.actual.allow && decision.errors.is_empty(), "{decision:?}");
    let mut taken = Vec::new();
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        let started = Instant::now();
        black_box(policy.test(&mission, black_box(case)));
        taken.push(started.elapsed());
    }
    taken.sort();
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "- {what}: p50 {:.0} µs, p99 {:.0} µs (goal <= {GOAL_US:.0}), {} decisions",
        at(0.5),
        at(0.99),
        taken.len()
    );
}

/// Rules about every action, as a mission of many repositories and hosts would have them.
fn spread() -> String {
    let rule = |n: usize| match n % 4 {
        0 => commit(n / 4),
        1 => format!(
            "@approvals(\"1\") permit (principal, action == Action::\"http.request\", resource)\n\
             when {{ resource.host == \"host{n}.example.org\" && resource.path like \"/v1/*\" }};\n"
        ),
        2 => format!(
            "permit (principal, action == Action::\"memory.put\", resource)\n\
             when {{ principal.role == Role::\"planner\" && resource.key like \"team{n}/*\" }};\n"
        ),
        _ => format!(
            "@approvals(\"2\") permit (principal, action == Action::\"external.run\", resource == Operation::\"e{n}/run\")\n\
             when {{ context has task }};\n"
        ),
    };
    (0..RULES).map(rule).collect()
}

/// The worst: every rule has to be looked into.
fn commits() -> String {
    (0..RULES).map(commit).collect()
}

/// The last of them, whichever that is, permits what is asked: all before it are looked into for nothing.
fn commit(n: usize) -> String {
    let folder = if n == RULES / 4 - 1 || n == RULES - 1 { "src/".to_owned() } else { format!("team{n}/") };
    format!(
        "@approvals(\"1\") permit (principal, action == Action::\"git.commit\", resource)\n\
         when {{ resource.branch == \"main\" && principal.role == Role::\"worker\" && resource.folders.contains(\"{folder}\") }};\n"
    )
}

fn case(paths: usize) -> PolicyCase {
    let content = "a".repeat(64);
    let change =
        |n: usize| json!({ "op": "put", "path": format!("src/m{}/f{n}.rs", n % 20), "content": content });
    let changes: Vec<Value> = (0..paths).map(change).collect();
    let case = json!({
        "name": "a commit", "agent": "ada-1a2b3c4d", "role": "worker", "owner": "person:ada",
        "effect": {
            "kind": "git", "repository": "record", "branch": "main", "base": "a".repeat(40),
            "changes": changes, "message": "a change",
        },
        "expect": { "allow": true },
    });
    serde_json::from_value(case).expect("a case")
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    resident.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
