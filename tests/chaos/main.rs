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

mod attack;
#[path = "../it/harness/cluster.rs"]
#[allow(dead_code, reason = "other test binaries use the other part")]
mod cluster;
mod flood;
mod follow;
mod killing;
mod naive;
mod outage;
mod racing;
mod service;
mod speed;
mod syncing;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cluster::Cluster;
use uuid::Uuid;

/// The secret of the webhook endpoint.
const WEBHOOK_SECRET: &str = "whsec_chaos";

/// How many times the numbers of a short run.
static SCALE: LazyLock<usize> = LazyLock::new(|| {
    let scale = std::env::var_os("PAYLINK_CHAOS_SCALE");
    scale.map_or(1, |scale| scale.to_str().unwrap().parse().unwrap())
});

/// A memory for one test, gone when the test ends.
enum Memory {
    File(PathBuf),
    Server(Cluster, String),
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
