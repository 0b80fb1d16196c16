//! A fabric with one guard broken: the suite must notice, by the right case.

use selvedge_eval::{Report, Suite, Verdict};
use selvedge_kit::sabotage::{Guard, on};
use selvedge_tests::eval::Whole;

use crate::{alone, options, tried};

/// Breaks a guard and runs a suite; one of these cases, at least, must say so.
async fn caught(guard: Guard, suite: Suite, trials: u32, by: &[&str]) -> Report {
    let _alone = alone().await;
    // Before anything starts: some guards stand in what is made at the beginning.
    let broken = on(guard);
    let whole = Whole::start().await;
    let report = tried(&whole, &options(suite, trials)).await;
    drop(broken);
    assert_eq!(report.verdict, Verdict::Broken, "{guard:?}: {}", report.human());
    let noticed: Vec<_> =
        report.cases.iter().filter(|case| case.verdict == Verdict::Broken).map(|case| case.name).collect();
    assert!(by.iter().any(|case| noticed.contains(case)), "{guard:?} was noticed by {noticed:?}, not {by:?}");
    whole.stop().await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_are_granted_whatever_is_held_are_noticed() {
    caught(Guard::Leases, Suite::Race, 4, &["lease-paths"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_without_a_guard_are_noticed() {
    caught(Guard::Append, Suite::Replay, 8, &["write-calls", "published-version", "signed-envelope"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_nobody_looks_at_is_noticed() {
    caught(Guard::Fence, Suite::Staleness, 6, &["superseded-token"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repetitions_that_are_taken_for_new_are_noticed() {
    caught(Guard::Repetition, Suite::Replay, 4, &["late-repetition", "published-version"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_may_make_every_call_are_noticed() {
    caught(Guard::Rights, Suite::Escalation, 2, &["narrowed-session"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_may_publish_everything_are_noticed() {
    caught(Guard::Permissions, Suite::Escalation, 2, &["every-call", "forged-subject"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_of_ones_own_are_noticed() {
    caught(Guard::OwnApproval, Suite::Escalation, 4, &["own-approval"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_be_undone_and_is_not_is_noticed() {
    caught(Guard::Undone, Suite::Compensation, 4, &["records", "world"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_undone_twice_is_noticed() {
    caught(Guard::UndoneOnce, Suite::Compensation, 4, &["world"]).await;
}
