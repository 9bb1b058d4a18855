//! The binary under violence: killed, raced, cut off, attacked. What was acknowledged
//! is told, once and in order, and who does nothing wrong is served.
//!
//! `cargo test` runs each a little, with the binary of the build. `just chaos`
//! runs each in full with the release binary, and prints the figures.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it expects fails by panicking"
)]

mod agreeing;
mod attack;
mod balancer;
#[path = "../it/harness/buyer.rs"]
#[allow(dead_code, reason = "other test binaries use the other part")]
mod buyer;
#[path = "../it/harness/cluster.rs"]
#[allow(dead_code, reason = "other test binaries use the other part")]
mod cluster;
mod creating;
mod flood;
mod follow;
#[path = "../it/harness/gate.rs"]
#[allow(dead_code, reason = "other test binaries use the other part")]
mod gate;
mod killing;
mod naive;
mod orders;
mod outage;
mod racing;
mod rolling;
mod service;
mod speed;
mod stuck;
mod syncing;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use cluster::Cluster;
use uuid::Uuid;

/// The key of the account at Stripe.
const API_KEY: &str = "sk_test_chaos";
/// The secret of the webhook endpoint.
const WEBHOOK_SECRET: &str = "whsec_chaos";

/// How many times the numbers of a short run.
static SCALE: LazyLock<usize> = LazyLock::new(|| {
    let scale = std::env::var_os("PAYLINK_CHAOS_SCALE");
    scale.map_or(1, |scale| scale.to_str().unwrap().parse().unwrap())
});

/// How long anything may take that a test waits for. Only a broken promise takes it.
const WAIT_MAX: Duration = Duration::from_mins(2);

/// A memory for one test, gone when the test ends.
enum Memory {
    File(PathBuf),
    Server(Cluster, String),
}

/// Gives what is waited for, within [`WAIT_MAX`].
async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, what).await.expect("it comes in time")
}

// === impl Memory ===

impl Memory {
    fn file() -> Self {
        let name = format!("chaos-{}.db", Uuid::now_v7().simple());
        Self::File(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    /// A database on a cluster of its own; `None` where there is no PostgreSQL,
    /// which [`cluster::require`] has something to say about.
    fn server() -> Option<Self> {
        let Some(cluster) = Cluster::start() else {
            cluster::require("the chaos tests");
            return None;
        };
        let url = cluster.database("chaos");
        Some(Self::Server(cluster, url))
    }

    fn url(&self) -> String {
        match self {
            Memory::File(path) => format!("sqlite:{}", path.display()),
            Memory::Server(_, url) => url.clone(),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Memory::File(path) = self {
            for suffix in ["", "-wal", "-shm", "-lock"] {
                drop(std::fs::remove_file(format!("{}{suffix}", path.display())));
            }
        }
    }
}
