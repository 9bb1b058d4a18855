//! Leaves Stripe alone while it fails, so that callers learn at once what they
//! would learn after a timeout, and Stripe can come back without our help.
//!
//! Reads and writes have a circuit each: Stripe can lose one and keep the other.

mod circuit;

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;
use tower::{Layer, Service};

use self::circuit::{Circuit, Verdict};
use super::call::{Answer, Call};
use super::error::Error;

/// Breaks the circuit of a class of calls that fails.
#[derive(Debug, Clone)]
pub struct BreakerLayer {
    reads: Arc<Circuit>,
    writes: Arc<Circuit>,
}

/// The service of [`BreakerLayer`].
#[derive(Debug, Clone)]
pub struct Breaker<S> {
    inner: S,
    reads: Arc<Circuit>,
    writes: Arc<Circuit>,
}

static STATE: LazyLock<Gauge<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_gauge("paylink.stripe.circuit.open")
        .with_description("Whether calls to Stripe are refused because it fails: 1 if so.")
        .build()
});

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.circuit.refused")
        .with_description("Attempts at Stripe that were not made because it fails.")
        .build()
});

// === impl BreakerLayer ===

impl BreakerLayer {
    /// Leaves Stripe alone for `first` when it fails, twice as long each time
    /// that it fails again, and never longer than `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        let circuit = || Arc::new(Circuit::new(first, longest));
        Self { reads: circuit(), writes: circuit() }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Breaker<S>;

    fn layer(&self, inner: S) -> Breaker<S> {
        Breaker { inner, reads: self.reads.clone(), writes: self.writes.clone() }
    }
}

// === impl Breaker ===

impl<S> Service<Call> for Breaker<S>
where
    S: Service<Call, Response = Answer, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (circuit, class) =
            if call.is_write() { (&self.writes, "write") } else { (&self.reads, "read") };
        let class = [KeyValue::new("class", class)];
        let pass = match Circuit::admit(circuit, Instant::now()) {
            Ok(pass) => pass,
            Err(retry_after) => {
                REFUSED.add(1, &class);
                return Box::pin(std::future::ready(Err(Error::CircuitOpen { retry_after })));
            }
        };
        let attempt = self.inner.call(call);
        Box::pin(async move {
            let outcome = attempt.await;
            if let Some(open) = pass.report(verdict(&outcome), Instant::now()) {
                STATE.record(u64::from(open), &class);
                tracing::warn!(open, class = %class[0].value, "The circuit to Stripe has changed");
            }
            outcome
        })
    }
}

/// What an outcome says of Stripe's health. A caller's own short deadline and
/// what we refuse ourselves say nothing.
fn verdict(outcome: &Result<Answer, Error>) -> Verdict {
    match outcome {
        Ok(_) => Verdict::Healthy,
        Err(Error::Refused(refusal)) => match refusal.status {
            _ if refusal.replayed => Verdict::Healthy,
            500.. => Verdict::Failing,
            _ if refusal.is_rate_limit() => Verdict::Limiting,
            429 => Verdict::Unknown,
            _ => Verdict::Healthy,
        },
        Err(Error::Unreachable { .. } | Error::AnswerLost { .. } | Error::TimedOut { .. }) => {
            Verdict::Failing
        }
        Err(_) => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests;
