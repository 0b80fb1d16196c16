//! The W3C trace context (<https://www.w3.org/TR/trace-context-1/>): the `traceparent` header as a
//! value, and its connection to spans.
//!
//! Never draws a random number: ids are arguments. Does not carry `tracestate`.

use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    str::FromStr,
};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Name of the header.
pub const HEADER: &str = "traceparent";

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A place in a trace: what a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace, the same along the whole chain.
    pub trace_id: NonZeroU128,
    /// The caller's span.
    pub span_id: NonZeroU64,
    /// Whether the caller may have recorded its span.
    pub sampled: bool,
}

/// A text that is no `traceparent`. By the standard it is then ignored, and a new trace begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too short, too long for its version, or with its dashes elsewhere.
    #[error("a traceparent is version-traceid-spanid-flags: 2, 32, 16 and 2 digits")]
    Shape,
    /// A digit that is none, or an upper-case one.
    #[error("a traceparent's digits are lower-case hexadecimal")]
    Digit,
    /// Version ff.
    #[error("traceparent version ff is forbidden")]
    Version,
    /// A trace or span id of zeros only.
    #[error("a traceparent's trace id and span id are not zero")]
    Zero,
}

impl TraceParent {
    /// The context for a call made from within this one: the same trace, another span.
    #[must_use]
    pub const fn child(self, span_id: NonZeroU64) -> Self {
        Self { span_id, ..self }
    }
}

/// As version 00, with no flag but `sampled`.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, sampled } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*sampled))
    }
}

/// Reads any version but ff as the standard tells a reader of version 00 to: by its first 55
/// characters. Flags that version 00 does not know are dropped.
impl FromStr for TraceParent {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (known, more) = text.split_at_checked(LENGTH).ok_or(Error::Shape)?;
        let mut fields = known.split('-');
        let mut field = |digits| match fields.next() {
            Some(field) if field.len() == digits => number(field),
            _ => Err(Error::Shape),
        };
        let (version, trace_id, span_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        match version {
            0 if !more.is_empty() => return Err(Error::Shape),
            0xff => return Err(Error::Version),
            _ if !more.is_empty() && !more.starts_with('-') => return Err(Error::Shape),
            _ => {}
        }
        Ok(Self {
            trace_id: NonZeroU128::new(trace_id).ok_or(Error::Zero)?,
            span_id: u64::try_from(span_id).ok().and_then(NonZeroU64::new).ok_or(Error::Zero)?,
            sampled: flags & 1 == 1,
        })
    }
}

/// At most 32 digits.
fn number(field: &str) -> Result<u128, Error> {
    // `from_str_radix` alone would take a sign and upper case.
    if !field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(Error::Digit);
    }
    u128::from_str_radix(field, 16).map_err(|_| Error::Digit)
}

/// Where `span` stands in its trace; `None` where spans are not exported. A call made from within it
/// carries this as its `traceparent`.
pub fn context(span: &Span) -> Option<TraceParent> {
    let context = span.context();
    let context = context.span().span_context().clone();
    Some(TraceParent {
        trace_id: NonZeroU128::new(u128::from_be_bytes(context.trace_id().to_bytes()))?,
        span_id: NonZeroU64::new(u64::from_be_bytes(context.span_id().to_bytes()))?,
        sampled: context.is_sampled(),
    })
}

/// The `traceparent` for a call made from within `span`; `None` where spans are not exported: then
/// the one that arrived, if any, is passed on as it is.
pub fn inject(span: &Span) -> Option<String> {
    context(span).map(|context| context.to_string())
}

/// Makes `span` a child of the caller's span. Does nothing where spans are not exported. To be called
/// before the span is first entered: a started span keeps the parent it has.
///
/// # Errors
/// `traceparent` is none; the span then begins a trace of its own.
pub fn set_parent(span: &Span, traceparent: &str) -> Result<(), Error> {
    set_context(span, traceparent.parse()?);
    Ok(())
}

/// As [`set_parent`], for a `traceparent` that has been read already.
pub fn set_context(span: &Span, parent: TraceParent) {
    let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let remote = SpanContext::new(
        TraceId::from_bytes(parent.trace_id.get().to_be_bytes()),
        SpanId::from_bytes(parent.span_id.get().to_be_bytes()),
        flags,
        true,
        TraceState::default(),
    );
    // It fails where there is no exporter or the span is filtered out: then there is no parent to set.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}

#[cfg(test)]
mod tests;
