//! Logs and traces of the process.
//!
//! Owns the one `tracing` subscriber, the W3C trace context and the export of spans over OTLP. Never
//! holds metrics (see [`crate::metrics`]), and never lets a failing collector slow a request down:
//! spans that do not fit the exporter's queue are dropped.
//!
//! Logs obey `telemetry.log`. Spans obey the standard variables of OpenTelemetry, and are exported
//! from level `info` up, those of Selvedge itself from `debug` up: a span that only traces should
//! carry is a `debug_span!`, which costs nothing while there is no exporter.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber, subscriber::set_global_default};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{ParseError, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    registry::{LookupSpan, Registry},
};

use crate::config::{Environment, LogFormat, Telemetry};

mod otlp;
pub mod trace_context;

/// Longest wait for the last spans to be sent at a stop: a dead collector must not hold up a drain.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// Why there are no logs or traces.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The setting `telemetry.log` is no filter.
    #[error("setting `telemetry.log`: {directives:?} is no level and no list of target=level")]
    Filter {
        /// What stands there.
        directives: String,
        /// Why.
        source: ParseError,
    },
    /// A protocol for spans that is not spoken.
    #[error("variable {variable} asks for {protocol:?}: spans are sent as http/protobuf only")]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// What it asks for.
        protocol: String,
    },
    /// The exporter of spans cannot be made.
    #[error("cannot send spans to {endpoint}")]
    Exporter {
        /// Where to.
        endpoint: String,
        /// Why.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The process has a subscriber already.
    #[error("logs and traces are set up already")]
    Again(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Keeps the export of spans going. When it is dropped, what is left is sent, waiting a few seconds at
/// most.
#[must_use = "spans are exported only as long as it lives"]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(spans) = self.0.take() else { return };
        if let Err(error) = spans.shutdown_with_timeout(FLUSH_DEADLINE) {
            tracing::warn!(%error, "last spans not sent");
        }
    }
}

/// Sets up logs and traces for the process, under the name `service_name` (`OTEL_SERVICE_NAME` names
/// another).
///
/// # Errors
/// A filter or a variable of OpenTelemetry that says nothing sensible, or a second call.
pub fn init(
    settings: &Telemetry,
    service_name: &'static str,
    environment: &Environment,
) -> Result<Guard, Error> {
    let colour = io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
    let logs = log_layer(settings, if colour { Colour::Ansi } else { Colour::None }, io::stderr)?;
    let spans = otlp::exporter(service_name, environment)?;
    set_global_default(subscriber(logs, spans.as_ref()))?;
    Ok(Guard(spans))
}

/// Gives the process the TLS provider that its HTTP clients take; if one is installed already, that is
/// fine.
pub fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Ansi,
    None,
}

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

fn log_layer<W>(settings: &Telemetry, colour: Colour, writer: W) -> Result<Boxed, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|source| Error::Filter { directives: settings.log.clone(), source })?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match settings.log_format {
        LogFormat::Human => layer.with_ansi(colour == Colour::Ansi).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

fn subscriber(logs: Boxed, spans: Option<&SdkTracerProvider>) -> impl Subscriber + use<> {
    tracing_subscriber::registry().with(logs).with(spans.map(span_layer))
}

fn span_layer<S>(spans: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let exported = Targets::new().with_default(Level::INFO).with_target("selvedge", Level::DEBUG);
    tracing_opentelemetry::layer().with_tracer(spans.tracer("selvedge")).with_filter(exported)
}

#[cfg(test)]
mod tests;
