//! Attackers, on a processor of their own, as if they had come from elsewhere.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use tokio::task::{JoinHandle, spawn_blocking};

use super::within;

/// How many attack at the same time, each by a connection of its own.
const ATTACKERS: usize = 4;

/// Attackers at work.
pub struct Attackers {
    over: Arc<AtomicBool>,
    rounds: JoinHandle<[usize; 2]>,
}

/// The processor of the service and its honest client, and that of the attackers. On a
/// machine with one processor they are the same.
pub fn processors() -> [String; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let mut ends = allowed.trim().split([',', '-']).map(str::to_owned);
    let first = ends.next().unwrap();
    let last = ends.next_back().unwrap_or_else(|| first.clone());
    [first, last]
}

/// Keeps this thread, and those that it will start, on a processor.
pub fn stay_on(processor: &str) {
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let thread = thread.file_name().unwrap();
    let stays = Command::new("taskset").args(["-pc", processor]).arg(thread).output().unwrap();
    assert!(stays.status.success(), "{stays:?}");
}

// === impl Attackers ===

impl Attackers {
    /// Lets them attack again and again.
    pub fn start<A>(at: SocketAddr, attack: A) -> Self
    where
        A: AsyncFn(SocketAddr) -> bool + Send + 'static,
    {
        let [_, processor] = processors();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let rounds = spawn_blocking(move || {
            stay_on(&processor);
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let attackers = (0..ATTACKERS).map(|_| async {
                let (mut rounds, mut refused) = (0, 0);
                while !is_over.load(Ordering::Relaxed) || rounds == 0 {
                    if within(attack(at)).await {
                        rounds += 1;
                    } else {
                        refused += 1;
                    }
                }
                [rounds, refused]
            });
            let counts = runtime.block_on(join_all(attackers));
            counts.iter().fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
        });
        Self { over, rounds }
    }

    /// Lets each of them end its round. Gives how often they were let in, and how often
    /// they were not.
    pub async fn stop(self) -> [usize; 2] {
        self.over.store(true, Ordering::Relaxed);
        self.rounds.await.unwrap()
    }
}
