//! The doctor: what is well, what is not, and that no secret is told of either.

use std::collections::BTreeMap;
use std::process::Output;

use paylink::config::{Profile, Sources};
use paylink::pb;
use paylink::pb::diagnostics_service_client::DiagnosticsServiceClient;
use paylink::pb::finding::Verdict;
use serde_json::Value;

use crate::harness::{Folder, Hook, Paylink, Program, Start, event, now_secs, until};

const VERSION: &str = "2026-05-27.dahlia";

/// A service with an endpoint at Stripe, and the settings that it runs with.
struct Practice {
    paylink: Paylink,
    base_url: String,
    endpoint: String,
    folder: Folder,
}

// === impl Practice ===

impl Practice {
    /// Opens with an endpoint that sends these events.
    async fn open(events: &str) -> Self {
        Self::open_in(Folder::new(), Paylink::start(), events).await
    }

    /// Opens with other settings, which may name files of that folder.
    async fn open_in(folder: Folder, start: Start, events: &str) -> Self {
        let paylink = start.await;
        let url = format!("http://{}/webhooks/stripe", paylink.addresses.webhook);
        let form = format!("url={url}&enabled_events[0]={events}&api_version={VERSION}");
        let endpoint = paylink.stripe.post("/v1/webhook_endpoints", &form).await;
        let endpoint = endpoint["id"].as_str().unwrap().to_owned();
        let base_url = format!("http://{}", paylink.stripe.gate.address());
        Self { paylink, base_url, endpoint, folder }
    }

    /// Asks the running service for what it finds of one check.
    async fn told(&self, check: &str) -> pb::Finding {
        let paylink = &self.paylink;
        let mut doctor = DiagnosticsServiceClient::with_origin(paylink.wire(), paylink.origin());
        let told = doctor.diagnose(pb::DiagnoseRequest {}).await.unwrap().into_inner();
        told.findings.into_iter().find(|finding| finding.check == check).unwrap()
    }

    /// Examines by the program, with further settings and arguments.
    async fn run(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        let url = self.folder.storage_url();
        let usual = [
            ("PAYLINK__STRIPE__BASE_URL", self.base_url.as_str()),
            ("PAYLINK__STRIPE__API_KEY", "sk_test_hunter2"),
            ("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_sandbox"),
            ("PAYLINK__STRIPE__RATE_TEST", "0"),
            ("PAYLINK__STORAGE__URL", &url),
        ];
        let set = |name: &str| settings.iter().any(|(known, _)| *known == name);
        let usual = usual.into_iter().filter(|(name, _)| !set(name));
        let environment: Vec<_> = usual.chain(settings.iter().copied()).collect();
        let output = Program::run(&[&["doctor"], arguments].concat(), &environment).await;
        let said = format!("{output:?}");
        assert!(!said.contains("hunter") && !said.contains("whsec_"), "{said}");
        output
    }

    /// Examines, and gives the worst verdict of each check.
    async fn verdicts(&self, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
        let output = self.run(settings, &["--json"]).await;
        let told: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let mut verdicts: BTreeMap<String, String> = BTreeMap::new();
        for finding in told["findings"].as_array().unwrap() {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            let needs_advice = ["broken", "doubtful"].contains(&&*text("verdict"));
            assert_ne!(needs_advice, text("advice").is_empty(), "{finding}");
            let worst = verdicts.entry(text("check")).or_default();
            if worst != "broken" {
                *worst = text("verdict");
            }
        }
        let is_broken = verdicts.values().any(|verdict| verdict == "broken");
        assert_eq!(output.status.code(), Some(i32::from(is_broken)), "{told}");
        verdicts
    }

    /// Finds this of one check, and all others well.
    async fn check(&self, settings: &[(&str, &str)], check: &str, verdict: &str) {
        for (name, found) in self.verdicts(settings).await {
            let expected = if name == check { &[verdict][..] } else { &["well", "skipped"] };
            assert!(expected.contains(&&*found), "{name} is {found}");
        }
    }
}

#[tokio::test]
async fn what_is_set_up_well_is_found_well_by_the_program_and_by_the_service() {
    let practice = Practice::open("*").await;
    let verdicts = practice.verdicts(&[]).await;
    let expected = [
        ("certificate", "skipped"),
        ("clock", "well"),
        ("key.mode", "well"),
        ("key.permissions", "well"),
        ("policy", "well"),
        // No process has been started on it, as none is seen from elsewhere.
        ("storage", "skipped"),
        ("webhook.canary", "well"),
        ("webhook.endpoint", "well"),
        ("webhook.events", "well"),
        ("webhook.version", "well"),
    ];
    let expected = expected.map(|(check, verdict)| (check.to_owned(), verdict.to_owned()));
    assert_eq!(verdicts, expected.into());

    let paylink = &practice.paylink;
    let mut doctor = DiagnosticsServiceClient::with_origin(paylink.wire(), paylink.origin());
    let told = doctor.diagnose(pb::DiagnoseRequest {}).await.unwrap().into_inner();
    let ill = told.findings.iter().filter(|finding| finding.verdict() == Verdict::Broken);
    assert_eq!(ill.count(), 0, "{told:?}");
    let canary = told.findings.iter().find(|finding| finding.check == "webhook.canary").unwrap();
    assert_eq!(canary.verdict(), Verdict::Well);
}

#[tokio::test]
async fn a_key_and_a_secret_that_were_rolled_are_examined_as_they_are_now() {
    let folder = Folder::new();
    let put = |folder: &Folder, name: &str, text: &str| {
        let new = folder.write("new", text);
        std::fs::rename(new, folder.file(name)).unwrap();
        folder.file(name)
    };
    let start = Paylink::start()
        .without_webhooks()
        .with_file("PAYLINK__STRIPE__API_KEY", &put(&folder, "key", "sk_test_1"))
        .with_file("PAYLINK__STRIPE__WEBHOOK_SECRETS", &put(&folder, "secrets", "whsec_old"))
        .with("PAYLINK__STRIPE__RELOAD_MS", "20");
    let practice = Practice::open_in(folder, start, "*").await;
    let verdict = async || practice.told("webhook.canary").await.verdict();
    assert_eq!(verdict().await, Verdict::Well);
    assert_eq!(practice.told("key.mode").await.message, "a secret key for tests");
    put(&practice.folder, "secrets", "whsec_new");
    put(&practice.folder, "key", "rk_test_1");
    let told = event("evt_1", "checkout.session.expired", "cs_1", "unpaid");
    let signed = |secret: &str| Hook::of(&told).signed(secret, now_secs());
    until(async || signed("whsec_new").send(&practice.paylink).await == 200).await;
    assert_eq!(verdict().await, Verdict::Well);
    let is_restricted =
        async || practice.told("key.mode").await.message == "a restricted key for tests";
    until(is_restricted).await;
}

#[tokio::test]
async fn an_examination_changes_nothing() {
    let practice = Practice::open("*").await;
    practice.verdicts(&[]).await;
    assert!(!practice.folder.file("paylink.db").exists());
    for path in ["/v1/products", "/v1/coupons", "/v1/payment_links", "/v1/events"] {
        assert_eq!(practice.paylink.stripe.list(path).await, Vec::<Value>::new(), "{path}");
    }
}

#[tokio::test]
async fn a_canary_is_answered_and_not_kept() {
    let practice = Practice::open("*").await;
    // A process of its own, whose metrics are about nothing else.
    let program = Program::start("dev", &["webhook", "operations"], &[]).await;
    let url = format!("url=http://{}/webhooks/stripe", program.address("webhook"));
    let path = format!("/v1/webhook_endpoints/{}", practice.endpoint);
    practice.paylink.stripe.post(&path, &url).await;
    practice.check(&[], "webhook.canary", "well").await;
    let url = format!("http://{}/metrics", program.address("operations"));
    let metrics = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let counted = metrics.lines().filter(|line| line.starts_with("paylink_webhook_requests_total"));
    let counted = counted.filter(|line| !line.ends_with(" 0"));
    let counted: Vec<_> = counted.filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(counted, ["canary", "mismatch"]);
}

#[tokio::test]
async fn a_key_is_found_that_may_not_do_what_is_needed() {
    let practice = Practice::open("*").await;
    for (key, verdict) in [("rk_test_hunter", "well"), ("rk_test_hunter_ro", "broken")] {
        let key = [("PAYLINK__STRIPE__API_KEY", key)];
        practice.check(&key, "key.permissions", verdict).await;
    }
    let live =
        [("PAYLINK__STRIPE__API_KEY", "rk_live_hunter"), ("PAYLINK__STRIPE__ALLOW_LIVE", "true")];
    let verdicts = practice.verdicts(&live).await;
    assert_eq!((&*verdicts["key.mode"], &*verdicts["key.permissions"]), ("broken", "broken"));
    assert_eq!(verdicts["webhook.endpoint"], "skipped");
    let output = practice.run(&[("PAYLINK__STRIPE__API_KEY", "rk_test_no_refunds")], &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the key may not read /v1/refunds, write /v1/refunds"), "{said}");
}

#[tokio::test]
async fn an_endpoint_is_found_that_does_not_bring_what_is_needed() {
    let practice = Practice::open("refund.created").await;
    practice.check(&[], "webhook.events", "broken").await;
    let polls = [("PAYLINK__PAYMENTS__SOURCE", "poll")];
    practice.check(&polls, "webhook.endpoint", "skipped").await;
    let path = format!("/v1/webhook_endpoints/{}", practice.endpoint);
    practice.paylink.stripe.post(&path, "enabled_events[0]=*&disabled=true").await;
    practice.check(&[], "webhook.endpoint", "broken").await;
    let elsewhere = "url=http://127.0.0.1:9/elsewhere&disabled=false";
    practice.paylink.stripe.post(&path, elsewhere).await;
    practice.check(&[], "webhook.endpoint", "doubtful").await;
    assert_eq!(practice.run(&[], &["--strict"]).await.status.code(), Some(1));
    assert_eq!(practice.run(&[], &[]).await.status.code(), Some(0));
}

#[tokio::test]
async fn an_endpoint_is_found_that_tells_of_payments_and_not_of_links() {
    let practice = Practice::open("*").await;
    let environment = vec![("PAYLINK__STRIPE__API_KEY".to_owned(), "sk_test_1".to_owned())];
    let sources = Sources { profile: Profile::Serve, file: None, environment };
    let mut kinds = sources.load().unwrap().payments.event_kinds().unwrap();
    kinds.retain(|kind| !kind.starts_with("payment_link."));
    let sent = kinds.iter().enumerate().map(|(at, kind)| format!("enabled_events[{at}]={kind}"));
    let path = format!("/v1/webhook_endpoints/{}", practice.endpoint);
    practice.paylink.stripe.post(&path, &sent.collect::<Vec<_>>().join("&")).await;
    practice.check(&[], "webhook.events", "doubtful").await;
    let output = practice.run(&[], &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("does not send payment_link.created, payment_link.updated"), "{said}");
}

#[tokio::test]
async fn an_endpoint_is_found_that_leads_elsewhere() {
    let practice = Practice::open("*").await;
    let another = [("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_hunter")];
    practice.check(&another, "webhook.canary", "broken").await;
    let path = format!("/v1/webhook_endpoints/{}", practice.endpoint);
    for (url, verdict) in [
        // It answers, and not as the service does.
        (format!("{}/webhooks/stripe", practice.base_url), "broken"),
        ("http://127.0.0.1:9/webhooks/stripe".to_owned(), "doubtful"),
    ] {
        practice.paylink.stripe.post(&path, &format!("url={url}")).await;
        practice.check(&[], "webhook.canary", verdict).await;
    }
}

#[tokio::test]
async fn a_stripe_out_of_reach_is_found() {
    let practice = Practice::open("*").await;
    let verdicts = practice.verdicts(&[("PAYLINK__STRIPE__BASE_URL", "http://127.0.0.1:9")]).await;
    assert_eq!((&*verdicts["key.permissions"], &*verdicts["clock"]), ("broken", "skipped"));
    let unknown = [("PAYLINK__STRIPE__PORT", "hunter")];
    assert_eq!(practice.run(&unknown, &[]).await.status.code(), Some(78));
}

#[tokio::test]
async fn a_memory_that_cannot_be_kept_is_found() {
    let practice = Practice::open("*").await;
    let memory = [("PAYLINK__STORAGE__URL", "sqlite::memory:")];
    practice.check(&memory, "storage", "doubtful").await;
    let nobody = [("PAYLINK__STORAGE__URL", "postgres://paylink:hunter2@127.0.0.1:9/paylink")];
    practice.check(&nobody, "storage", "broken").await;
    let file = practice.folder.write("paylink.db", &now_secs().to_string().repeat(1_000));
    assert!(file.exists());
    practice.check(&[], "storage", "broken").await;
}

#[tokio::test]
async fn a_schema_is_compared_and_a_file_without_one_is_found() {
    let practice = Practice::open("*").await;
    let url = practice.folder.storage_url();
    let settings = [("PAYLINK__STORAGE__URL", url.as_str())];
    assert!(Program::run(&["migrate"], &settings).await.status.success());
    assert_eq!(practice.verdicts(&[]).await["schema"], "well");
    // A file that nothing was made in yet.
    std::fs::write(practice.folder.file("paylink.db"), []).unwrap();
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(practice.folder.file(&format!("paylink.db{suffix}"))));
    }
    practice.check(&[], "storage", "broken").await;
}

#[tokio::test]
async fn a_policy_that_can_hardly_be_meant_is_found() {
    let practice = Practice::open("*").await;
    let rule = "[[rule]]\nidentities = [\"shop\"]\npermissions = [\"links.read\"]\n";
    let keys = practice.folder.write("jwks.json", "{\"keys\":[]}");
    let file = format!(
        "[auth]\nrequire = [\"token\"]\npolicy_path = {:?}\n[auth.issuers.id]\n\
         issuer = \"https://id.example\"\naudience = \"paylink\"\njwks_path = {keys:?}\n",
        practice.folder.write("policy.toml", rule),
    );
    let file = practice.folder.write("paylink.toml", &file);
    let arguments = ["--config", file.to_str().unwrap()];
    let output = practice.run(&[], &arguments).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("shop fits nobody who can prove it here"), "{said}");
    practice.folder.write("policy.toml", "[[rule]]\nidentities = [\"sh*p\"]\npermissions = []");
    assert_eq!(practice.run(&[], &arguments).await.status.code(), Some(1));
}
