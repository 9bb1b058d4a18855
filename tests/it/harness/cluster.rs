//! A PostgreSQL for tests: a cluster of their own, gone when they end.
//!
//! Every test that concerns memory is written once and runs on both databases.
//! On SQLite it runs as it stands. [`repeat`] starts a cluster and runs the same
//! tests again in a process that finds the cluster in its environment, where
//! [`url`] gives each test a schema of its own.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where the process of the second run finds the cluster.
const SOCKET: &str = "PAYLINK_TEST_POSTGRES";
/// Makes the lack of PostgreSQL a failure.
const REQUIRED: &str = "PAYLINK_REQUIRE_POSTGRES";
/// Where Debian keeps PostgreSQL's programs, in a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// How long the cluster may take to start.
const START_MAX: Duration = Duration::from_mins(1);

/// Makes a cluster and runs it until standard input ends, which it does when
/// the process that holds the other end does, however that ends.
const SCRIPT: &str = r#"
set -eu
"$1/initdb" --pgdata "$2/data" --auth trust --username paylink --encoding UTF8 \
  --locale C --no-sync >"$2/log" 2>&1
"$1/pg_ctl" start --pgdata "$2/data" --log "$2/log" --wait --silent \
  --options "-k '$2' -c listen_addresses= -c max_connections=400"
touch "$2/ready"
cat >/dev/null || true
"$1/pg_ctl" stop --pgdata "$2/data" --mode immediate --silent || true
rm -rf "$2"
"#;

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    running: Child,
}

// === impl Cluster ===

impl Cluster {
    /// Starts a cluster; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = env::temp_dir().join(format!("paylink-pg-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        let mut command = Command::new("sh");
        if is_root() {
            // PostgreSQL refuses root, for whom everyone's files are open.
            chown(&folder);
            command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        }
        command.args(["-c", SCRIPT, "sh"]).args([&programs, &folder]).current_dir("/");
        let running = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut cluster = Self { programs, folder, running };
        cluster.wait();
        Some(cluster)
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// The URL of a new database in it.
    pub fn database(&self, name: &str) -> String {
        let mut create = Command::new(self.programs.join("createdb"));
        create.arg("--host").arg(&self.folder).args(["--username", "paylink", name]);
        assert!(create.status().unwrap().success());
        format!("postgres://paylink@localhost/{name}?host={}", self.folder.display())
    }

    /// Says something to it as its owner, for instance `pg_ctl` to restart it.
    pub fn control(&self, arguments: &[&str]) {
        let program = self.programs.join("pg_ctl");
        let mut command = Command::new(&program);
        if is_root() {
            command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(&program);
        }
        command.args(arguments).arg("--pgdata").arg(self.folder.join("data"));
        command.arg("--log").arg(self.folder.join("log")).current_dir("/");
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{arguments:?}");
    }

    /// Lets its owner say something to one of its databases.
    pub fn say(&self, database: &str, statement: &str) {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("--host").arg(&self.folder).args(["--username", "paylink", "--quiet", database]);
        let status = psql.args(["--command", statement]).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "{statement}");
    }

    /// Gives what one of its databases answers: a line for each row, with `|`
    /// between the columns.
    pub fn ask(&self, database: &str, question: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("--host").arg(&self.folder).args(["--username", "paylink", database]);
        psql.args(["--no-align", "--tuples-only", "--command", question]);
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{question}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "no test runs here yet that it could hold up")]
    fn wait(&mut self) {
        let until = Instant::now() + START_MAX;
        while !self.folder.join("ready").exists() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let ended = self.running.try_wait().unwrap();
            assert!(ended.is_none(), "PostgreSQL does not start: {}", log());
            assert!(Instant::now() < until, "PostgreSQL takes too long to start: {}", log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.running.stdin.take());
        // A test that fails for another reason should say that one.
        let _ = self.running.wait();
    }
}

/// The URL of an empty schema for one test, in a run on PostgreSQL. The same
/// name gives the same schema.
pub fn url(name: &str) -> Option<String> {
    let socket = env::var_os(SOCKET)?.into_string().unwrap();
    let mut create = Command::new(programs()?.join("psql"));
    create.args(["--host", &socket, "--username", "paylink", "--quiet", "tests", "--command"]);
    let statement = format!("SET client_min_messages = error; CREATE SCHEMA IF NOT EXISTS {name}");
    assert!(create.arg(statement).status().unwrap().success());
    Some(format!("postgres://paylink@localhost/tests?host={socket}&options[search_path]={name}"))
}

/// Runs tests of this binary again on PostgreSQL: those whose names begin with
/// one of `prefixes`, but for those that contain one of `but`, which are about
/// what SQLite alone has.
pub fn repeat(prefixes: &[&str], but: &[&str]) {
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.args(prefixes);
    for but in but {
        tests.args(["--skip", but]);
    }
    let Some(cluster) = Cluster::start() else {
        return require(&format!("the repetition of {prefixes:?}"));
    };
    cluster.database("tests");
    let output = tests.env(SOCKET, cluster.socket()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let result = text.lines().find(|line| line.starts_with("test result:"));
    let result = result.unwrap_or_default();
    assert!(!result.contains(" 0 passed"), "{prefixes:?} are names of tests: {text}");
    let _ = writeln!(io::stderr(), "on PostgreSQL, {prefixes:?}: {result}");
}

/// Says which tests did not run for lack of a program, or fails where that is asked for.
pub fn require(tests: &str) {
    let how = "To run them, install what is missing (Debian: apt-get install postgresql strace).";
    let what = format!("PostgreSQL or strace is not installed, so these did not run: {tests}.");
    // Past the test's captured output, which nobody sees when it passes.
    let _ = writeln!(io::stderr(), "{what} {how}");
    assert!(env::var_os(REQUIRED).is_none(), "{REQUIRED} is set. {what}");
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.filter_map(Result::ok);
    let programs = versions.map(|version| version.path().join("bin"));
    programs.filter(|programs| programs.join("initdb").exists()).max()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

fn chown(folder: &Path) {
    let mut chown = Command::new("chown");
    assert!(chown.arg("postgres:postgres").arg(folder).status().unwrap().success());
}
