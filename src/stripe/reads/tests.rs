use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;
use http::Method;
use tokio::sync::Semaphore;

use super::*;
use crate::caller::{Caller, DEFAULT_ACCOUNT};
use crate::pb;
use crate::stripe::webhook::Event;
use crate::stripe::{Client, Config, Transport, Write};

const AGE: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);
/// More steps than a call takes to reach Stripe.
const STEPS: usize = 100;

/// A Stripe with products whose names say how often they were changed.
#[derive(Clone)]
struct Upstream {
    changes: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
    /// The answers to reads, and to changes, each need leave to pass.
    answers: Arc<Semaphore>,
    changed: Arc<Semaphore>,
}

impl Upstream {
    fn new() -> Self {
        let open = || Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { changes: Arc::default(), reads: Arc::default(), answers: open(), changed: open() }
    }

    fn client(&self, age: Duration) -> Client {
        let upstream = self.clone();
        let answering = move |call: Call| upstream.clone().answer(call);
        let config = Config {
            cache_age_ms: age.as_millis().try_into().unwrap(),
            rate_test: 0,
            ..Config::testing()
        };
        config.client_over(Transport::over(tower::service_fn(answering)))
    }

    async fn answer(self, call: Call) -> Result<Answer, Error> {
        let (changes, pass) = if call.method == Method::GET {
            self.reads.fetch_add(1, Ordering::Relaxed);
            (self.changes.load(Ordering::Relaxed), &self.answers)
        } else {
            (self.changes.fetch_add(1, Ordering::Relaxed) + 1, &self.changed)
        };
        pass.acquire().await.unwrap().forget();
        let id = call.place.path.rsplit('/').next().unwrap();
        let body = format!(r#"{{"id":"{id}","object":"product","name":"{changes}"}}"#);
        Ok(Answer { body: body.into(), request_id: None, resource: id.to_owned(), replayed: false })
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

async fn get(client: &Client, caller: &Caller) -> String {
    client.get::<pb::Product>("prod_1", caller).await.unwrap().name
}

async fn change(client: &Client) {
    let write = Write::set::<pb::Product>("prod_1", &[("name", "x")]);
    client
        .write(DEFAULT_ACCOUNT, &write, Some("key".into()), Instant::now() + MINUTE)
        .await
        .unwrap();
}

fn caller() -> Caller {
    Caller::itself(MINUTE)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_time_and_no_longer() {
    let upstream = Upstream::new();
    let client = upstream.client(AGE);
    for _ in 0..3 {
        get(&client, &caller()).await;
    }
    assert_eq!(upstream.reads(), 1);
    tokio::time::advance(AGE.saturating_sub(Duration::from_millis(1))).await;
    get(&client, &caller()).await;
    assert_eq!(upstream.reads(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    get(&client, &caller()).await;
    assert_eq!(upstream.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_when_that_is_off_or_of_what_changes_by_itself() {
    let upstream = Upstream::new();
    let client = upstream.client(Duration::ZERO);
    for _ in 0..3 {
        get(&client, &caller()).await;
    }
    assert_eq!(upstream.reads(), 3);
    let client = upstream.client(AGE);
    for _ in 0..3 {
        client.get::<pb::Coupon>("c", &caller()).await.unwrap();
    }
    assert_eq!(upstream.reads(), 6);
}

#[tokio::test(start_paused = true)]
async fn who_wants_it_fresh_gets_it_fresh_and_the_others_what_was_got() {
    let upstream = Upstream::new();
    let client = upstream.client(AGE);
    assert_eq!(get(&client, &caller()).await, "0");
    upstream.changes.fetch_add(1, Ordering::Relaxed);
    assert_eq!(get(&client, &caller()).await, "0", "nobody has told of the change");
    assert_eq!(get(&client, &caller().wanting_fresh()).await, "1");
    assert_eq!(get(&client, &caller()).await, "1");
}

#[tokio::test(start_paused = true)]
async fn a_change_through_the_same_client_is_seen_at_once_and_needs_no_read() {
    let upstream = Upstream::new();
    let client = upstream.client(AGE);
    assert_eq!(get(&client, &caller()).await, "0");
    change(&client).await;
    assert_eq!(get(&client, &caller()).await, "1");
    assert_eq!(upstream.reads(), 1, "the change's own answer was kept");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_stripe_tells_of_again_is_not_kept_for_the_last() {
    let upstream = Upstream::new();
    let again = upstream.clone();
    let answering = move |call: Call| {
        let answer = again.clone().answer(call);
        async { answer.await.map(|answer| Answer { replayed: true, ..answer }) }
    };
    let config = Config { rate_test: 0, ..Config::testing() };
    let client = config.client_over(Transport::over(tower::service_fn(answering)));
    change(&client).await;
    assert_eq!(get(&client, &caller()).await, "1");
    assert_eq!(upstream.reads(), 1, "Stripe was asked how it is now");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_about_it_drops_what_is_kept() {
    let upstream = Upstream::new();
    let client = upstream.client(AGE);
    get(&client, &caller()).await;
    for (event, reads) in [
        (r#"{"id":"evt_1","type":"product.updated","data":{"object":{"id":"prod_2"}}}"#, 1),
        (r#"{"id":"evt_2","type":"price.updated","data":{"object":{"id":"prod_1"}}}"#, 1),
        (r#"{"id":"evt_3","type":"product.updated","data":{"object":{"id":"prod_1"}}}"#, 2),
        (r#"{"id":"evt_4","type":"product.deleted","data":{"object":{"id":"prod_1"}}}"#, 3),
        (r#"{"id":"evt_5","type":"product.updated"}"#, 3),
    ] {
        client.hear(DEFAULT_ACCOUNT, &Event::parse(event.as_bytes()).unwrap());
        get(&client, &caller()).await;
        assert_eq!(upstream.reads(), reads, "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_a_change_has_overtaken_is_not_kept() {
    let shut = || Arc::new(Semaphore::new(0));
    let upstream = Upstream { answers: shut(), changed: shut(), ..Upstream::new() };
    let client = upstream.client(AGE);
    let early = tokio::spawn({
        let client = client.clone();
        async move { get(&client, &caller()).await }
    });
    while upstream.reads() == 0 {
        tokio::task::yield_now().await;
    }
    // The read has been done, and its answer is on its way.
    let changing = tokio::spawn({
        let client = client.clone();
        async move { change(&client).await }
    });
    while upstream.changes.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    upstream.answers.add_permits(1);
    assert_eq!(early.await.unwrap(), "0");
    upstream.changed.add_permits(1);
    changing.await.unwrap();
    upstream.answers.add_permits(9);
    assert_eq!(get(&client, &caller()).await, "1");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_began_before_a_change_is_neither_joined_nor_kept_after_it() {
    for age in [Duration::ZERO, AGE] {
        let upstream = Upstream { answers: Arc::new(Semaphore::new(0)), ..Upstream::new() };
        let client = upstream.client(age);
        let ask = |client: Client| tokio::spawn(async move { get(&client, &caller()).await });
        let early = ask(client.clone());
        while upstream.reads() == 0 {
            tokio::task::yield_now().await;
        }
        change(&client).await;
        let late = ask(client.clone());
        for _ in 0..STEPS {
            tokio::task::yield_now().await;
        }
        upstream.answers.add_permits(9);
        assert_eq!((early.await.unwrap(), late.await.unwrap()), ("0".into(), "1".into()));
        assert_eq!(get(&client, &caller()).await, "1");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_at_a_time_none_is_kept_for_the_last() {
    let upstream = Upstream { changed: Arc::new(Semaphore::new(0)), ..Upstream::new() };
    let client = upstream.client(AGE);
    let mut changing = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        changing.spawn(async move { change(&client).await });
    }
    while upstream.changes.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    upstream.changed.add_permits(9);
    changing.join_all().await;
    assert_eq!(get(&client, &caller()).await, "2");
    assert_eq!(upstream.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn reads_of_one_thing_at_one_time_are_one_read() {
    let upstream = Upstream { answers: Arc::new(Semaphore::new(0)), ..Upstream::new() };
    let client = upstream.client(Duration::ZERO);
    let callers: Vec<_> = (0..64).map(|_| caller()).collect();
    let all = join_all(callers.iter().map(|caller| get(&client, caller)));
    // All have asked before the answer comes.
    let (names, ()) = tokio::join!(all, async { upstream.answers.add_permits(9) });
    assert!(names.iter().all(|name| name == "0"));
    assert_eq!(upstream.reads(), 1);
    let caller = caller();
    let all = join_all([
        client.get::<pb::Product>("prod_1", &caller),
        client.get::<pb::Product>("prod_2", &caller),
    ]);
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(upstream.reads(), 3);
    assert!(client.at(DEFAULT_ACCOUNT).unwrap().reads.flights().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_has_more_time_does_not_fail_with_who_has_less() {
    let upstream = Upstream { answers: Arc::new(Semaphore::new(0)), ..Upstream::new() };
    let client = upstream.client(AGE);
    let hurried = Caller::itself(Duration::from_millis(100));
    let patient = Caller::itself(Duration::from_secs(5));
    let hasty = client.get::<pb::Product>("prod_1", &hurried);
    let late = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        upstream.answers.add_permits(9);
    };
    let (hasty, patient, ()) = tokio::join!(hasty, get(&client, &patient), late);
    assert!(matches!(hasty, Err(Error::Deadline)));
    assert_eq!(patient, "0");
}

#[tokio::test(start_paused = true)]
async fn who_has_more_time_is_not_refused_because_others_could_not_wait() {
    let upstream = Upstream::new();
    let fails_once = Arc::new(AtomicUsize::new(1));
    let (again, failing) = (upstream.clone(), fails_once.clone());
    let answering = move |call: Call| {
        let (upstream, failing) = (again.clone(), failing.clone());
        async move {
            if failing.swap(0, Ordering::Relaxed) == 0 {
                return upstream.answer(call).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(Error::AnswerLost { write: false })
        }
    };
    let config = Config { cache_age_ms: 0, rate_test: 0, ..Config::testing() };
    let client = config.client_over(Transport::over(tower::service_fn(answering)));
    // Too little for another attempt.
    let hurried = Caller::itself(Duration::from_millis(100));
    let hasty = client.get::<pb::Product>("prod_1", &hurried);
    let patient = caller();
    let (hasty, patient) = tokio::join!(hasty, get(&client, &patient));
    assert!(matches!(hasty, Err(Error::AnswerLost { .. })), "{hasty:?}");
    assert_eq!(patient, "0");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_does_not_take_the_others_answer_along() {
    let upstream = Upstream { answers: Arc::new(Semaphore::new(0)), ..Upstream::new() };
    let client = upstream.client(AGE);
    let ask = |client: Client| tokio::spawn(async move { get(&client, &caller()).await });
    let first = ask(client.clone());
    tokio::task::yield_now().await;
    let second = ask(client.clone());
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    upstream.answers.add_permits(9);
    assert_eq!(second.await.unwrap(), "0");
    assert_eq!(upstream.reads(), 1);

    let alone = Upstream { answers: Arc::new(Semaphore::new(0)), ..Upstream::new() };
    let client = alone.client(AGE);
    let only = ask(client.clone());
    tokio::task::yield_now().await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    assert!(
        client.at(DEFAULT_ACCOUNT).unwrap().reads.flights().is_empty(),
        "nobody waits, so nothing is under way"
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_answers_are_kept_and_the_oldest_goes_first() {
    let upstream = Upstream::new();
    let reads = Reads::new(AGE, 3);
    let stack = upstream.client(AGE).at(DEFAULT_ACCOUNT).unwrap().stack.clone();
    let ask = async |nth: usize| {
        let mut call = crate::stripe::tests::call(Method::GET);
        call.place.path = format!("/v1/products/prod_{nth}");
        call.place.route = "/v1/products/{id}";
        reads.answer(call, false, &stack).await.unwrap();
        upstream.reads()
    };
    for nth in 0..4 {
        assert_eq!(ask(nth).await, nth + 1);
    }
    assert_eq!((ask(1).await, ask(2).await, ask(3).await), (4, 4, 4));
    assert_eq!(ask(0).await, 5);
    assert_eq!(ask(1).await, 6, "it was the oldest");
}
