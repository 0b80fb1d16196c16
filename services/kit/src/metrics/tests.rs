use std::time::Duration;

use selvedge_contracts::fault::Fault;

use super::*;

fn has_line(page: &str, line: &str) -> bool {
    page.lines().any(|found| found == line)
}

#[test]
fn a_call_counts_by_code_and_time() {
    let metrics = Metrics::default();
    let call = metrics.call(Service::Registry, "whoami");
    call.record(Ok(()), Duration::from_micros(200));
    call.record(Err(&Fault::denied("not yours")), Duration::from_millis(3));
    let page = metrics.text();
    for line in [
        "# TYPE selvedge_requests counter",
        r#"selvedge_requests_total{service="registry",call="whoami",code="ok"} 1"#,
        r#"selvedge_requests_total{service="registry",call="whoami",code="denied"} 1"#,
        r#"selvedge_requests_total{service="registry",call="whoami",code="busy"} 0"#,
        "# TYPE selvedge_request_seconds histogram",
        "# UNIT selvedge_request_seconds seconds",
        r#"selvedge_request_seconds_bucket{le="0.0001",service="registry",call="whoami"} 0"#,
        r#"selvedge_request_seconds_bucket{le="0.00025",service="registry",call="whoami"} 1"#,
        r#"selvedge_request_seconds_bucket{le="+Inf",service="registry",call="whoami"} 2"#,
        r#"selvedge_request_seconds_count{service="registry",call="whoami"} 2"#,
        r#"selvedge_requests_in_flight{service="registry",call="whoami"} 0"#,
        "# EOF",
    ] {
        assert!(has_line(&page, line), "no {line} in\n{page}");
    }
}

#[test]
fn a_request_is_in_flight_until_its_guard_is_dropped() {
    let metrics = Metrics::default();
    let call = metrics.call(Service::Registry, "whoami");
    let line = |n| format!(r#"selvedge_requests_in_flight{{service="registry",call="whoami"}} {n}"#);
    let (first, second) = (call.begin(), call.begin());
    assert!(has_line(&metrics.text(), &line(2)));
    drop(first);
    drop(second);
    assert!(has_line(&metrics.text(), &line(0)));
}

#[test]
fn a_snapshot_says_what_srv_stats_asks() {
    let call = Metrics::default().call(Service::Registry, "whoami");
    assert_eq!(call.snapshot(), Snapshot::default());
    assert_eq!(call.snapshot().average_processing_ns(), 0);
    call.record(Ok(()), Duration::from_nanos(100));
    call.record(Err(&Fault::busy("é".repeat(1000))), Duration::from_nanos(300));
    let last_error = format!("429:{}", "é".repeat(256));
    let expected = Snapshot { requests: 2, errors: 1, processing_ns: 400, last_error };
    assert_eq!(call.snapshot(), expected);
    assert_eq!(expected.average_processing_ns(), 200);
}

#[test]
fn an_entity_counts_appends_conflicts_and_its_view() {
    let metrics = Metrics::default();
    let agents = metrics.entity(EntityName::Agent);
    agents.appended(Append::Stored);
    agents.appended(Append::Duplicate);
    agents.conflicted();
    agents.viewed(40, 42);
    metrics.audit_dropped();
    metrics.keys_not_revoked(0, 5);
    metrics.keys_not_revoked(0, 2);
    metrics.keys_not_revoked(5, 1);
    let page = metrics.text();
    for line in [
        r#"selvedge_ledger_appends_total{entity="agent",outcome="stored"} 1"#,
        r#"selvedge_ledger_appends_total{entity="agent",outcome="duplicate"} 1"#,
        r#"selvedge_ledger_appends_total{entity="agent",outcome="failed"} 0"#,
        r#"selvedge_conflicts_total{entity="agent"} 1"#,
        r#"selvedge_view_revision{entity="agent"} 40"#,
        r#"selvedge_view_lag{entity="agent"} 2"#,
        "selvedge_audit_dropped_total 1",
        "selvedge_keys_not_revoked 3",
    ] {
        assert!(has_line(&page, line), "no {line} in\n{page}");
    }
}

#[test]
fn a_page_without_requests_is_whole() {
    let page = Metrics::default().text();
    assert!(page.ends_with("# EOF\n"), "{page}");
    assert!(has_line(&page, "selvedge_audit_dropped_total 0"), "{page}");
}

#[test]
fn an_effect_counts_by_its_end() {
    let metrics = Metrics::default();
    let stuck = metrics.effects("stuck");
    assert!(has_line(&metrics.text(), r#"selvedge_effects_total{end="stuck"} 0"#));
    stuck.inc();
    assert!(has_line(&metrics.text(), r#"selvedge_effects_total{end="stuck"} 1"#));
}
