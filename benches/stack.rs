//! What the layers between a call and the wire cost, all of them and each.
//!
//! Around them is what production has: metrics that are counted, spans that are
//! recorded and not exported. Inside is a Stripe that answers at once. `nothing`
//! is what a row costs without a layer; take it off each.

#![expect(clippy::unwrap_used, reason = "a benchmark may end early")]

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use http::Method;
use paylink::caller::Caller;
use paylink::config::{Profile, Sources};
use paylink::pb;
use paylink::stripe::access::{Access, Standing};
use paylink::stripe::breaker::Breaker;
use paylink::stripe::call::{Answer, Call, Place};
use paylink::stripe::observe::Observe;
use paylink::stripe::queue::Queue;
use paylink::stripe::rate_limit::RateLimit;
use paylink::stripe::retry::Retry;
use paylink::stripe::stack::told_of;
use paylink::stripe::timeout::Timeout;
use paylink::stripe::way::Way;
use paylink::stripe::{self, Client, Error, Resourceful as _, Transport};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tower::service_fn;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

static CONFIG: LazyLock<stripe::Config> = LazyLock::new(|| {
    let environment = [
        ("PAYLINK__STRIPE__API_KEY", "sk_test_1"),
        // The rate is so high that nobody waits, and is counted all the same.
        ("PAYLINK__STRIPE__RATE_TEST", "1000000000"),
        ("PAYLINK__STRIPE__RATE_ENDPOINT", "1000000000"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let config = Sources { profile: Profile::Serve, file: None, environment }.load().unwrap();
    let telemetry = RUNTIME.block_on(async { config.telemetry.start() }).unwrap();
    // For as long as the benchmark runs.
    std::mem::forget(telemetry);
    config.stripe
});

const LONG: Duration = Duration::from_secs(15);

/// A Stripe that answers at once.
#[derive(Debug, Clone)]
struct AtOnce;

impl Way for AtOnce {
    async fn carry(&self, _: &Call) -> Result<Answer, Error> {
        at_once()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for what can fail")]
fn at_once() -> Result<Answer, Error> {
    let body = Bytes::from_static(br#"{"id":"prod_1","object":"product","name":"Poster"}"#);
    Ok(Answer { body, request_id: None, resource: "prod_1".into(), replayed: false })
}

/// The same in HTTP's place.
fn transport() -> Transport {
    Transport::over(service_fn(|_: Call| std::future::ready(at_once())))
}

fn main() {
    divan::main();
}

/// Carries calls one after the other.
fn carry(bencher: Bencher, way: &impl Way) {
    let call = Call {
        method: Method::POST,
        place: Place::one(pb::Product::resource(), "prod_1"),
        form: Bytes::from_static(b"name=Poster"),
        idempotency_key: Some("plv1-ff9b066637ba501d93e7fd842cfd790e7e64cef10b414432".into()),
        deadline: Instant::now() + Duration::from_hours(1),
    };
    bencher.bench_local(|| RUNTIME.block_on(way.carry(&call)).unwrap());
}

#[divan::bench]
fn nothing(bencher: Bencher) {
    carry(bencher, &AtOnce);
}

#[divan::bench]
fn layer_retry(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &Retry::new(AtOnce, told_of(""), 3, LONG, LONG));
}

#[divan::bench]
fn layer_breaker(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &Breaker::new(AtOnce, told_of(""), LONG, LONG));
}

#[divan::bench]
fn layer_rate_limit(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &RateLimit::new(AtOnce, told_of(""), 1_000_000_000, 1_000_000_000));
}

#[divan::bench]
fn layer_queue(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &Queue::new(AtOnce, &told_of(""), 32, 64));
}

#[divan::bench]
fn layer_access(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &Access::new(AtOnce, told_of(""), Standing::default()));
}

#[divan::bench]
fn layer_observe(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &Observe::new(AtOnce));
}

#[divan::bench]
fn layer_timeout(bencher: Bencher) {
    LazyLock::force(&CONFIG);
    carry(bencher, &Timeout::new(AtOnce, LONG, LONG));
}

#[divan::bench]
fn stack_whole(bencher: Bencher) {
    carry(bencher, &*CONFIG.stack("", transport(), Standing::default(), None));
}

/// Reads through a client: the layers, and the reading of the answer.
fn get(bencher: Bencher, fresh: bool) {
    let client: Client = CONFIG.client_over(transport());
    bencher.bench_local(|| {
        let caller = Caller::itself(LONG);
        let caller = if fresh { caller.wanting_fresh() } else { caller };
        RUNTIME.block_on(client.get::<pb::Product>("prod_1", &caller)).unwrap()
    });
}

#[divan::bench]
fn get_through_the_stack(bencher: Bencher) {
    get(bencher, true);
}

#[divan::bench]
fn get_of_what_is_kept(bencher: Bencher) {
    get(bencher, false);
}
