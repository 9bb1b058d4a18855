//! Certificates, authorities and lists change while calls are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Came, ask};
use crate::harness::authority::{Authority, Client, Identity};
use crate::harness::{Program, TlsFiles, until, within};

/// How many connections carry calls.
const CALLERS: usize = 4;
/// Each round changes five things.
const ROUNDS: usize = 5;

/// Calls without a pause, and what became of the calls.
struct Load {
    client: Client,
    calls: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    callers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

// === impl Load ===

impl Load {
    fn start(client: Client) -> Self {
        let (calls, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let callers = (0..CALLERS).map(|_| {
            let channel = client.channel();
            tokio::spawn(call_until_over(HealthClient::new(channel), calls.clone(), over.clone()))
        });
        let callers = callers.collect();
        Self { client, calls, over, callers }
    }

    /// Waits until calls have come to their end that began after now.
    async fn goes_on(&self) {
        let enough = self.calls.load(Ordering::Relaxed) + 4 * CALLERS;
        until(async || self.calls.load(Ordering::Relaxed) >= enough).await;
    }

    /// Ends it. Gives how many calls there were, and what was said of those that failed.
    async fn end(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        let mut failed = Vec::new();
        for caller in self.callers {
            failed.extend(within(caller).await.unwrap());
        }
        (self.calls.load(Ordering::Relaxed), failed)
    }
}

async fn call_until_over(
    mut health: HealthClient<tonic::transport::Channel>,
    calls: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
) -> Vec<String> {
    let mut failed = Vec::new();
    while !over.load(Ordering::Relaxed) {
        match within(health.check(HealthCheckRequest::default())).await {
            Err(error) if was_not_sent(&error) => continue,
            Err(error) => failed.push(format!("{error:?}")),
            Ok(_) => {}
        }
        calls.fetch_add(1, Ordering::Relaxed);
    }
    failed
}

/// Whether a call was waiting for a connection that was about to end. Other clients
/// than tonic's send such a call by the next one, and nobody hears of it
/// (<https://github.com/grpc/proposal/blob/master/A6-client-retries.md>, transparent
/// retries).
fn was_not_sent(error: &tonic::Status) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The certificate that a listener shows.
async fn shown_by(client: &Client) -> Vec<u8> {
    let stream = client.connect().await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn start(setting: &TlsFiles) -> Program {
    let mut environment = setting.environment();
    environment.push(("PAYLINK__CONNECTIONS__TLS_RELOAD_INTERVAL_MS".into(), "20".into()));
    environment.push(("PAYLINK__SANDBOX__SEED".into(), "1".into()));
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Program::start("dev", &["grpc", "operations"], &environment).await
}

/// Changes the files of a listener under load, one after the other.
async fn rotate(setting: &mut TlsFiles, load: &Load, at: std::net::SocketAddr) -> usize {
    let mut changes = 0;
    let mut shown = setting.theirs.issue();
    load.client.change(&setting.ours, &shown).await;
    for _ in 0..ROUNDS {
        // A second authority beside the first.
        let next = Authority::new();
        let renewed = next.issue();
        let both = [setting.theirs.pem(), next.pem()].concat();
        let none = [setting.theirs.revoking(&[]), next.revoking(&[])].concat();
        setting.trust(&both, &none);
        let new = Client::new(at, &setting.ours, Some(&renewed));
        until(async || ask(&new).await == Came::In).await;
        load.goes_on().await;

        // Callers take certificates of the second, and then those of the first are revoked.
        load.client.change(&setting.ours, &renewed).await;
        let old = Client::new(at, &setting.ours, Some(&shown));
        assert_eq!(ask(&old).await, Came::In);
        let taken = [setting.theirs.revoking(&[&shown]), next.revoking(&[])].concat();
        setting.trust(&both, &taken);
        until(async || ask(&old).await == Came::NoFurther).await;
        load.goes_on().await;

        // The first authority goes.
        let other = Client::new(at, &setting.ours, Some(&setting.theirs.issue()));
        assert_eq!(ask(&other).await, Came::In);
        setting.trust(&next.pem(), &next.revoking(&[]));
        until(async || ask(&other).await == Came::NoFurther).await;
        load.goes_on().await;

        // The listener takes another certificate, twice.
        for _ in 0..2 {
            let before = shown_by(&new).await;
            setting.show(&setting.ours.issue());
            until(async || shown_by(&new).await != before).await;
            load.goes_on().await;
        }
        (setting.theirs, shown) = (next, renewed);
        changes += 5;
    }
    changes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_everything_is_changed() {
    let mut setting = TlsFiles::new();
    let program = start(&setting).await;
    let at = program.address("grpc");
    let first = setting.theirs.issue();
    let load = Load::start(Client::new(at, &setting.ours, Some(&first)));
    load.goes_on().await;
    let changes = rotate(&mut setting, &load, at).await;
    let (calls, failed) = load.end().await;
    println!("{changes} changes of TLS files under {calls} calls: {} failed", failed.len());
    assert_eq!(failed, Vec::<String>::new());
    assert!(changes >= 20);
}

#[tokio::test]
async fn files_that_make_no_sense_leave_all_as_it_was_and_are_told_of() {
    let setting = TlsFiles::new();
    let program = start(&setting).await;
    let (at, operations) = (program.address("grpc"), program.address("operations"));
    let client = Client::new(at, &setting.ours, Some(&setting.theirs.issue()));
    let before = shown_by(&client).await;
    let metrics = async || {
        let answer = reqwest::get(format!("http://{operations}/metrics")).await.unwrap();
        answer.text().await.unwrap()
    };
    let count = async |outcome: &str| {
        let told = metrics().await;
        let named = format!("outcome=\"{outcome}\"");
        let line = told
            .lines()
            .find(|line| line.starts_with("paylink_tls_reloads_total") && line.contains(&named));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
    };
    let Identity { certificate, key, .. } = setting.ours.issue();
    let broken: [&dyn Fn(); 5] = [
        &|| drop(setting.folder.write("tls.crt", "nothing of the kind")),
        // Without the key that belongs to it.
        &|| drop(setting.folder.write("tls.crt", &certificate)),
        &|| drop(setting.folder.write("ca.crt", "")),
        &|| drop(setting.folder.write("ca.crl", "-----BEGIN X509 CRL-----\n!")),
        &|| std::fs::remove_file(setting.folder.file("tls.key")).unwrap(),
    ];
    for (number, damage) in broken.iter().enumerate() {
        damage();
        until(async || count("refused").await > number as u64).await;
        assert_eq!(ask(&client).await, Came::In);
        assert_eq!(shown_by(&client).await, before);
    }
    setting.folder.write("tls.key", &key);
    setting.trust(&setting.theirs.pem(), &setting.theirs.revoking(&[]));
    until(async || shown_by(&client).await != before).await;
    until(async || count("taken").await == 1).await;
    assert_eq!(ask(&client).await, Came::In);
    let told = metrics().await;
    for file in ["certificate", "client_ca", "client_crl"] {
        let named = format!("file=\"{file}\"");
        let line = told.lines().find(|line| {
            line.starts_with("paylink_tls_not_after_seconds{") && line.contains(&named)
        });
        assert!(line.is_some(), "{file} is not in {told}");
    }
}

#[tokio::test]
async fn who_is_revoked_is_asked_to_leave_and_nobody_else_is() {
    let setting = TlsFiles::new();
    let program = start(&setting).await;
    let watch = async |identity: &Identity| {
        let client = Client::new(program.address("grpc"), &setting.ours, Some(identity));
        let mut health = HealthClient::new(client.channel());
        let mut told = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        told.message().await.unwrap().unwrap();
        told
    };
    let (revoked, good) = (setting.theirs.issue(), setting.theirs.issue());
    let (mut theirs, mut others) = (watch(&revoked).await, watch(&good).await);
    setting.trust(&setting.theirs.pem(), &setting.theirs.revoking(&[&revoked]));
    let ended = async {
        loop {
            match theirs.message().await {
                Ok(Some(_)) => {}
                ended => return ended,
            }
        }
    };
    assert_eq!(within(ended).await.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(others.message().now_or_never().is_none_or(|told| told.is_ok()));
}
