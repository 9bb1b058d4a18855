//! The binary: verbs, settings, exit codes, signals.

use std::process::Output;

use paylink::pb;
use paylink::pb::payment::State;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;
use tonic::Code;

use crate::harness::{Folder, Hook, Page, Program, Watch, event, origin, poster_request, wire};

const DEV: [&str; 4] = ["grpc", "webhook", "operations", "sandbox"];
/// `EX_CONFIG`.
const EXIT_CONFIG: i32 = 78;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn get(program: &Program, part: &str, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", program.address(part));
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn create_link(program: &Program) -> pb::PaymentLink {
    let origin = origin(program.address("grpc"));
    let mut links = PaymentLinkServiceClient::with_origin(wire(), origin);
    links.create_payment_link(poster_request()).await.unwrap().into_inner()
}

async fn watch(program: &Program) -> Watch {
    let origin = origin(program.address("grpc"));
    let mut payments = PaymentServiceClient::with_origin(wire(), origin);
    let request = pb::WatchPaymentsRequest::default();
    Watch::new(payments.watch_payments(request).await.unwrap().into_inner())
}

/// Refuses a configuration: it names the key, and keeps the value to itself.
async fn check_config(environment: &[(&str, &str)], key: &str) {
    let output = Program::run(&["serve"], environment).await;
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(EXIT_CONFIG), "{said}");
    assert!(said.contains(key), "{said}");
    for (_, value) in environment {
        assert!(!said.contains(value) && !stdout(&output).contains(value), "{said}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_variable_that_is_no_text_is_not_told_and_only_our_own_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let run = async |name: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_paylink"));
        command.arg("config").env_clear().env("PAYLINK__STRIPE__API_KEY", "sk_test_1");
        let output = command.env(name, OsStr::from_bytes(b"hunter2\xff")).output().await.unwrap();
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(!said.contains("hunter2"), "{said}");
        (output.status.code(), said)
    };
    let (code, said) = run("PS1").await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run("PAYLINK__STRIPE__PROXY_URL").await;
    assert_eq!(code, Some(EXIT_CONFIG), "{said}");
    assert!(said.contains("PAYLINK__STRIPE__PROXY_URL"), "{said}");
}

#[tokio::test]
async fn dev_needs_nothing_and_does_the_whole_job() {
    let program = Program::start("dev", &DEV, &[]).await;
    let mut watch = watch(&program).await;
    let link = create_link(&program).await;
    Page::open(&link.url).await.pay("4242424242424242").await;
    let payment = watch.payment().await;
    assert_eq!((payment.state(), payment.payment_link), (State::Paid, link.id));
    assert_eq!(payment.line_items.len(), 1);

    assert_eq!(get(&program, "operations", "/live").await.0, 200);
    assert_eq!(get(&program, "operations", "/ready").await.0, 200);
    let (status, metrics) = get(&program, "operations", "/metrics").await;
    assert_eq!(status, 200);
    for expected in [
        "rpc_server_call_duration_seconds_bucket",
        "rpc_method=\"paylink.v1.PaymentLinkService/CreatePaymentLink\"",
        "rpc_response_status_code=\"OK\"",
        "http_client_request_duration_seconds_bucket",
        "url_template=\"/v1/payment_links\"",
        "paylink_webhook_requests_total{outcome=\"kept\"}",
    ] {
        assert!(metrics.contains(expected), "{expected} is not in {metrics}");
    }
    assert!(!metrics.contains("plink_"), "no id is a label");
}

#[tokio::test]
async fn sigterm_ends_it_with_exit_code_0() {
    let program = Program::start("dev", &DEV, &[]).await;
    let mut watch = watch(&program).await;
    watch.heartbeat().await;
    assert_eq!(program.terminate().await, Some(0));
    assert_eq!(watch.end().await.code(), Code::Unavailable);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = Folder::new();
    let url = folder.storage_url();
    let environment = [("PAYLINK__STORAGE__URL", url.as_str())];
    for turn in 1..=3 {
        let program = Program::start("dev", &DEV, &environment).await;
        let (id, session) = (format!("evt_{turn}"), format!("cs_{turn}"));
        let told = event(&id, "checkout.session.expired", &session, "unpaid");
        assert_eq!(Hook::of(&told).send_to(program.address("webhook")).await, 200);
        program.kill().await;
    }
    let program = Program::start("dev", &DEV, &environment).await;
    let mut watch = watch(&program).await;
    for turn in 1..=3 {
        let event = watch.next().await;
        assert_eq!((event.sequence, event.stripe_event), (turn, format!("evt_{turn}")));
    }
}

#[tokio::test]
async fn the_sandbox_serves_alone() {
    let program = Program::start("sandbox", &["sandbox"], &[]).await;
    let url = format!("http://{}/v1/products", program.address("sandbox"));
    let answer = reqwest::Client::new().get(url).bearer_auth("sk_test_any").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn serve_without_a_key_says_which_setting_it_lacks() {
    check_config(&[], "stripe.api_key").await;
}

#[tokio::test]
async fn a_wrong_setting_is_named_and_its_value_is_not_shown() {
    let key = ("PAYLINK__STRIPE__API_KEY", "sk_test_hunter2");
    for (name, value, said) in [
        ("PAYLINK__GRPC__LISTEN", "hunter3", "grpc.listen"),
        ("PAYLINK__GRPC__PORT", "hunter3", "grpc.port"),
        ("PAYLINK__NONSENSE__KEY", "hunter3", "nonsense"),
        ("PAYLINK__STRIPE__ATTEMPTS_MAX", "hunter3", "stripe.attempts_max"),
        ("PAYLINK__STRIPE__API_KEY_FILE", "/hunter3", "stripe.api_key"),
    ] {
        check_config(&[key, (name, value)], said).await;
    }
}

#[tokio::test]
async fn a_setting_that_no_part_can_work_with_is_a_wrong_setting_too() {
    let key = ("PAYLINK__STRIPE__API_KEY", "sk_test_hunter2");
    for (name, value, said) in [
        ("PAYLINK__STRIPE__BASE_URL", "http://hunter3.example", "stripe.base_url"),
        ("PAYLINK__STORAGE__URL", "mysql://root:hunter3@db", "storage.url"),
        ("PAYLINK__TELEMETRY__LOG_FILTER", "hunter3=loudly", "telemetry.log_filter"),
    ] {
        check_config(&[key, (name, value)], said).await;
    }
}

#[tokio::test]
async fn a_file_of_settings_must_exist() {
    let folder = Folder::new();
    let path = folder.file("none.toml");
    let arguments = ["serve", "--config", path.to_str().unwrap()];
    let output = Program::run(&arguments, &[]).await;
    assert_eq!(output.status.code(), Some(EXIT_CONFIG));
}

#[tokio::test]
async fn the_shown_configuration_is_the_effective_one_without_its_secrets() {
    let folder = Folder::new();
    let file = folder.write("paylink.toml", "[grpc]\ntimeout_ms_default = 1234\n");
    let secret = folder.write("key", "sk_test_hunter2\n");
    let environment = [
        ("PAYLINK__STRIPE__API_KEY_FILE", secret.to_str().unwrap()),
        ("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_hunter3,whsec_hunter4"),
        ("PAYLINK__GRPC__TIMEOUT_MS_MAX", "5678"),
    ];
    let arguments = ["config", "--config", file.to_str().unwrap()];
    let output = Program::run(&arguments, &environment).await;
    assert!(output.status.success());
    let shown = stdout(&output);
    for expected in [
        "timeout_ms_default = 1234",
        "timeout_ms_max = 5678",
        "api_key = \"***\"",
        "webhook_secrets = [\"***\", \"***\"]",
    ] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
    assert!(!shown.contains("hunter"), "{shown}");
    shown.parse::<toml::Table>().expect("it can be used as a file");
}

#[tokio::test]
async fn migrate_makes_the_storage_and_may_be_run_again() {
    let folder = Folder::new();
    let url = folder.storage_url();
    let environment =
        [("PAYLINK__STRIPE__API_KEY", "sk_test_1"), ("PAYLINK__STORAGE__URL", url.as_str())];
    for _ in 0..2 {
        let output = Program::run(&["migrate"], &environment).await;
        assert!(output.status.success(), "{output:?}");
        assert!(folder.file("paylink.db").is_file());
    }
}
