//! Whether a stream that is there may be made into the one that is wanted. Pure.

use std::time::Duration;

use async_nats::jetstream::stream::Config;

/// What is to be done with a stream that is there.
#[derive(Debug, PartialEq)]
pub(super) enum Judgement {
    /// Nothing: it is as wanted.
    Same,
    /// It may be updated to this.
    Differs(Box<Config>),
    /// An update would lose data, or cannot be done.
    Loses(String),
}

pub(super) fn compare(found: &Config, wanted: &Config) -> Judgement {
    let merged = merge(found, wanted);
    if &merged == found {
        return Judgement::Same;
    }
    match loss(found, wanted) {
        Some(reason) => Judgement::Loses(reason),
        None => Judgement::Differs(Box::new(merged)),
    }
}

/// The stream found, with all that we have an opinion on as wanted. The rest (placement, metadata, the
/// first sequence, mirrors) is the operator's.
fn merge(found: &Config, wanted: &Config) -> Config {
    let wanted = wanted.clone();
    Config {
        max_bytes: wanted.max_bytes,
        max_messages: wanted.max_messages,
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_age: wanted.max_age,
        discard: wanted.discard,
        subjects: wanted.subjects,
        retention: wanted.retention,
        storage: wanted.storage,
        num_replicas: wanted.num_replicas,
        duplicate_window: wanted.duplicate_window,
        sealed: wanted.sealed,
        description: wanted.description,
        allow_rollup: wanted.allow_rollup,
        deny_delete: wanted.deny_delete,
        republish: wanted.republish,
        allow_direct: wanted.allow_direct,
        compression: wanted.compression.or_else(|| found.compression.clone()),
        allow_message_ttl: wanted.allow_message_ttl,
        subject_delete_marker_ttl: wanted.subject_delete_marker_ttl,
        allow_atomic_publish: wanted.allow_atomic_publish,
        allow_message_schedules: wanted.allow_message_schedules,
        allow_message_counter: wanted.allow_message_counter,
        ..found.clone()
    }
}

fn loss(found: &Config, wanted: &Config) -> Option<String> {
    let shrinks = |name, found, wanted| {
        shrinks(found, wanted).then(|| format!("{name} is {found} and would become {wanted}"))
    };
    let age_ms = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    shrinks("max_bytes", found.max_bytes, wanted.max_bytes)
        .or_else(|| shrinks("max_msgs", found.max_messages, wanted.max_messages))
        .or_else(|| {
            shrinks("max_msgs_per_subject", found.max_messages_per_subject, wanted.max_messages_per_subject)
        })
        .or_else(|| shrinks("max_age in ms", age_ms(found.max_age), age_ms(wanted.max_age)))
        .or_else(|| found.sealed.then(|| "it is sealed".to_owned()))
        .or_else(|| changes("retention", &found.retention, &wanted.retention))
        .or_else(|| changes("storage", &found.storage, &wanted.storage))
        .or_else(|| {
            let dropped = found.subjects.iter().find(|subject| !wanted.subjects.contains(subject))?;
            Some(format!("it would no longer take {dropped}"))
        })
}

/// Whether a limit gets tighter; 0 and below is none.
fn shrinks(found: i64, wanted: i64) -> bool {
    wanted > 0 && (found <= 0 || wanted < found)
}

fn changes<T: std::fmt::Debug + PartialEq>(name: &str, found: &T, wanted: &T) -> Option<String> {
    (found != wanted).then(|| format!("its {name} is {found:?} and would become {wanted:?}"))
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::StorageType;

    use super::*;

    fn bounded(max_messages: i64) -> Config {
        Config { name: "S".to_owned(), subjects: vec!["s.>".to_owned()], max_messages, ..Config::default() }
    }

    fn reason(found: &Config, wanted: &Config) -> String {
        match compare(found, wanted) {
            Judgement::Loses(reason) => reason,
            other => panic!("expected a loss, got {other:?}"),
        }
    }

    #[test]
    fn a_tighter_limit_is_refused_and_a_wider_one_taken() {
        assert_eq!(reason(&bounded(10), &bounded(9)), "max_msgs is 10 and would become 9");
        assert_eq!(reason(&bounded(-1), &bounded(9)), "max_msgs is -1 and would become 9");
        for (found, wanted) in [(9, 10), (9, -1)] {
            assert!(matches!(compare(&bounded(found), &bounded(wanted)), Judgement::Differs(_)));
        }
        assert_eq!(compare(&bounded(9), &bounded(9)), Judgement::Same);
    }

    #[test]
    fn a_stream_keeps_its_storage_and_its_subjects() {
        let memory = Config { storage: StorageType::Memory, ..bounded(9) };
        assert!(reason(&bounded(9), &memory).contains("storage"));
        let other = Config { subjects: vec!["t.>".to_owned()], ..bounded(9) };
        assert_eq!(reason(&bounded(9), &other), "it would no longer take s.>");
    }

    #[test]
    fn what_we_have_no_opinion_on_stays() {
        let mut found = bounded(9);
        found.metadata.insert("_nats.ver".to_owned(), "2.15.1".to_owned());
        assert_eq!(compare(&found, &bounded(9)), Judgement::Same);
        let Judgement::Differs(merged) = compare(&found, &bounded(10)) else { panic!("it differs") };
        assert_eq!(merged.metadata, found.metadata);
    }
}
