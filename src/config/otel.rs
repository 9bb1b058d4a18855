//! OpenTelemetry's own variables, as far as the service has to know of them; what
//! is about the export itself its libraries read.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use super::Error;
use crate::telemetry::{Config, Protocol, Ratio};

const ENDPOINTS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// Lets the variables go before the configuration, as they do everywhere.
pub(super) fn apply(environment: &[(String, String)], telemetry: &mut Config) -> Result<(), Error> {
    let value = |name: &str| {
        let found = environment.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let refused = |name: &str, what: &str| Error { key: Some(name.into()), what: what.into() };
    telemetry.otlp |= ENDPOINTS.iter().any(|name| !value(name).is_empty());
    telemetry.otlp &= !value("OTEL_SDK_DISABLED").eq_ignore_ascii_case("true");
    telemetry.otlp_metrics &= value("OTEL_METRICS_EXPORTER") != "none";

    let name = "OTEL_EXPORTER_OTLP_PROTOCOL";
    match value(name) {
        "" => {}
        "grpc" => telemetry.otlp_protocol = Protocol::Grpc,
        "http/protobuf" => telemetry.otlp_protocol = Protocol::Http,
        _ => return Err(refused(name, "must be one of grpc, http/protobuf")),
    }
    let name = "OTEL_TRACES_SAMPLER_ARG";
    let argument = match value(name) {
        "" => None,
        text => {
            let ratio = text.parse().ok().and_then(Ratio::new);
            Some(ratio.ok_or_else(|| refused(name, "must be a number from 0 to 1"))?)
        }
    };
    let name = "OTEL_TRACES_SAMPLER";
    let sampler = value(name);
    // A caller's decision always goes first, so there is one of each pair.
    let ratio = match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
        "" => None,
        "always_on" => Ratio::new(1.0),
        "always_off" => Ratio::new(0.0),
        "traceidratio" => argument.or(Ratio::new(1.0)),
        _ => return Err(refused(name, "must be always_on, always_off or traceidratio")),
    };
    if let Some(ratio) = ratio {
        telemetry.trace_ratio = ratio;
    }
    Ok(())
}
