//! Metrics and logs: what the pages about them say is what there is, nobody outside
//! can make more of them, and whoever collects them cannot hold anybody up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use paylink::pb;
use paylink::pb::payment::State;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;
use regex::Regex;
use tonic::Request;
use tonic::body::Body;

use crate::harness::{
    Collector, Folder, Page, Program, Watch, Wire, origin, poster_request, until, wire,
};

const PARTS: [&str; 4] = ["grpc", "webhook", "operations", "sandbox"];
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A metric, as the page tells of it.
#[derive(Debug)]
struct Metric {
    name: String,
    kind: String,
    attributes: BTreeSet<String>,
    meaning: String,
}

/// The source without tests and without the sandbox, which is a tool for tests.
fn source() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut text) = (vec![root.clone()], String::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_left_out = path.starts_with(root.join("sandbox")) || path.ends_with("tests.rs");
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_left_out {
                let file = fs::read_to_string(path).unwrap();
                text.push_str(file.split("#[cfg(test)]").next().unwrap());
            }
        }
    }
    text
}

/// The rows of a table of a page, by what its first cell begins with.
fn rows(page: &str, first: &str, cells: usize) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let page = fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with(&format!("| {first}")));
    let rows = rows.map(|line| {
        let line = line.trim_matches('|');
        line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>()
    });
    rows.filter(|row| row.len() == cells && row[0] != "name").collect()
}

/// The metrics of the page, by their names in Prometheus.
fn told_metrics() -> BTreeMap<String, Metric> {
    let metric = |row: Vec<String>| {
        let attributes = row[4].split(", ").filter(|name| !name.is_empty());
        let attributes = attributes.map(|name| name.replace('.', "_")).collect();
        let [name, prometheus, kind, .., meaning] = &*row else { unreachable!() };
        let (name, kind, meaning) = (name.clone(), kind.clone(), meaning.clone());
        (prometheus.clone(), Metric { name, kind, attributes, meaning })
    };
    rows("telemetry.md", "`", 6).into_iter().map(metric).collect()
}

async fn scrape(program: &Program) -> String {
    let url = format!("http://{}/metrics", program.address("operations"));
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// The series of an exposition, without their values.
fn series(exposition: &str) -> BTreeSet<String> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

fn links(program: &Program) -> PaymentLinkServiceClient<Wire> {
    PaymentLinkServiceClient::with_origin(wire(), origin(program.address("grpc")))
}

async fn get(program: &Program, id: &str) -> Result<(), tonic::Status> {
    let request = pb::GetPaymentLinkRequest { id: id.into() };
    links(program).get_payment_link(request).await.map(drop)
}

#[test]
fn the_page_lists_the_metrics_of_the_source_and_no_others() {
    let made = Regex::new(r#"(?:counter|histogram|gauge)\(\s*"((?:paylink|rpc|http|db)\.[^"]+)""#);
    let source = source();
    let made: BTreeSet<String> =
        made.unwrap().captures_iter(&source).map(|found| found[1].to_owned()).collect();
    let told: BTreeSet<String> = told_metrics().into_values().map(|metric| metric.name).collect();
    assert_eq!(told, made);
}

#[test]
fn the_page_lists_the_lines_of_the_source_and_no_others() {
    let said = r#"(?s)tracing::(error|warn|info|debug)!\([^;]*?"((?:[^"\\]|\\.)+)",?\s*\)"#;
    let source = source();
    let said: BTreeSet<(String, String)> = Regex::new(said)
        .unwrap()
        .captures_iter(&source)
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect();
    let told: BTreeSet<(String, String)> = rows("logging.md", "`", 3)
        .into_iter()
        .filter(|row| !row[0].contains(' '))
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(told, said);
}

#[tokio::test]
async fn what_is_scraped_is_what_the_page_says() {
    let program = Program::start("dev", &PARTS, &[]).await;
    let mut payments = PaymentServiceClient::with_origin(wire(), origin(program.address("grpc")));
    let watch = payments.watch_payments(pb::WatchPaymentsRequest::default()).await.unwrap();
    let link = links(&program).create_payment_link(poster_request()).await.unwrap().into_inner();
    Page::open(&link.url).await.pay("4242424242424242").await;
    let mut watch = Watch::new(watch.into_inner());
    while watch.payment().await.state() != State::Paid {}
    get(&program, "plink_none").await.unwrap_err();

    let (scraped, told) = (scrape(&program).await, told_metrics());
    let of = |name: &str| told.get(name).unwrap_or_else(|| panic!("{name} is not on the page"));
    let labels = Regex::new(r#"(\w+)="(?:[^"\\]|\\.)*""#).unwrap();
    let mut count = 0;
    for line in scraped.lines().filter(|line| !line.contains("target_info")) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(of(name).kind, kind, "{name}");
            count += 1;
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, meaning) = rest.split_once(' ').unwrap();
            assert_eq!(of(name).meaning, meaning, "{name}");
        } else if let Some((name, rest)) = line.split_once('{') {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let metric = of(base.filter(|base| told.contains_key(*base)).unwrap_or(name));
            for label in labels.captures_iter(rest).map(|found| found[1].to_owned()) {
                assert!(label == "le" || metric.attributes.contains(&label), "{line}");
            }
        }
    }
    assert!(count >= 25, "{count} of {} metrics were seen", told.len());
}

#[tokio::test]
async fn nobody_outside_can_make_series() {
    let program = Program::start("dev", &PARTS, &[]).await;
    let hostile = async |number: u32| {
        let at = program.address("grpc");
        for path in ["paylink.v1.PaymentLinkService/No", "no.Such", "/", "a/b/c"] {
            let call = http::Request::post(format!("http://{at}/{path}{number}"))
                .header("content-type", "application/grpc")
                .header("user-agent", format!("agent-{number}"))
                .header("paylink-request-id", format!("id-{number}"))
                .header("x-forwarded-for", format!("10.0.0.{number}"));
            wire().request(call.body(Body::empty()).unwrap()).await.unwrap();
        }
        get(&program, &format!("plink_{number}")).await.unwrap_err();
        let http = reqwest::Client::new();
        let at = program.address("webhook");
        for path in [format!("webhooks/{number}"), "webhooks/stripe".to_owned()] {
            let hook = http.post(format!("http://{at}/{path}"));
            let hook = hook.header("stripe-signature", format!("t={number},v1={number}"));
            hook.body(format!("{{\"id\":\"evt_{number}\"}}")).send().await.unwrap();
        }
        let asked = format!("http://{}/{number}", program.address("operations"));
        http.get(asked).send().await.unwrap();
    };
    hostile(0).await;
    let before = series(&scrape(&program).await);
    for number in 1..20 {
        hostile(number).await;
    }
    let after = series(&scrape(&program).await);
    let more: Vec<_> = after.difference(&before).collect();
    assert!(more.is_empty(), "{more:?}");
    assert!(after.iter().any(|series| series.contains(r#"rpc_method="_OTHER""#)));
}

#[tokio::test]
async fn a_line_names_the_trace_that_it_belongs_to() {
    let collector = Collector::default();
    let url = collector.listen().await;
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("PAYLINK__TELEMETRY__LOG_FORMAT", "json")];
    let program = Program::start("dev", &PARTS, &environment).await;
    let mut request = Request::new(poster_request());
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    links(&program).create_payment_link(request).await.unwrap();
    let called = || {
        let lines = program.said();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.find(|line: &serde_json::Value| line["message"] == "Called")
    };
    until(async || called().is_some()).await;
    let line = called().unwrap();
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["level"], "DEBUG");
    assert_eq!(line["request.id"].as_str().map(str::len), Some(36));
    assert_eq!(program.terminate().await, Some(0));
    let spans = collector.trace(TRACE);
    assert!(spans.iter().any(|span| line["span_id"] == hex::encode(&span.span_id)));
}

#[tokio::test]
async fn a_file_changes_the_filter_while_it_runs() {
    let folder = Folder::new();
    let path = folder.file("filter");
    let environment = [
        ("PAYLINK__TELEMETRY__LOG_FILTER", "error"),
        ("PAYLINK__TELEMETRY__LOG_FILTER_FILE", path.to_str().unwrap()),
    ];
    let program = Program::start("dev", &PARTS, &environment).await;
    get(&program, "plink_none").await.unwrap_err();
    assert!(!program.said().contains("Called"));
    fs::write(&path, "info,paylink::server::observe=debug\n").unwrap();
    until(async || program.said().contains("The log is filtered anew")).await;
    get(&program, "plink_none").await.unwrap_err();
    until(async || program.said().contains("Called")).await;
    fs::write(&path, "hunter3=loudly\n").unwrap();
    until(async || program.said().contains("The filter in the file is broken")).await;
    let before = program.said().matches("Called").count();
    get(&program, "plink_none").await.unwrap_err();
    until(async || program.said().matches("Called").count() > before).await;
}

/// Serves calls before a collector that is there and never answers, or is not there.
async fn check_dead(endpoint: &str, protocol: &str) {
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        // So small that it is full all the time.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
    ];
    let program = Program::start("dev", &PARTS, &environment).await;
    let mut links = links(&program);
    for _ in 0..50 {
        let mut request = Request::new(poster_request());
        request.set_timeout(std::time::Duration::from_secs(5));
        links.create_payment_link(request).await.unwrap();
    }
    assert!(scrape(&program).await.contains("rpc_server_call_duration_seconds_count"));
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn a_dead_collector_fails_no_call_and_holds_up_no_stop() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [silent.as_str(), "http://127.0.0.1:1"] {
        for protocol in ["grpc", "http/protobuf"] {
            check_dead(endpoint, protocol).await;
        }
    }
}
