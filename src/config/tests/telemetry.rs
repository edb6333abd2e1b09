use super::{load_variables, load_with, messages, notes, origin};
use crate::config::{Loaded, Tracing};

fn tracing(variables: &[(&str, &str)]) -> (Option<Tracing>, Vec<String>) {
    let loaded = load_variables(variables).unwrap();
    let notes = notes(&loaded);
    (loaded.config.tracing, notes)
}

fn endpoint(loaded: &Loaded) -> &str {
    loaded.config.tracing.as_ref().map_or("", |tracing| &tracing.endpoint)
}

#[test]
fn nothing_is_traced_unless_somebody_says_where_to() {
    assert_eq!(tracing(&[]), (None, Vec::new()));
    // So do the images of distribution begin.
    assert_eq!(tracing(&[("OTEL_TRACES_EXPORTER", "none")]), (None, Vec::new()));
    assert_eq!(tracing(&[("OTEL_SERVICE_NAME", "r")]), (None, Vec::new()));
}

#[test]
fn the_standard_variables_are_settings() {
    let (read, notes) = tracing(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-general=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=a%20b, x-tenant = t"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,deployment.environment=test"),
        ("OTEL_SERVICE_NAME", "hub"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_TRACES_EXPORTER", ""),
    ]);
    assert_eq!(notes, [] as [&str; 0]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let wanted = Tracing {
        endpoint: "http://collector:4318/v1/traces".to_owned(),
        headers: vec![pair("api-key", "a b"), pair("x-tenant", "t")],
        timeout: std::time::Duration::from_millis(500),
        samplingratio: "0.25".to_owned(),
        servicename: "hub".to_owned(),
        attributes: [pair("deployment.environment", "test")].into(),
    };
    assert_eq!(read, Some(wanted));
}

#[test]
fn a_collector_is_where_one_usually_is_unless_something_else_is_said() {
    let (usual, _) = tracing(&[("OTEL_TRACES_EXPORTER", "otlp")]);
    assert_eq!(usual.unwrap().endpoint, "http://localhost:4318/v1/traces");
    let (special, _) = tracing(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://special/x"),
    ]);
    assert_eq!(special.unwrap().endpoint, "https://special/x");
    let file = "tracing: {endpoint: 'http://file:4318/v1/traces'}\n";
    let kept = load_with(file, &[("OTEL_TRACES_EXPORTER", "otlp")]).unwrap();
    assert_eq!(endpoint(&kept), "http://file:4318/v1/traces");
    let off = load_with(file, &[("OTEL_SDK_DISABLED", "true")]).unwrap();
    assert_eq!((endpoint(&off), origin(&off, "tracing.endpoint").as_str()), ("", "OTEL_SDK_DISABLED"));
    let ours =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs"), ("REGISTRY_TRACING_ENDPOINT", "http://ours/")];
    assert_eq!(endpoint(&load_variables(&ours).unwrap()), "http://ours/");
}

#[test]
fn what_cannot_be_done_is_said() {
    for (variable, value, is_traced, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", false, "only http/protobuf is spoken"),
        ("OTEL_TRACES_EXPORTER", "zipkin", false, "only otlp and none are known"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", true, "this sampler is not known"),
        ("OTEL_TRACES_SAMPLER", "always_on", true, "as its traceparent says"),
        ("OTEL_TRACES_SAMPLER_ARG", "1", true, "without OTEL_TRACES_SAMPLER"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", true, "not supported"),
        ("OTEL_METRICS_EXPORTER", "otlp", true, "not supported"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense", true, "not name=value"),
    ] {
        let (read, notes) = tracing(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), (variable, value)]);
        assert_eq!(read.is_some(), is_traced, "{variable}={value}");
        assert!(
            matches!(notes.as_slice(), [note] if note.contains(said) && note.contains(variable)),
            "{variable}={value}: {notes:?}"
        );
    }
    let wrong = load_variables(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "7"),
    ]);
    let messages = messages(wrong);
    assert!(messages.iter().any(|message| message.contains("is no URL")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("a number from 0 to 1")), "{messages:?}");
}
