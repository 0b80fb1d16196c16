//! What each role may publish and subscribe to, derived from the tables of calls, facts and streams
//! and from nothing else. nats-server enforces it: these lists become the templates of the account's
//! scoped signing keys, in which `{{tag(…)}}` is filled from the credential's own tags.

use crate::{
    call, fact,
    id::Mission,
    role::{Role, Service},
    stream::{self, AUDIT, FOLLOWERS, FORWARDING, LEDGER, SCRATCH},
    subject::{
        EFFECT_PREFIX, FACT_PREFIX, FORWARD_PREFIX, LEASE_PREFIX, LIVE_PREFIX, REQUEST_PREFIX, requests_to,
    },
};

/// Tag that names the credential's mission.
pub const MISSION_TAG: &str = "mission";
/// Tag that names the credential's holder.
pub const AGENT_TAG: &str = "agent";
/// Tag that names the session, task, invite or instance.
pub const SCOPE_TAG: &str = "scope";

/// The subjects that a credential may publish and subscribe to; everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects it may publish.
    pub publish: Vec<String>,
    /// Subjects it may subscribe to; `<subject> <group>` only in that queue group.
    pub subscribe: Vec<String>,
}

/// Entities of the kluster's own mission whose facts every member may see.
const PUBLIC_ENTITIES: &[fact::EntityName] =
    &[fact::EntityName::Agent, fact::EntityName::Mission, fact::EntityName::Contract];

/// What credentials of `role` may do.
pub fn of(role: Role) -> Permissions {
    match Service::ALL.iter().copied().find(|service| service.role() == role) {
        Some(service) => of_service(service),
        None if role == Role::Effector => of_effector(),
        None => of_caller(role),
    }
}

fn inbox(role: Role) -> String {
    format!("_INBOX.{{{{tag({AGENT_TAG})}}}}.{role}-{{{{tag({SCOPE_TAG})}}}}.>")
}

/// Subjects of the calls that `role` may make. Members speak for one mission; operators and services
/// for any.
fn requests(role: Role) -> Vec<String> {
    let mission = match role {
        Role::Operator => "*".to_owned(),
        role if Service::ALL.iter().any(|service| service.role() == role) => "*".to_owned(),
        _ => format!("{{{{tag({MISSION_TAG})}}}}"),
    };
    call::allowed_to(role)
        .map(|call| {
            format!(
                "{REQUEST_PREFIX}.{mission}.{{{{tag({AGENT_TAG})}}}}.{role}-{{{{tag({SCOPE_TAG})}}}}.{}.{}",
                call.service, call.name
            )
        })
        .collect()
}

fn of_caller(role: Role) -> Permissions {
    let mut publish = requests(role);
    let mut subscribe = vec![inbox(role)];
    match role {
        Role::Operator => {
            subscribe.extend([
                format!("{LIVE_PREFIX}.>"),
                format!("{LEASE_PREFIX}.>"),
                format!("{REQUEST_PREFIX}.>"),
                "sv.audit.>".to_owned(),
            ]);
            publish.extend(
                ["$SRV.PING", "$SRV.PING.>", "$SRV.INFO", "$SRV.INFO.>", "$SRV.STATS", "$SRV.STATS.>"]
                    .map(String::from),
            );
            publish.extend(inspects());
        }
        Role::Join | Role::Door => {}
        _ => {
            for prefix in [LIVE_PREFIX, LEASE_PREFIX] {
                subscribe.push(format!("{prefix}.{{{{tag({MISSION_TAG})}}}}.>"));
            }
            subscribe.extend(
                PUBLIC_ENTITIES
                    .iter()
                    .map(|entity| format!("{LIVE_PREFIX}.{}.{entity}.>", Mission::kluster())),
            );
        }
    }
    Permissions { publish, subscribe }
}

/// An effector hears what the committer orders of it, and answers.
fn of_effector() -> Permissions {
    Permissions {
        publish: vec![format!("_INBOX.{}.*.>", Service::Committer)],
        subscribe: vec![format!("{EFFECT_PREFIX}.{{{{tag({AGENT_TAG})}}}}.*"), inbox(Role::Effector)],
    }
}

/// What an operator may look at: every stream's and consumer's state, and what stands in all but the scratchpads,
/// which are their agents' own.
fn inspects() -> Vec<String> {
    let buckets = Service::ALL.iter().flat_map(|service| stream::buckets(*service));
    let buckets = buckets.filter(|bucket| **bucket != SCRATCH).map(|bucket| stream::bucket_stream(bucket));
    let timers = stream::TIMED.iter().map(|service| stream::timers(*service));
    let streams: Vec<String> =
        [LEDGER, AUDIT].map(String::from).into_iter().chain(buckets).chain(timers).collect();
    let contents = streams.iter().flat_map(|stream| reads(stream));
    let states = [
        "INFO",
        "STREAM.NAMES",
        "STREAM.LIST",
        "STREAM.INFO.*",
        "CONSUMER.NAMES.*",
        "CONSUMER.LIST.*",
        "CONSUMER.INFO.*.*",
    ];
    let states = states.iter().map(|what| format!("$JS.API.{what}"));
    let mut rights: Vec<String> = states.chain(contents).collect();
    rights.retain(|right| !right.starts_with("$JS.API.STREAM.INFO.") || right.ends_with('*'));
    rights
}

/// The rights that reading a stream without a consumer needs.
fn reads(stream: &str) -> [String; 4] {
    [
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
    ]
}

fn of_service(service: Service) -> Permissions {
    let mut publish = requests(service.role());
    // Replies: only under a caller's own inbox. Which one, the kit checks (it knows who asked).
    publish.push("_INBOX.*.*.>".to_owned());
    publish.extend(
        fact::owned_by(service).map(|fact| format!("{FACT_PREFIX}.*.{}.*.{}", fact.entity, fact.name)),
    );
    publish.push(format!("sv.audit.{service}.>"));
    publish.extend(reads(LEDGER));
    for bucket in stream::buckets(service) {
        publish.push(stream::bucket_subject(bucket, ">"));
        publish.extend(reads(&stream::bucket_stream(bucket)));
    }
    if stream::TIMED.contains(&service) {
        publish.push(format!("sv.timer.{service}.>"));
        publish.push(format!("$JS.API.STREAM.PURGE.{}", stream::timers(service)));
    }
    for follower in FOLLOWERS.iter().filter(|follower| follower.service == service) {
        let (stream, consumer) = (follower.stream(), follower.consumer());
        publish.push(format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"));
        publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"));
        publish.push(format!("$JS.ACK.{stream}.{consumer}.>"));
    }
    // No tag may stand in this list: filling one in, nats-server drops every entry that names a queue
    // group. So the replicas of one service share their inboxes; no agent can be called as a service is.
    let mut subscribe = vec![
        format!("_INBOX.{service}.*.>"),
        format!("{} {service}", requests_to(service)),
        format!("{LIVE_PREFIX}.>"),
    ];
    if FORWARDING.contains(&service) {
        publish.push(format!("{FORWARD_PREFIX}.{service}.>"));
        subscribe.push(format!("{FORWARD_PREFIX}.{service}.>"));
    }
    if service == Service::Committer {
        publish.extend(["execute", "probe", "undo"].map(|order| format!("{EFFECT_PREFIX}.*.{order}")));
    }
    if service == Service::Leases {
        subscribe.push(format!("{LEASE_PREFIX}.>"));
    }
    for verb in ["PING", "INFO", "STATS"] {
        subscribe.push(format!("$SRV.{verb}"));
        subscribe.push(format!("$SRV.{verb}.{service}"));
        subscribe.push(format!("$SRV.{verb}.{service}.*"));
    }
    Permissions { publish, subscribe }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether some subject matches both patterns (NATS wildcards; `{{tag(…)}}` stands for one token).
    fn overlap(a: &str, b: &str) -> bool {
        fn tokens(pattern: &str) -> Vec<&str> {
            pattern.split(' ').next().unwrap().split('.').collect()
        }
        fn go(a: &[&str], b: &[&str]) -> bool {
            match (a, b) {
                ([">", ..], [_, ..]) | ([_, ..], [">", ..]) => true,
                ([x, a @ ..], [y, b @ ..]) => {
                    let wild = |t: &str| t == "*" || t.contains("{{");
                    (wild(x) || wild(y) || x == y) && go(a, b)
                }
                ([], []) => true,
                _ => false,
            }
        }
        go(&tokens(a), &tokens(b))
    }

    fn publishes(role: Role, pattern: &str) -> bool {
        of(role).publish.iter().any(|allowed| overlap(allowed, pattern))
    }

    fn subscribes(role: Role, pattern: &str) -> bool {
        of(role).subscribe.iter().any(|allowed| overlap(allowed, pattern))
    }

    const AGENTS: &[Role] = &[
        Role::Planner,
        Role::Worker,
        Role::Verifier,
        Role::Arbitrator,
        Role::Approver,
        Role::Join,
        Role::Door,
    ];

    #[test]
    fn no_agent_role_reaches_jetstream_or_a_bucket() {
        for role in AGENTS {
            for subject in ["$JS.>", "$KV.>", "$JS.API.CONSUMER.CREATE.LEDGER.x", "$SYS.>", "$O.>"] {
                assert!(!publishes(*role, subject), "{role} may publish {subject}");
                assert!(!subscribes(*role, subject), "{role} may subscribe to {subject}");
            }
        }
    }

    #[test]
    fn every_subject_of_an_agent_names_its_own_mission_agent_and_scope() {
        for role in AGENTS {
            for subject in of(*role).publish {
                assert!(
                    subject.starts_with(&format!(
                        "sv.req.{{{{tag(mission)}}}}.{{{{tag(agent)}}}}.{role}-{{{{tag(scope)}}}}."
                    )),
                    "{role} may publish {subject}"
                );
                assert!(!subject.contains(['*', '>']), "{role} may publish {subject}");
            }
            for subject in of(*role).subscribe.iter().filter(|s| s.starts_with("_INBOX")) {
                assert_eq!(subject, &inbox(*role));
            }
            assert!(!of(*role).subscribe.iter().any(|s| s.starts_with("sv.req")), "{role} hears requests");
        }
    }

    #[test]
    fn only_a_services_own_replicas_pass_requests_on() {
        for role in Role::ALL {
            let is_its_own = *role == Role::Leases;
            assert_eq!(publishes(*role, "sv.fwd.leases.>"), is_its_own, "{role}");
            assert_eq!(subscribes(*role, "sv.fwd.leases.>"), is_its_own, "{role}");
            assert!(!publishes(*role, "sv.fwd.registry.>"), "{role}");
        }
    }

    #[test]
    fn leases_are_written_by_their_service_and_seen_by_their_mission() {
        for role in Role::ALL {
            assert_eq!(publishes(*role, "$KV.leases.>"), *role == Role::Leases, "{role}");
            let sees = role.is_member() || *role == Role::Leases;
            assert_eq!(subscribes(*role, "sv.lease.demo.>"), sees, "{role}");
        }
        let worker = of(Role::Worker).subscribe;
        assert!(worker.contains(&"sv.lease.{{tag(mission)}}.>".to_owned()), "{worker:?}");
    }

    #[test]
    fn only_nats_server_writes_live_and_due() {
        for role in Role::ALL {
            assert!(!publishes(*role, "sv.lease.>"), "{role}");
            assert!(!publishes(*role, "sv.live.>"), "{role}");
            assert!(!publishes(*role, "sv.due.>"), "{role}");
        }
    }

    #[test]
    fn a_fact_can_be_published_by_its_owner_alone() {
        for fact in fact::FACTS {
            let subject = format!("sv.fact.demo.{}.some-id.{}", fact.entity, fact.name);
            for role in Role::ALL {
                assert_eq!(publishes(*role, &subject), *role == fact.service.role(), "{role} and {subject}");
            }
        }
    }

    #[test]
    fn the_committers_facts_are_the_committers_alone() {
        let of_committer: Vec<_> = fact::owned_by(Service::Committer).map(|fact| fact.kind().name).collect();
        let expected = [
            "intent.executing",
            "intent.committed",
            "intent.failed",
            "intent.unknown",
            "intent.compensating",
            "intent.compensated",
            "intent.stuck",
            "memory.written",
            "repository.set",
        ];
        assert_eq!(of_committer, expected);
        assert!(!publishes(Role::Governance, "sv.fact.*.intent.*.committed"));
        assert!(!publishes(Role::Committer, "sv.fact.*.intent.*.approved"));
        assert!(!publishes(Role::Registry, "sv.fact.*.intent.>"));
        assert!(!publishes(Role::Committer, "sv.fact.*.agent.>"));
    }

    #[test]
    fn an_effector_hears_its_own_orders_and_answers_the_committer_alone() {
        let Permissions { publish, subscribe } = of(Role::Effector);
        assert_eq!(publish, ["_INBOX.committer.*.>"]);
        assert!(subscribe.contains(&"sv.effect.{{tag(agent)}}.*".to_owned()), "{subscribe:?}");
        for role in Role::ALL {
            assert_eq!(publishes(*role, "sv.effect.mailer.execute"), *role == Role::Committer, "{role}");
            assert_eq!(subscribes(*role, "sv.effect.mailer.execute"), *role == Role::Effector, "{role}");
        }
    }

    #[test]
    fn an_operator_looks_at_streams_and_changes_none() {
        for looks in
            ["STREAM.INFO.KV_leases", "STREAM.MSG.GET.LEDGER", "CONSUMER.INFO.LEDGER.committer_intents"]
        {
            assert!(publishes(Role::Operator, &format!("$JS.API.{looks}")), "{looks}");
        }
        for changes in ["CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE", "SNAPSHOT", "MSG.DELETE"] {
            for stream in ["LEDGER", "KV_leases", "TIMERS_registry"] {
                assert!(
                    !publishes(Role::Operator, &format!("$JS.API.STREAM.{changes}.{stream}")),
                    "{changes}"
                );
            }
        }
        for subject in
            ["$JS.API.CONSUMER.CREATE.LEDGER.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$KV.>", "sv.fact.>"]
        {
            assert!(!publishes(Role::Operator, subject), "{subject}");
        }
        assert!(!publishes(Role::Operator, "$JS.API.STREAM.MSG.GET.KV_scratch"));
        assert!(!publishes(Role::Operator, "$JS.API.DIRECT.GET.KV_scratch.>"));
    }

    #[test]
    fn no_service_may_make_or_change_a_consumer_or_stream() {
        for service in Service::ALL {
            for verb in [
                "CONSUMER.CREATE",
                "CONSUMER.DURABLE.CREATE",
                "CONSUMER.DELETE",
                "STREAM.CREATE",
                "STREAM.UPDATE",
                "STREAM.DELETE",
                "STREAM.MSG.DELETE",
                "STREAM.RESTORE",
            ] {
                assert!(!publishes(service.role(), &format!("$JS.API.{verb}.>")), "{service} may {verb}");
                assert!(
                    !publishes(service.role(), &format!("$JS.API.{verb}.LEDGER")),
                    "{service} may {verb}"
                );
            }
            assert!(!publishes(service.role(), "$JS.API.STREAM.PURGE.LEDGER"), "{service}");
        }
    }

    #[test]
    fn services_hear_requests_only_in_their_queue_group() {
        for service in Service::ALL {
            let heard: Vec<_> =
                of(service.role()).subscribe.into_iter().filter(|s| s.starts_with("sv.req")).collect();
            assert_eq!(heard, [format!("sv.req.*.*.*.{service}.* {service}")]);
        }
    }

    #[test]
    fn no_list_with_a_queue_group_holds_a_tag() {
        for role in Role::ALL {
            let heard = of(*role).subscribe;
            let has = |found: &str| heard.iter().any(|subject| subject.contains(found));
            assert!(!(has(" ") && has("{{")), "{role}: nats-server would drop the entries with a group");
        }
    }

    #[test]
    fn templates_use_only_the_three_single_valued_tags() {
        for role in Role::ALL {
            let Permissions { publish, subscribe } = of(*role);
            for subject in publish.iter().chain(&subscribe) {
                let rest = subject
                    .replace("{{tag(mission)}}", "")
                    .replace("{{tag(agent)}}", "")
                    .replace("{{tag(scope)}}", "");
                assert!(!rest.contains(['{', '}']), "{subject}");
            }
        }
    }
}
