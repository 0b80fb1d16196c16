use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use proptest::prelude::*;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn any_parent() -> impl Strategy<Value = TraceParent> {
    (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace_id, span_id, sampled)| TraceParent {
        trace_id: NonZeroU128::new(trace_id).unwrap(),
        span_id: NonZeroU64::new(span_id).unwrap(),
        sampled,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(parent in any_parent()) {
        let text = parent.to_string();
        prop_assert_eq!(text.len(), LENGTH);
        prop_assert_eq!(text.parse(), Ok(parent));
    }

    #[test]
    fn no_text_is_read_as_something_else(text in "\\PC{0,70}") {
        if let Ok(parent) = text.parse::<TraceParent>() {
            let written = parent.to_string();
            prop_assert_eq!(written.get(3..53), text.get(3..53));
        }
    }

    #[test]
    fn one_changed_character_is_refused_or_changes_the_value(
        parent in any_parent(), at in 0..LENGTH, to in "[ -~]",
    ) {
        let mut text = parent.to_string();
        text.replace_range(at..=at, &to);
        // Only the version and the unknown flags may differ without a change of meaning.
        if at > 2 && at < 53 && text != parent.to_string() {
            prop_assert_ne!(text.parse(), Ok(parent));
        }
    }

    #[test]
    fn a_child_keeps_the_trace(parent in any_parent(), span_id in 1..=u64::MAX) {
        let child = parent.child(NonZeroU64::new(span_id).unwrap());
        prop_assert_eq!((child.trace_id, child.sampled), (parent.trace_id, parent.sampled));
        prop_assert_eq!(child.span_id.get(), span_id);
    }
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let cases = [
        ("", Error::Shape),
        (EXAMPLE.get(..54).unwrap(), Error::Shape),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011", Error::Shape),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", Error::Shape),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more", Error::Shape),
        ("00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01", Error::Shape),
        ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Error::Digit),
        ("00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01", Error::Digit),
        ("0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Error::Digit),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Error::Version),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", Error::Zero),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", Error::Zero),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<TraceParent>(), Err(error), "{text}");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let later = EXAMPLE.replacen("00", "cc", 1) + "-what-the-future-will-be-like";
    let parent: TraceParent = later.parse().unwrap();
    assert_eq!(parent.to_string(), EXAMPLE);
    let flags = EXAMPLE.replace("-01", "-fe").parse::<TraceParent>().unwrap();
    assert_eq!(flags.to_string(), EXAMPLE.replace("-01", "-00"));
}

#[test]
fn a_span_continues_the_trace_that_arrived() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("call");
        set_parent(&span, EXAMPLE).unwrap();
        let sent: TraceParent = inject(&span).unwrap().parse().unwrap();
        let arrived: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!((sent.trace_id, sent.sampled), (arrived.trace_id, true));
        assert_ne!(sent.span_id, arrived.span_id);

        let inner = span.in_scope(|| info_span!("inner"));
        assert_eq!(context(&inner).unwrap().trace_id, arrived.trace_id);
        assert_ne!(context(&info_span!("other")).unwrap().trace_id, arrived.trace_id);
        assert_eq!(set_parent(&span, "no"), Err(Error::Shape));
    });
}

#[test]
fn without_an_exporter_there_is_nothing_to_send_on() {
    tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        let span = info_span!("call");
        set_parent(&span, EXAMPLE).unwrap();
        assert_eq!(inject(&span), None);
    });
}
