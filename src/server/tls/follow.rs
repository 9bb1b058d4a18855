//! Follows the files of a listener's TLS while it serves.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::expiry::{self, Nearness};
use super::{Contents, Error, Tls};

/// What was found, by which a change is known: contents, or why there are none.
type Found = Result<[u8; 32], String>;

static RELOADS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.tls.reloads")
        .with_unit("{reload}")
        .with_description("Changes of the files of TLS, by whether they were taken over.")
        .build()
});

// === impl Tls ===

impl Tls {
    /// Looks at the files again and again, and at once on SIGHUP, and takes over what
    /// has changed. Files that make no sense, or not together, leave all as it was:
    /// who writes several files one after the other is between two of them.
    pub(in crate::server) async fn follow(
        self: Arc<Self>,
        every: Duration,
        stop: CancellationToken,
    ) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut last: Found = Ok(self.opened);
        let mut near = Nearness::default();
        loop {
            let asked = async {
                match &mut hangups {
                    Some(hangups) => drop(hangups.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
                () = asked => {}
            }
            let files = self.files.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else {
                continue;
            };
            if let Ok(contents) = &read {
                near.warn(self.listener, contents);
            }
            let found = read.as_ref().map(Contents::digest).map_err(Error::to_string);
            if last != found {
                self.take_over(read);
                last = found;
            }
        }
    }

    fn take_over(&self, read: Result<Contents, Error>) {
        let listener = self.listener;
        let taken = read.and_then(|contents| {
            let current = self.rules.apply(&contents)?;
            expiry::report(listener, &contents);
            Ok(current)
        });
        let outcome = match taken {
            Ok(current) => {
                self.current.send_replace(current);
                tracing::info!(listener, "The files of TLS have changed and are taken over");
                "taken"
            }
            Err(error) => {
                tracing::error!(
                    listener, %error,
                    "The files of TLS cannot be used; what they were before stays in force"
                );
                "refused"
            }
        };
        let attributes = [KeyValue::new("listener", listener), KeyValue::new("outcome", outcome)];
        RELOADS.add(1, &attributes);
    }
}
