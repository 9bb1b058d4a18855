//! No answer before the disk: seen from the kernel's side.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use futures_util::future::join_all;

use super::flood::Sender;
use super::service::Service;
use super::{Memory, SCALE};

const SENDERS: usize = 8;
/// How a request begins.
const REQUEST: &str = "POST /webhooks";
/// How often to look whether strace is done.
const POLL: Duration = Duration::from_millis(20);

/// What the kernel saw: how many acknowledgements, how many syncs, and how many
/// acknowledgements had no sync between their request and them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    acknowledged: usize,
    synced: usize,
    ahead: usize,
}

/// Reads a trace by strace. A sync counts when it began after the request had
/// been read and ended before the answer was written.
fn read(trace: &str) -> Seen {
    let mut seen = Seen::default();
    // When each connection's last request was read, each thread's sync under way
    // began, and the last sync that has ended began; in lines. What each thread
    // reads from that waits for more.
    let mut reading: HashMap<&str, &str> = HashMap::new();
    let mut asked: HashMap<&str, usize> = HashMap::new();
    let mut syncing: HashMap<&str, usize> = HashMap::new();
    let mut synced = 0;
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let file = || call.split(['(', ',', ')']).nth(1).unwrap_or_default();
        if call.starts_with("recvfrom(") && call.contains("<unfinished") {
            reading.insert(thread, file());
        } else if call.starts_with("recvfrom(") && call.contains(REQUEST) {
            asked.insert(file(), at);
        } else if call.starts_with("<... recvfrom") && call.contains(REQUEST) {
            asked.insert(reading[thread], at);
        } else if call.starts_with("fdatasync(") || call.starts_with("fsync(") {
            if call.contains("<unfinished") {
                syncing.insert(thread, at);
            } else {
                (synced, seen.synced) = (at, seen.synced + 1);
            }
        } else if call.starts_with("<... fdatasync") || call.starts_with("<... fsync") {
            if let Some(begun) = syncing.remove(thread) {
                (synced, seen.synced) = (synced.max(begun), seen.synced + 1);
            }
        } else if call.contains("HTTP/1.1 200") {
            seen.acknowledged += 1;
            let asked = asked.get(file()).expect("an answer has a request");
            seen.ahead += usize::from(synced < *asked);
        }
    }
    seen
}

/// Gives a trace once strace has seen the end of the service.
async fn ended(trace: &str) -> String {
    loop {
        let text = fs::read_to_string(trace).unwrap();
        if text.contains("+++ killed by SIGKILL +++") {
            return text;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledgement_is_ahead_of_its_sync() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        super::cluster::require("strace, for the test of syncs");
        return;
    }
    let memory = Memory::file();
    let trace = format!("{}-trace", memory.url().trim_start_matches("sqlite:"));
    let calls = "trace=fsync,fdatasync,recvfrom,sendto,write,writev";
    // With -D the service and not strace is our child, and strace ends after it.
    let watched = ["strace", "-D", "-f", "-q", "-s", "24", "-e", calls, "-o", &trace];
    let service = Service::start_under(&watched, &memory.url()).await;
    let events = 250 * *SCALE;
    let senders = (0..SENDERS).map(|at| {
        let mut sender = Sender::to(service.webhook);
        tokio::spawn(async move {
            for number in (at..events).step_by(SENDERS) {
                assert_eq!(sender.send(number).await.unwrap(), 200);
            }
        })
    });
    join_all(senders).await.into_iter().for_each(Result::unwrap);
    service.kill().await;
    let text = ended(&trace).await;
    let seen = read(&text);
    assert_eq!((seen.acknowledged, seen.ahead), (events, 0), "{seen:?}");

    // The same trace without its syncs must not pass.
    let unsynced = text.lines().filter(|line| !line.contains("sync"));
    let unsynced = read(&unsynced.collect::<Vec<_>>().join("\n"));
    assert_eq!((unsynced.acknowledged, unsynced.ahead), (events, events));
    fs::remove_file(trace).unwrap();
    println!("syncs: {events} acknowledgements, {} syncs, 0 ahead of theirs", seen.synced);
}
