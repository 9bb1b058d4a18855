//! The building of a [`Paylink`]: settings in the words of its environment.

use std::future::IntoFuture;
use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use paylink::app::App;
use paylink::config::{Profile, Sources};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::stripe::{API_KEY, WEBHOOK_SECRET};
use super::{Folder, Paylink, Stripe, cluster, wire};

/// What every test wants: free ports, no noise, and no long pauses. Waiting for
/// a storage connection is not what these tests are about, on a busy machine.
const SETTINGS: [(&str, &str); 15] = [
    ("PAYLINK__GRPC__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__OPERATIONS__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__STRIPE__API_KEY", API_KEY),
    ("PAYLINK__STRIPE__WEBHOOK_SECRETS", WEBHOOK_SECRET),
    ("PAYLINK__STRIPE__BACKOFF_MS", "20"),
    ("PAYLINK__STRIPE__BREAKER_OPEN_MS", "20"),
    ("PAYLINK__STRIPE__BREAKER_OPEN_MS_MAX", "100"),
    ("PAYLINK__STRIPE__RATE_TEST", "0"),
    ("PAYLINK__STORAGE__URL", "sqlite::memory:"),
    ("PAYLINK__STORAGE__ACQUIRE_TIMEOUT_MS", "10000"),
    ("PAYLINK__PAYMENTS__RETRY_FIRST_MS", "20"),
    ("PAYLINK__PAYMENTS__RETRY_MAX_MS", "100"),
    // Links are compared where a test asks for it, and no answer is counted twice.
    ("PAYLINK__PAYMENTS__LINK_SWEEP_INTERVAL_MS", "0"),
    ("PAYLINK__TELEMETRY__LOG_FILTER", "off"),
];

/// A service about to start. Awaiting it starts it.
#[derive(Debug, Clone)]
pub struct Start {
    environment: Vec<(String, String)>,
    is_told: bool,
}

// === impl Start ===

impl Default for Start {
    fn default() -> Self {
        let environment = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let start = Self { environment, is_told: true };
        match cluster::url(&format!("t{}", Uuid::now_v7().simple())) {
            Some(url) => start.with("PAYLINK__STORAGE__URL", &url),
            None => start,
        }
    }
}

impl Start {
    /// Sets a variable of the environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets a secret stand in a file, in the place of the variable.
    pub fn with_file(mut self, name: &str, path: &Path) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.with(&format!("{name}_FILE"), path.to_str().unwrap())
    }

    /// Keeps payments in a folder, where another start finds them.
    pub fn storage(self, folder: &Folder) -> Self {
        self.with("PAYLINK__STORAGE__URL", &folder.storage_url())
    }

    /// Lets Stripe send no webhooks, so that the test can send its own.
    pub fn without_webhooks(mut self) -> Self {
        self.is_told = false;
        self
    }

    /// Starts the service before a Stripe that is there already.
    pub async fn before(self, stripe: Stripe) -> Paylink {
        let base_url = format!("http://{}", stripe.gate.address());
        let sources = Sources {
            profile: Profile::Serve,
            file: None,
            environment: self.clone().with("PAYLINK__STRIPE__BASE_URL", &base_url).environment,
        };
        let app = App::build(sources.load().unwrap()).await.unwrap();
        let addresses = app.addresses();
        if self.is_told {
            stripe.tell(addresses.webhook);
        }
        let stop = CancellationToken::new();
        let running = tokio::spawn(app.run(stop.clone().cancelled_owned()));
        Paylink { stripe, addresses, start: self, stop, running, wire: wire() }
    }
}

impl IntoFuture for Start {
    type Output = Paylink;
    type IntoFuture = LocalBoxFuture<'static, Paylink>;

    fn into_future(self) -> Self::IntoFuture {
        async { self.before(Stripe::start().await).await }.boxed_local()
    }
}
