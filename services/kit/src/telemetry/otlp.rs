//! Export of spans over OTLP as HTTP with protobuf, when the standard variables ask for it
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
//!
//! The batch processor of the SDK sends from a thread of its own, outside of the async runtime, so
//! its HTTP client must be a blocking one: an async one would find no reactor there. Endpoint and
//! on/off are read from the [`Environment`] given; headers, timeouts, sampling and the size of
//! batches are read by the SDK from the environment of the process.

use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};

use super::Error;
use crate::config::Environment;

const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The more special one first: it wins.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// The exporter that `environment` asks for, if it does.
pub(super) fn exporter(
    service_name: &'static str,
    environment: &Environment,
) -> Result<Option<SdkTracerProvider>, Error> {
    let Some(endpoint) = endpoint(environment) else {
        return Ok(None);
    };
    check_protocol(environment)?;
    super::use_ring();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(&endpoint)
        .build()
        .map_err(|source| Error::Exporter { endpoint, source })?;
    let resource = resource(service_name, environment);
    let spans = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
    Ok(Some(spans.build()))
}

/// The URL to post spans to: as given for traces, or below the one given for all signals.
fn endpoint(environment: &Environment) -> Option<String> {
    let is_off = environment.get("OTEL_TRACES_EXPORTER") == Some("none")
        || environment.get("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    if is_off {
        return None;
    }
    if let Some(endpoint) = environment.get(TRACES_ENDPOINT) {
        return Some(endpoint.to_owned());
    }
    let base = environment.get(ENDPOINT)?;
    Some(format!("{}/v1/traces", base.trim_end_matches('/')))
}

fn check_protocol(environment: &Environment) -> Result<(), Error> {
    let asked = PROTOCOLS.iter().find_map(|name| Some((*name, environment.get(name)?)));
    match asked {
        None | Some((_, "http/protobuf")) => Ok(()),
        Some((variable, protocol)) => Err(Error::Protocol { variable, protocol: protocol.into() }),
    }
}

/// Who sends the spans. The SDK adds `OTEL_RESOURCE_ATTRIBUTES`.
fn resource(service_name: &'static str, environment: &Environment) -> Resource {
    let name = environment.get("OTEL_SERVICE_NAME").unwrap_or(service_name);
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_service_name(name.to_owned()).with_attribute(version).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<String> {
        endpoint(&variables.iter().copied().collect())
    }

    #[test]
    fn the_endpoint_for_traces_is_taken_as_it_is_and_the_general_one_gets_the_path() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[(ENDPOINT, "")]), None);
        assert_eq!(found(&[(ENDPOINT, "http://c:4318")]).unwrap(), "http://c:4318/v1/traces");
        assert_eq!(found(&[(ENDPOINT, "http://c/x/")]).unwrap(), "http://c/x/v1/traces");
        let both = [(ENDPOINT, "http://c:4318"), (TRACES_ENDPOINT, "http://t/")];
        assert_eq!(found(&both).unwrap(), "http://t/");
    }

    #[test]
    fn the_standard_switches_turn_it_off() {
        for switch in [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "TRUE")] {
            assert_eq!(found(&[(ENDPOINT, "http://c:4318"), switch]), None);
        }
    }
}
