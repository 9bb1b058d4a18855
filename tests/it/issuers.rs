//! The keys of those who issue tokens: in files, and where they are published.

use axum::http::StatusCode;
use serde_json::json;
use tonic::Code;
use tonic::client::Grpc;

use crate::harness::{Folder, Guarded, Issuer, POLICY, Paylink, Program, Published, first, until};

const GET: &str = "paylink.v1.PaymentLinkService/GetPaymentLink";
const ISSUER: &str = "https://id.example";
/// More than is read of a set of keys.
const TOO_LARGE: usize = 1024 * 1024 + 1;

/// A service that fetches the keys of its one issuer.
struct Fetching {
    paylink: Paylink,
    published: Published,
    issuer: Issuer,
    /// Holds the policy.
    _folder: Folder,
}

// === impl Fetching ===

impl Fetching {
    async fn start(interval_ms: &str) -> Self {
        let issuer = Issuer::new(ISSUER, "first");
        let (published, folder) = (Published::start(issuer.keys()).await, Folder::new());
        let policy = folder.write("policy.toml", POLICY);
        let paylink = Paylink::start()
            .with("PAYLINK__AUTH__REQUIRE", "token")
            .with("PAYLINK__AUTH__POLICY_PATH", policy.to_str().unwrap())
            .with("PAYLINK__AUTH__KEYS_INTERVAL_MS", interval_ms)
            .with("PAYLINK__AUTH__ISSUERS__ID__ISSUER", ISSUER)
            .with("PAYLINK__AUTH__ISSUERS__ID__AUDIENCE", "paylink")
            .with("PAYLINK__AUTH__ISSUERS__ID__JWKS_URL", &published.url())
            .await;
        Self { paylink, published, issuer, _folder: folder }
    }

    /// Whether it is known who calls with a token.
    async fn knows(&self, token: &str) -> bool {
        knows(&self.paylink, token).await
    }
}

async fn knows(paylink: &Paylink, token: &str) -> bool {
    let grpc = Grpc::with_origin(paylink.wire(), paylink.origin());
    let outcome = first(grpc, GET, Some(token)).await;
    outcome.map_err(|refused| refused.code()) != Err(Code::Unauthenticated)
}

#[tokio::test]
async fn keys_in_a_file_are_rotated_without_a_restart() {
    let guarded = Guarded::start().await;
    let next = Issuer::new("https://id.example", "next");
    let (old, new) = (guarded.issuer.token("operator"), next.token("operator"));
    let knows = async |token: &String| knows(&guarded.paylink, token).await;
    assert_eq!((knows(&old).await, knows(&new).await), (true, false));
    guarded.put_keys(&json!({ "keys": [guarded.issuer.key(), next.key()] }).to_string());
    until(async || knows(&new).await).await;
    assert!(knows(&old).await);
    guarded.put_keys("{}");
    guarded.put_keys(&next.keys());
    until(async || !knows(&old).await).await;
    assert!(knows(&new).await);
}

#[tokio::test]
async fn published_keys_are_rotated_without_a_restart() {
    let fetching = Fetching::start("20").await;
    let next = Issuer::new(ISSUER, "next");
    let (old, new) = (fetching.issuer.token("operator"), next.token("operator"));
    until(async || fetching.knows(&old).await).await;
    assert!(!fetching.knows(&new).await);

    let both = json!({ "keys": [fetching.issuer.key(), next.key()] });
    fetching.published.put(StatusCode::OK, both.to_string());
    until(async || fetching.knows(&new).await).await;
    assert!(fetching.knows(&old).await);

    // The old key is taken away, and its tokens are good for nothing though their time
    // is not over.
    fetching.published.put(StatusCode::OK, next.keys());
    until(async || !fetching.knows(&old).await).await;
    assert!(fetching.knows(&new).await);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_or_read_leave_those_that_are_known() {
    let mut fetching = Fetching::start("20").await;
    let good = fetching.issuer.token("operator");
    until(async || fetching.knows(&good).await).await;
    let thief = Issuer::new(ISSUER, "thief");
    let forged = thief.token("operator");
    let elsewhere = Published::start(thief.keys()).await;
    let padded = format!("{}{}", thief.keys(), " ".repeat(TOO_LARGE));
    for (what, status, body) in [
        ("a failure", StatusCode::INTERNAL_SERVER_ERROR, thief.keys()),
        ("no keys", StatusCode::OK, "{}".to_owned()),
        ("no key that is good", StatusCode::OK, json!({ "keys": [{}] }).to_string()),
        ("words", StatusCode::OK, "<html>".to_owned()),
        ("too much", StatusCode::OK, padded),
        ("another place", StatusCode::FOUND, elsewhere.url()),
    ] {
        fetching.published.put(status, body);
        fetching.published.is_read().await;
        assert!(fetching.knows(&good).await, "{what}");
        assert!(!fetching.knows(&forged).await, "{what}");
    }
    assert_eq!(elsewhere.asked(), 0, "no other place is asked");

    fetching.published.gate.shut().await;
    assert!(fetching.knows(&good).await, "nobody there");
    let next = Issuer::new(ISSUER, "next");
    fetching.published.put(StatusCode::OK, next.keys());
    fetching.published.gate.open().await;
    until(async || fetching.knows(&next.token("operator")).await).await;
    assert!(!fetching.knows(&good).await);
}

#[tokio::test]
async fn made_up_keys_do_not_become_requests_to_the_issuer() {
    let fetching = Fetching::start("3600000").await;
    let good = fetching.issuer.token("operator");
    until(async || fetching.knows(&good).await).await;
    let asked = fetching.published.asked();
    for number in 0..50 {
        let stranger = Issuer::new(ISSUER, &format!("made up {number}"));
        assert!(!fetching.knows(&stranger.token("operator")).await);
    }
    assert_eq!(fetching.published.asked(), asked);
}

#[tokio::test]
async fn keys_are_fetched_by_https_or_from_this_machine() {
    let folder = Folder::new();
    let policy = folder.write("policy.toml", POLICY);
    for url in
        ["http://id.example/keys", "http://127.0.0.1.id.example/keys", "file:///keys", "keys"]
    {
        let environment = [
            ("PAYLINK__STRIPE__API_KEY", "sk_test_1"),
            ("PAYLINK__STORAGE__URL", "sqlite::memory:"),
            ("PAYLINK__AUTH__REQUIRE", "token"),
            ("PAYLINK__AUTH__POLICY_PATH", policy.to_str().unwrap()),
            ("PAYLINK__AUTH__ISSUERS__ID__ISSUER", ISSUER),
            ("PAYLINK__AUTH__ISSUERS__ID__AUDIENCE", "paylink"),
            ("PAYLINK__AUTH__ISSUERS__ID__JWKS_URL", url),
        ];
        let output = Program::run(&["serve"], &environment).await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("auth.issuers.id.jwks_url"), "{told}");
    }
}
