//! Secrets: rolled while the service works, and told to nobody.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use futures_util::future::join_all;
use paylink::app::{Addresses, App};
use paylink::config::{Profile, Sources};
use paylink::pb;
use paylink::pb::catalog_service_client::CatalogServiceClient;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{Folder, Hook, code_of, event, now_secs, origin, until, wire};

/// How often a secret is rolled in a test, and how many calls are made meanwhile each time.
const ROLLS: u32 = 20;
const CALLS: u32 = 16;

/// The keys that Stripe accepts at the moment, each as its header has it.
type Accepted = Arc<Mutex<BTreeSet<String>>>;

/// Answers like Stripe, and looks at the key closely.
async fn answer(State(accepted): State<Accepted>, request: Request) -> (StatusCode, String) {
    let shown = request.headers().get(AUTHORIZATION).map(|key| key.to_str().unwrap().to_owned());
    if !accepted.lock().unwrap().contains(&shown.unwrap_or_default()) {
        let error = r#"{"error": {"type": "invalid_request_error", "message": "Invalid"}}"#;
        return (StatusCode::UNAUTHORIZED, error.to_owned());
    }
    let product = r#"{"id": "prod_1", "object": "product", "name": "Poster", "active": true}"#;
    (StatusCode::OK, product.to_owned())
}

/// Starts a Stripe that accepts these keys.
async fn strict_stripe(accepted: Accepted) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().fallback(answer).with_state(accepted);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// A service before that Stripe, whose secrets stand in files of the folder.
async fn start(stripe: SocketAddr, folder: &Folder, reload_ms: &str) -> (Addresses, DropGuard) {
    let path = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let environment = [
        ("PAYLINK__GRPC__LISTEN", "127.0.0.1:0".to_owned()),
        ("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0".to_owned()),
        ("PAYLINK__OPERATIONS__LISTEN", "127.0.0.1:0".to_owned()),
        ("PAYLINK__STORAGE__URL", "sqlite::memory:".to_owned()),
        ("PAYLINK__STRIPE__BASE_URL", format!("http://{stripe}")),
        ("PAYLINK__STRIPE__API_KEY_FILE", path("key")),
        ("PAYLINK__STRIPE__WEBHOOK_SECRETS_FILE", path("secrets")),
        ("PAYLINK__STRIPE__RELOAD_MS", reload_ms.to_owned()),
        ("PAYLINK__STRIPE__RATE_TEST", "0".to_owned()),
        ("PAYLINK__STRIPE__RATE_ENDPOINT", "0".to_owned()),
        ("PAYLINK__STRIPE__CACHE_AGE_MS", "0".to_owned()),
        ("PAYLINK__TELEMETRY__LOG_FILTER", "off".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let config = Sources { profile: Profile::Serve, file: None, environment }.load().unwrap();
    let app = App::build(config).await.unwrap();
    let (addresses, stop) = (app.addresses(), CancellationToken::new());
    tokio::spawn(app.run(stop.clone().cancelled_owned()));
    (addresses, stop.drop_guard())
}

/// Replaces a file at once, as Kubernetes does, so that nobody reads half of it.
fn put(folder: &Folder, name: &str, text: &str) {
    let new = folder.write("new", text);
    std::fs::rename(new, folder.file(name)).unwrap();
}

/// Rolls the key again and again under calls, and counts those that fail.
async fn failures_while_rolling(reload_ms: &str) -> usize {
    let bearer = |roll: u32| format!("Bearer rk_test_{roll}");
    let accepted: Accepted = Arc::new(Mutex::new([bearer(0)].into()));
    let folder = Folder::new();
    put(&folder, "key", "rk_test_0\n");
    put(&folder, "secrets", "whsec_1\n");
    let stripe = strict_stripe(accepted.clone()).await;
    let (addresses, _running) = start(stripe, &folder, reload_ms).await;
    let catalog = CatalogServiceClient::with_origin(wire(), origin(addresses.grpc));
    let call = async |nth: u32| {
        let mut catalog = catalog.clone();
        if nth.is_multiple_of(2) {
            return catalog.get_product(pb::GetProductRequest { id: "prod_1".into() }).await;
        }
        let product = pb::Product { name: "Poster".into(), ..Default::default() };
        let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
        catalog.create_product(request).await
    };
    let mut failed = 0;
    for roll in 1..=ROLLS {
        let rolling = async {
            // The new one is good before the old one ends, and the old one ends at once.
            accepted.lock().unwrap().insert(bearer(roll));
            put(&folder, "key", &format!("rk_test_{roll}\n"));
            tokio::task::yield_now().await;
            accepted.lock().unwrap().remove(&bearer(roll - 1));
        };
        let (outcomes, ()) = tokio::join!(join_all((0..CALLS).map(&call)), rolling);
        failed += outcomes.iter().filter(|outcome| outcome.is_err()).count();
        failed += usize::from(call(0).await.is_err());
    }
    failed
}

#[tokio::test]
async fn a_key_is_rolled_under_load_and_no_call_fails() {
    for reload_ms in ["5", "3600000"] {
        let failed = failures_while_rolling(reload_ms).await;
        let calls = ROLLS * (CALLS + 1);
        println!("key rolled {ROLLS} times, files read every {reload_ms} ms: {failed} of {calls}");
        assert_eq!(failed, 0, "files are looked at every {reload_ms} ms");
    }
}

#[tokio::test]
async fn a_webhook_secret_is_rolled_and_no_webhook_is_refused() {
    let accepted = Accepted::default();
    let folder = Folder::new();
    put(&folder, "key", "rk_test_0\n");
    put(&folder, "secrets", "whsec_0\n");
    let stripe = strict_stripe(accepted).await;
    let (addresses, _running) = start(stripe, &folder, "5").await;
    let send = async |secret: u32, nth: u32| {
        let id = format!("evt_{secret}_{nth}");
        let hook = Hook::of(&event(&id, "customer.created", "cs_1", "paid"));
        let hook = hook.signed(&format!("whsec_{secret}"), now_secs());
        hook.send_to(addresses.webhook).await
    };
    for roll in 1..=ROLLS {
        let old = roll - 1;
        assert_eq!(send(old, 0).await, 200);
        put(&folder, "secrets", &format!("whsec_{roll}\nwhsec_{old}\n"));
        // From when the new one is known on, both are good.
        until(async || {
            assert_eq!(send(old, 1).await, 200);
            send(roll, 2).await == 200
        })
        .await;
        put(&folder, "secrets", "\n");
        assert_eq!([send(old, 3).await, send(roll, 4).await], [200, 200], "a broken file");
        put(&folder, "secrets", &format!("whsec_{roll}\n"));
        until(async || {
            assert_eq!(send(roll, 5).await, 200);
            send(old, 6).await == 400
        })
        .await;
    }
}

/// Runs the binary with secrets in files, while Stripe refuses them, and gives all that
/// it says and shows.
async fn all_that_is_told(folder: &Folder) -> String {
    let stripe = strict_stripe(Accepted::default()).await;
    let log = folder.file("log");
    let out = std::fs::File::create(&log).unwrap();
    let path = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (grpc, operations) = (free.local_addr().unwrap(), {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        other.local_addr().unwrap()
    });
    drop(free);
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_paylink"))
        .arg("serve")
        .env_clear()
        .env("PAYLINK__GRPC__LISTEN", grpc.to_string())
        .env("PAYLINK__OPERATIONS__LISTEN", operations.to_string())
        .env("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0")
        .env("PAYLINK__STORAGE__URL", format!("sqlite:{}", path("paylink.db")))
        .env("PAYLINK__STRIPE__BASE_URL", format!("http://{stripe}"))
        .env("PAYLINK__STRIPE__API_KEY_FILE", path("key"))
        .env("PAYLINK__STRIPE__WEBHOOK_SECRETS_FILE", path("secrets"))
        .env("PAYLINK__STRIPE__ACCOUNTS__EU__API_KEY_FILE", path("key"))
        .env("PAYLINK__STRIPE__ACCOUNTS__EU__WEBHOOK_SECRETS_FILE", path("secrets"))
        .env("PAYLINK__STRIPE__RELOAD_MS", "50")
        .env("PAYLINK__TELEMETRY__LOG_FILTER", "debug")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let url = |path: &str| format!("http://{operations}{path}");
    until(async || reqwest::get(url("/live")).await.is_ok()).await;
    let mut catalog = CatalogServiceClient::with_origin(wire(), origin(grpc));
    let refused = catalog.get_product(pb::GetProductRequest { id: "prod_1".into() }).await;
    let refused = refused.unwrap_err();
    assert_eq!(code_of(&refused).1, "UPSTREAM_AUTH", "it was tried");
    let mut told = vec![format!("{refused:?}")];
    // Broken in every way: what could not be taken over is not shown either.
    for broken in ["sk_live_canary\n", "rk_test_canary\u{1}", ""] {
        let read = async || std::fs::read_to_string(&log).unwrap().matches("Broken").count();
        let before = read().await;
        put(folder, "key", broken);
        until(async || read().await > before).await;
    }
    for shown in ["/metrics", "/ready"] {
        told.push(reqwest::get(url(shown)).await.unwrap().text().await.unwrap());
    }
    let process = format!("/proc/{}", child.id().unwrap());
    for shown in ["environ", "cmdline"] {
        told.push(
            String::from_utf8_lossy(&std::fs::read(Path::new(&process).join(shown)).unwrap())
                .into_owned(),
        );
    }
    child.kill().await.unwrap();
    for written in ["log", "paylink.db", "paylink.db-wal"] {
        let bytes = std::fs::read(folder.file(written)).unwrap_or_default();
        told.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    told.join("\n")
}

#[tokio::test]
async fn nothing_of_a_secret_leaves_the_process() {
    let folder = Folder::new();
    put(&folder, "key", "sk_test_canary\n");
    put(&folder, "secrets", "whsec_canary\n");
    let told = all_that_is_told(&folder).await;
    assert!(told.contains("Stripe refuses the account's key"), "it was logged");
    assert_eq!(told.matches("canary").count(), 0);
}
