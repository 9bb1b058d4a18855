//! A process on a database file: writes, links, payments and endings, over a Stripe
//! that answers as a test has it.

use std::num::NonZeroU32;
use std::sync::Arc;

use paylink::clock::Clock;
use paylink::endings::Endings;
use paylink::links::Links;
use paylink::operations::Operations;
use paylink::payments::Payments;
use paylink::storage::Storage;
use paylink::stripe::Error;
use paylink::stripe::call::{Answer, Call};
use tokio_util::sync::CancellationToken;
use tower::service_fn;

use crate::memory::File;
use crate::stripe::{self, CONFIG};

/// The longest pause before what has failed is tried again, in milliseconds.
const RETRY_MAX_MS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// A process. It ends with the runtime that it lives in.
pub struct Process {
    pub storage: Storage,
    pub payments: Payments,
    pub endings: Endings,
    pub links: Links,
}

// === impl Process ===

impl Process {
    /// Starts it, but for the projector of payments.
    pub async fn start<A>(
        file: &File,
        answer: impl Fn(Call) -> A + Clone + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = Result<Answer, Error>> + Send + 'static,
    {
        let storage = file.open().await;
        let client = stripe::hasty_client(service_fn(answer));
        let (memory, clock) = (Arc::new(storage.clone()), Clock::of_machine());
        let writes = Operations::new(&CONFIG.writes, memory, client.clone(), clock.clone());
        let mut config = CONFIG.endings.clone();
        config.retry_max_ms = RETRY_MAX_MS;
        let endings =
            Endings::new(&config, storage.clone(), client.clone(), writes.clone(), clock.clone());
        let mut config = CONFIG.payments.clone();
        config.link_sweep_interval_ms = 0;
        config.retry_first_ms = NonZeroU32::MIN;
        config.retry_max_ms = RETRY_MAX_MS;
        let stop = CancellationToken::new();
        let payments = Payments::new(
            &config,
            storage.clone(),
            client.clone(),
            writes.clone(),
            endings.clone(),
            false,
            stop.clone(),
        );
        let links = Links::new(
            &CONFIG.links,
            client,
            writes.clone(),
            storage.clone(),
            endings.clone(),
            clock,
        );
        tokio::spawn(endings.clone().run(stop.clone()));
        tokio::spawn(writes.resolve(stop));
        Self { storage, payments, endings, links }
    }

    /// Whether no link is left that is to be ended by now.
    pub async fn has_ended_all(&self) -> bool {
        let now_ms = Clock::of_machine().now_ms();
        self.storage.late_endings(now_ms).await.unwrap().0 == 0
    }
}
