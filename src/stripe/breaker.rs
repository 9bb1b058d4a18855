//! Leaves Stripe alone while it fails, so that callers learn at once what they
//! would learn after a timeout, and Stripe can come back without our help.
//!
//! Reads and writes have a circuit each: Stripe can lose one and keep the other.

mod circuit;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::{Counter, ObservableGauge};
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;

use self::circuit::{Circuit, Verdict};
use super::call::{Answer, Call};
use super::error::Error;
use super::way::Way;

/// The classes of calls, as signals name them.
const READ: &str = "read";
const WRITE: &str = "write";

/// Breaks the circuit of a class of calls that fails.
#[derive(Debug)]
pub struct Breaker<W> {
    inner: W,
    account: KeyValue,
    reads: Arc<Circuit>,
    writes: Arc<Circuit>,
    /// What reads the circuits lives as long as they do.
    _gauge: ObservableGauge<u64>,
}

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.circuit.refused")
        .with_unit("{request}")
        .with_description("Attempts at Stripe that were not made because it fails.")
        .build()
});

// === impl Breaker ===

impl<W> Breaker<W> {
    /// Leaves Stripe alone for `first` when it fails, twice as long each time
    /// that it fails again, and never longer than `longest`. What is told of it
    /// names the account.
    #[must_use]
    pub fn new(inner: W, account: KeyValue, first: Duration, longest: Duration) -> Self {
        let circuit = || Arc::new(Circuit::new(first, longest));
        Self::over(inner, account, circuit(), circuit())
    }

    fn over(inner: W, account: KeyValue, reads: Arc<Circuit>, writes: Arc<Circuit>) -> Self {
        let circuits = [(&reads, READ), (&writes, WRITE)];
        for (_, class) in circuits {
            // What is not there yet cannot be seen to rise, by whoever waits for it.
            REFUSED.add(0, &[KeyValue::new("class", class), account.clone()]);
        }
        let circuits = circuits.map(|(circuit, class)| (Arc::downgrade(circuit), class));
        let told_of = account.clone();
        let gauge = global::meter("paylink")
            .u64_observable_gauge("paylink.stripe.circuit.open")
            .with_unit("1")
            .with_description("Whether calls to Stripe are refused because it fails: 1 if so.")
            .with_callback(move |observer| {
                for (circuit, class) in &circuits {
                    if let Some(circuit) = circuit.upgrade() {
                        let is_open = u64::from(circuit.is_open());
                        let class = KeyValue::new("class", *class);
                        observer.observe(is_open, &[class, told_of.clone()]);
                    }
                }
            })
            .build();
        Self { inner, account, reads, writes, _gauge: gauge }
    }
}

impl<W: Way> Way for Breaker<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let (circuit, class) =
            if call.is_write() { (&self.writes, WRITE) } else { (&self.reads, READ) };
        let pass = Circuit::admit(circuit, Instant::now()).map_err(|retry_after| {
            REFUSED.add(1, &[KeyValue::new("class", class), self.account.clone()]);
            Error::CircuitOpen { retry_after }
        })?;
        let outcome = self.inner.carry(call).await;
        if let Some(open) = pass.report(verdict(&outcome), Instant::now()) {
            let account = &self.account.value;
            tracing::warn!(%account, open, class, "The circuit to Stripe has changed");
        }
        outcome
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
