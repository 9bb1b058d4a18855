//! The binary, serving until it is killed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{API_KEY, WEBHOOK_SECRET};

/// A Stripe that cannot be reached.
const NOBODY: &str = "http://127.0.0.1:1";
/// The setting that says where Stripe is.
const BASE_URL: &str = "PAYLINK__STRIPE__BASE_URL";
/// How long a start may take, on the slowest of machines.
const START_MAX: Duration = Duration::from_mins(1);

/// A running service.
pub struct Service {
    child: Child,
    /// Where its gRPC is.
    pub grpc: SocketAddr,
    /// Where its webhooks are.
    pub webhook: SocketAddr,
    /// Where its operations are.
    pub operations: SocketAddr,
    /// How long it took until it served.
    pub start: Duration,
}

// === impl Service ===

impl Service {
    /// Starts a service on a memory, and waits until it serves.
    pub async fn start(storage_url: &str) -> Self {
        Self::start_under(&[], storage_url).await
    }

    /// Starts a service before a Stripe.
    pub async fn start_before(stripe_url: &str, storage_url: &str) -> Self {
        Self::start_with(&[], storage_url, &[(BASE_URL, stripe_url)]).await
    }

    /// Starts a service below another program, such as one that watches it.
    pub async fn start_under(wrapper: &[&str], storage_url: &str) -> Self {
        Self::start_with(wrapper, storage_url, &[]).await
    }

    /// Starts a service below another program, with settings of its own.
    pub async fn start_with(
        wrapper: &[&str],
        storage_url: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let binary = binary();
        let program = wrapper.iter().map(PathBuf::from).chain([binary]).collect::<Vec<_>>();
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).arg("serve").env_clear().envs([
            ("PAYLINK__GRPC__LISTEN", "127.0.0.1:0"),
            ("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0"),
            ("PAYLINK__OPERATIONS__LISTEN", "127.0.0.1:0"),
            (BASE_URL, NOBODY),
            ("PAYLINK__STRIPE__API_KEY", API_KEY),
            ("PAYLINK__STRIPE__WEBHOOK_SECRETS", WEBHOOK_SECRET),
            ("PAYLINK__STORAGE__URL", storage_url),
            ("PAYLINK__PAYMENTS__HEARTBEAT_MS", "200"),
            // All watchers come from one address.
            ("PAYLINK__GRPC__OPEN_STREAMS_MAX_OF_CALLER", "256"),
        ]);
        command.envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let begin = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = loop {
            let line = tokio::time::timeout(START_MAX, lines.next_line()).await;
            let line = line.expect("it starts in time").unwrap().expect("it says where it is");
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told["message"] == "Serving" {
                break told;
            }
        };
        let start = begin.elapsed();
        // Read on, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = |part: &str| told[part].as_str().unwrap().parse().unwrap();
        let (grpc, webhook, operations) =
            (address("grpc"), address("webhook"), address("operations"));
        Self { child, grpc, webhook, operations, start }
    }

    /// Ends it as the kernel ends a process that has too much memory.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and gives the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        let order = format!("kill -TERM {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &order]).status().await.unwrap().success());
        super::within(self.child.wait()).await.unwrap().code()
    }

    /// The part of the memory that it has, in MiB.
    pub fn memory_mib(&self) -> u64 {
        self.status_mib("VmRSS:")
    }

    /// The largest part of the memory that it has had, in MiB.
    pub fn memory_max_mib(&self) -> u64 {
        self.status_mib("VmHWM:")
    }

    /// What it tells of one metric: labels, and the value. It fails where the service
    /// takes no connection.
    pub async fn metric(&self, name: &str) -> reqwest::Result<Vec<(String, f64)>> {
        let answer = reqwest::get(format!("http://{}/metrics", self.operations)).await?;
        let told = answer.text().await?;
        let lines = told.lines().filter_map(|line| line.strip_prefix(name));
        let values = lines.filter_map(|line| line.rsplit_once(' '));
        Ok(values.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect())
    }

    fn status_mib(&self, what: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// The binary under test: the one that was named, or the one of this build.
fn binary() -> PathBuf {
    let named = std::env::var_os("PAYLINK_CHAOS_BINARY");
    named.map_or_else(|| env!("CARGO_BIN_EXE_paylink").into(), PathBuf::from)
}
