//! Two replicas, their callers and Stripe.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use paylink::clock::Clock;
use paylink::dice;
use paylink::operations::Operations;
use paylink::storage::OperationState;
use paylink::stripe::call::{Answer, Call};
use paylink::stripe::transport::exchange;
use paylink::stripe::{Error, error::Phase};
use tokio_util::sync::CancellationToken;
use tower::service_fn;
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use crate::asking::{self, Told};
use crate::disk::Disk;
use crate::faults::{self, CALLERS, Fault, REPLICAS, STRIPE, TROUBLE};
use crate::frame;
use crate::history::History;
use crate::stripe::{self, CONFIG, Fate, Response, Stripe};

/// How many requests a seed has.
const REQUESTS: u64 = 10;
/// How long all may take to come right after the last fault.
const RECOVERY: Duration = Duration::from_mins(10);
/// How fine time is.
const TICK: Duration = Duration::from_millis(20);
/// When the clocks start, in milliseconds since 1970.
const START_MS: i64 = 1_800_000_000_000;
const PORT: u16 = 80;

/// What has happened in a simulation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Totals {
    links: u64,
    errors: u64,
    silences: u64,
    undone: u64,
    crashes: u64,
    partings: u64,
    delays: u64,
    outages: u64,
    sent_again: u64,
    simulated_ms: u64,
}

/// Runs the simulation of a seed, and says which promise it breaks.
pub fn run(seed: u64) -> Result<Totals, String> {
    dice::seed(seed);
    let stripe = Stripe::new();
    let (disk, history) = (Disk::default(), Arc::new(Mutex::new(History::default())));
    let mut builder = Builder::new();
    let mut sim = builder
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(TROUBLE + RECOVERY)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(80))
        .build();
    // The sandbox survives: what dies here is the way to it.
    let is_calm = Arc::new(Mutex::new(false));
    sim.host(STRIPE, {
        let (stripe, is_calm) = (stripe.clone(), is_calm.clone());
        move || serve_stripe(stripe.clone(), is_calm.clone())
    });
    for replica in REPLICAS {
        let disk = disk.clone();
        sim.host(replica, move || serve_replica(disk.clone()));
    }
    sim.client(CALLERS, call(history.clone()));

    let mut totals = Totals::default();
    live(&mut sim, &disk, &is_calm, &mut totals)?;
    totals.simulated_ms = u64::try_from(sim.elapsed().as_millis()).unwrap();
    drop(sim);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let links = runtime.block_on(stripe.list("/v1/payment_links"));
    let history = history.lock().unwrap();
    totals.links = history.count(|told| matches!(told, Told::Link(_)));
    totals.errors = history.count(|told| matches!(told, Told::Error { .. }));
    totals.silences = history.count(|told| *told == Told::Nothing);
    totals.undone = history.count(|told| *told == Told::Error { state: "new".to_owned() });
    let rows = disk.rows();
    totals.sent_again = rows.iter().map(|row| row.attempts.unsigned_abs() - 1).sum();
    history.check(&rows, &links).map(|()| totals)
}

/// Lets time pass until every caller was answered and every write has an end.
fn live(
    sim: &mut Sim<'_>,
    disk: &Disk,
    is_calm: &Mutex<bool>,
    totals: &mut Totals,
) -> Result<(), String> {
    let mut troubles = faults::thrown();
    loop {
        let are_callers_done = sim.step().map_err(|error| error.to_string())?;
        let now = sim.elapsed();
        for trouble in &mut troubles {
            match trouble.step(sim, disk, now) {
                Some(Fault::Crash(_)) => totals.crashes += 1,
                Some(Fault::Parting(..)) => totals.partings += 1,
                Some(Fault::Delay(..)) => totals.delays += 1,
                Some(Fault::Away) => totals.outages += 1,
                None => {}
            }
        }
        *is_calm.lock().unwrap() = now >= TROUBLE;
        let is_open = |state| matches!(state, OperationState::Sent | OperationState::Unknown);
        if now > TROUBLE + RECOVERY {
            return Ok(());
        }
        if are_callers_done && now >= TROUBLE && !disk.rows().iter().any(|row| is_open(row.state)) {
            return Ok(());
        }
    }
}

async fn serve_stripe(stripe: Stripe, is_calm: Arc<Mutex<bool>>) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let (stripe, is_calm) = (stripe.clone(), is_calm.clone());
        tokio::spawn(async move {
            let asked = frame::read(&mut stream).await?;
            let fate = if *is_calm.lock().unwrap() { Fate::Answered } else { Fate::thrown() };
            if let Some(response) = stripe.answer(request_of(&asked), fate).await {
                frame::write(&mut stream, &response_to(&response)).await?;
            }
            std::io::Result::Ok(())
        });
    }
}

async fn serve_replica(disk: Disk) -> turmoil::Result {
    let now_ms = START_MS + i64::try_from(turmoil::sim_elapsed().unwrap().as_millis()).unwrap();
    let client = stripe::client(service_fn(send));
    let operations = Operations::new(&CONFIG.writes, Arc::new(disk), client, Clock::from(now_ms));
    tokio::spawn(operations.clone().resolve(CancellationToken::new()));
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let operations = operations.clone();
        tokio::spawn(async move {
            let asked = frame::read(&mut stream).await?;
            let number = String::from_utf8(asked).unwrap().parse().unwrap();
            let told = asking::ask(&operations, number).await;
            frame::write(&mut stream, told.to_text().as_bytes()).await
        });
    }
}

/// Sends a call to Stripe over the simulated network.
async fn send(call: Call) -> Result<Answer, Error> {
    let connected = TcpStream::connect((STRIPE, PORT)).await;
    let mut stream = connected.map_err(|_| Error::Unreachable { phase: Phase::Connect })?;
    let is_write = call.is_write();
    let lost = |_| Error::AnswerLost { write: is_write };
    frame::write(&mut stream, &bytes_of(&call)).await.map_err(lost)?;
    let response = frame::read(&mut stream).await.map_err(lost)?;
    stripe::read(Some(response_of(&response)), &call)
}

/// Asks for every request, some of them twice at the same time, until there is
/// a result or patience ends.
async fn call(history: Arc<Mutex<History>>) -> turmoil::Result {
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..REQUESTS {
        let twins = if dice::between(0.0, 4.0) < 1.0 { 2 } else { 1 };
        for caller in 0..twins {
            callers.spawn(call_for(number, caller, history.clone()));
        }
    }
    callers.join_all().await;
    Ok(())
}

async fn call_for(number: u64, caller: usize, history: Arc<Mutex<History>>) {
    let secs = |low, high| Duration::from_secs_f64(dice::between(low, high));
    tokio::time::sleep(secs(0.0, 8.0)).await;
    // Many ask once, so that nobody but the service can put right what goes wrong.
    let patience = faults::pick(11).saturating_sub(3).max(1);
    for _ in 0..patience {
        let replica = REPLICAS[faults::pick(REPLICAS.len())];
        let asking = tokio::time::timeout(secs(1.0, 15.0), ask_at(replica, number));
        let told = asking.await.ok().and_then(Result::ok).unwrap_or(Told::Nothing);
        history.lock().unwrap().note(number, caller, told.clone());
        match told {
            Told::Link(_) => return,
            Told::Error { state } if state == "rejected" => return,
            _ => tokio::time::sleep(secs(0.1, 5.0)).await,
        }
    }
}

async fn ask_at(replica: &str, number: u64) -> std::io::Result<Told> {
    let mut stream = TcpStream::connect((replica, PORT)).await?;
    frame::write(&mut stream, number.to_string().as_bytes()).await?;
    let told = frame::read(&mut stream).await?;
    Ok(Told::of_text(&String::from_utf8(told).unwrap()))
}

/// A call as it goes over the simulated network: the head in lines, then the body.
fn bytes_of(call: &Call) -> Vec<u8> {
    let request = exchange::request("http://stripe", call).unwrap();
    let head = [format!("{} {}", request.method(), request.uri())]
        .into_iter()
        .chain(lines(request.headers()));
    [head.collect::<Vec<_>>().join("\n").as_bytes(), b"\n\n", request.body()].concat()
}

fn request_of(bytes: &[u8]) -> Request<Bytes> {
    let (first, headers, body) = parts(bytes);
    let (method, uri) = first.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri).body(body).unwrap();
    *request.headers_mut() = headers;
    request
}

fn response_to(response: &Response) -> Vec<u8> {
    let head = [response.status.as_u16().to_string()].into_iter().chain(lines(&response.headers));
    [head.collect::<Vec<_>>().join("\n").as_bytes(), b"\n\n", &response.body].concat()
}

fn response_of(bytes: &[u8]) -> Response {
    let (first, headers, body) = parts(bytes);
    Response { status: StatusCode::from_bytes(first.as_bytes()).unwrap(), headers, body }
}

fn lines(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
}

fn parts(bytes: &[u8]) -> (String, HeaderMap, Bytes) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    (first, lines.map(header).collect(), Bytes::copy_from_slice(&bytes[end + 2..]))
}

// === impl Totals ===

impl Totals {
    /// Adds what has happened in another simulation.
    pub fn add(&mut self, other: &Totals) {
        self.links += other.links;
        self.errors += other.errors;
        self.silences += other.silences;
        self.undone += other.undone;
        self.crashes += other.crashes;
        self.partings += other.partings;
        self.delays += other.delays;
        self.outages += other.outages;
        self.sent_again += other.sent_again;
        self.simulated_ms += other.simulated_ms;
    }

    /// Whether every kind of fault and of outcome was among it.
    pub fn has_seen_everything(&self) -> bool {
        let seen = [
            self.links,
            self.errors,
            self.silences,
            self.undone,
            self.crashes,
            self.partings,
            self.delays,
            self.outages,
            self.sent_again,
        ];
        seen.iter().all(|count| *count > 0)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} links told, {} errors ({} as undone), {} silences; {} crashes, {} partings, \
             {} delays, {} outages of the database; {} writes sent again; {} s simulated",
            self.links,
            self.errors,
            self.undone,
            self.silences,
            self.crashes,
            self.partings,
            self.delays,
            self.outages,
            self.sent_again,
            self.simulated_ms / 1_000,
        )
    }
}
