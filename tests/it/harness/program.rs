//! The binary as a process, for what only a process has: arguments, signals, exit codes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{Folder, within};

/// What keeps processes out of each other's way.
const FREE: [(&str, &str); 5] = [
    ("PAYLINK__GRPC__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__OPERATIONS__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__SANDBOX__LISTEN", "127.0.0.1:0"),
    ("PAYLINK__STORAGE__URL", "sqlite::memory:"),
];

/// A running process.
#[derive(Debug)]
pub struct Program {
    child: Child,
    addresses: HashMap<String, SocketAddr>,
    said: Arc<Mutex<String>>,
    hearing: [JoinHandle<()>; 2],
}

// === impl Program ===

impl Program {
    /// Runs a verb to its end, with this environment and no other, in an empty
    /// folder: the default storage is a file in the folder of the process.
    pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let folder = Folder::new();
        let mut command = command(arguments, environment);
        within(command.current_dir(folder.path()).output()).await.unwrap()
    }

    /// Starts a verb, and waits until it has said where each of `parts` is.
    pub async fn start(verb: &str, parts: &[&str], environment: &[(&str, &str)]) -> Self {
        let environment = [&FREE, environment].concat();
        let mut child = command(&[verb], &environment).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let errors = hear(BufReader::new(child.stderr.take().unwrap()).lines(), said.clone());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut addresses = HashMap::new();
        while !parts.iter().all(|part| addresses.contains_key(*part)) {
            let line = within(lines.next_line()).await.unwrap().expect("it says where it is");
            keep(&said, &line);
            addresses.extend(told_addresses(&line));
        }
        let hearing = [errors, hear(lines, said.clone())];
        Self { child, addresses, said, hearing }
    }

    /// What it has written so far, to both of its outputs.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its id, as the system has it.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Where a part is.
    pub fn address(&self, part: &str) -> SocketAddr {
        self.addresses[part]
    }

    /// Ends it at once, without a chance to tidy up.
    pub async fn kill(mut self) {
        within(self.child.kill()).await.unwrap();
    }

    /// Sends SIGTERM, and gives the exit code.
    pub async fn terminate(self) -> Option<i32> {
        self.end().await.0
    }

    /// Sends SIGTERM, and gives the exit code and all that it has written.
    pub async fn end(mut self) -> (Option<i32>, String) {
        // The shell's own `kill` is there even where the program of that name is not.
        let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.id())).status();
        assert!(within(kill).await.unwrap().success());
        let code = within(self.child.wait()).await.unwrap().code();
        for hearing in self.hearing {
            within(hearing).await.unwrap();
        }
        let said = self.said.lock().unwrap().clone();
        (code, said)
    }
}

/// Reads on, so that it never waits for a reader.
fn hear(
    mut lines: Lines<impl AsyncBufRead + Unpin + Send + 'static>,
    said: Arc<Mutex<String>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            keep(&said, &line);
        }
    })
}

/// Where a line says that parts are: `dev` gives each a line, and the log of `serve`
/// names them in one.
fn told_addresses(line: &str) -> Vec<(String, SocketAddr)> {
    let told = |part: &str, at: &str| {
        let address = at.trim_start_matches("http://").parse();
        Some((part.to_owned(), address.ok()?))
    };
    if let [part, at] = *line.split_whitespace().collect::<Vec<_>>() {
        return told(part, at).into_iter().collect();
    }
    let Ok(line) = serde_json::from_str::<serde_json::Map<_, _>>(line) else { return Vec::new() };
    if line["message"] != "Serving" {
        return Vec::new();
    }
    line.iter().filter_map(|(part, at)| told(part, at.as_str()?)).collect()
}

fn keep(said: &Mutex<String>, line: &str) {
    let mut said = said.lock().unwrap();
    said.push_str(line);
    said.push('\n');
}

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paylink"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.kill_on_drop(true);
    command
}
