//! What is read from outside, kept until a better reading comes: a source that
//! fails or is broken changes nothing, and is told of.

mod source;

use std::sync::{Arc, LazyLock};

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::source::Source;

/// Reads what a source holds, or says why it is of no use.
type Read<T> = Box<dyn Fn(&[u8]) -> Result<T, String> + Send + Sync>;

/// The last good reading of a source.
pub struct Kept<T> {
    name: String,
    source: Source,
    read: Read<T>,
    current: watch::Sender<Arc<T>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What was read last, good or bad, so that it is told of once.
    bytes: Option<Vec<u8>>,
    at: Option<Instant>,
}

static READINGS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.kept.readings")
        .with_unit("{reading}")
        .with_description(
            "Changed policies, keys and secrets that were read, by what became of them.",
        )
        .build()
});

// === impl Kept ===

impl<T: Send + Sync + 'static> Kept<T> {
    /// Keeps `first` until something else was read.
    pub fn new(
        name: String,
        source: Source,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync + 'static,
        first: T,
    ) -> Self {
        let (current, seen) = (watch::Sender::new(Arc::new(first)), Mutex::default());
        // What is not there yet cannot be seen to rise, by whoever waits for it.
        count(&name, "broken", 0);
        Self { name, source, read: Box::new(read), current, seen }
    }

    /// Reads a source for the first time, or says why it is of no use.
    pub async fn first(
        name: String,
        source: Source,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let bytes = source.bytes().await?;
        let first = read(&bytes)?;
        let kept = Self::new(name, source, read, first);
        kept.seen.lock().await.bytes = Some(bytes);
        Ok(kept)
    }

    /// The last good reading.
    pub fn now(&self) -> Arc<T> {
        self.current.borrow().clone()
    }

    /// Changes with every good reading.
    pub fn changes(&self) -> watch::Receiver<Arc<T>> {
        self.current.subscribe()
    }

    /// Looks at the source again and again, until it is stopped.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let following = async {
            loop {
                let mut seen = self.seen.lock().await;
                self.look(&mut seen).await;
                drop(seen);
                tokio::time::sleep(self.source.interval()).await;
            }
        };
        stop.run_until_cancelled(following).await;
    }

    /// Looks for what `old` lacks, unless that was done lately, and says whether
    /// there is something newer. Goes on when nobody waits for it any more, or
    /// callers in a hurry could keep it from ever coming to an end.
    pub async fn look_for_missing(self: Arc<Self>, old: &Arc<T>) -> bool {
        let kept = self.clone();
        let looking = tokio::spawn(async move {
            let mut seen = kept.seen.lock().await;
            if seen.at.is_none_or(|at| at.elapsed() >= kept.source.pause()) {
                kept.look(&mut seen).await;
            }
        });
        let is_newer = || !Arc::ptr_eq(&self.now(), old);
        is_newer() || looking.await.is_ok_and(|()| is_newer())
    }

    async fn look(&self, seen: &mut Seen) {
        seen.at = Some(Instant::now());
        let read = match self.source.bytes().await {
            Ok(bytes) if seen.bytes.as_ref() == Some(&bytes) => return,
            Ok(bytes) => {
                let read = (self.read)(&bytes);
                seen.bytes = Some(bytes);
                read
            }
            Err(error) => Err(error),
        };
        let outcome = match read {
            Ok(reading) => {
                self.current.send_replace(Arc::new(reading));
                tracing::info!(source = self.name, "Read anew");
                "read"
            }
            Err(error) => {
                tracing::error!(source = self.name, error, "Broken, so the last reading stays");
                "broken"
            }
        };
        count(&self.name, outcome, 1);
    }
}

impl<T> std::fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("name", &self.name).finish_non_exhaustive()
    }
}

fn count(source: &str, outcome: &'static str, readings: u64) {
    let source = KeyValue::new("source", source.to_owned());
    READINGS.add(readings, &[source, KeyValue::new("outcome", outcome)]);
}
