//! Deactivates links when their time has come, whatever the reason.
//!
//! An ending is a row: noted with what causes it, in one transaction, and gone
//! when it is done. One replica at a time works on those that are due. Each is a
//! certain write under an id of its own, so that an ending which is taken up
//! again, by whichever process, is the same write; then the pages are expired
//! that buyers have open. What stops half-way starts again from its row.

mod next;
mod reason;
mod signals;

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::next::Next;
pub use self::reason::{REASON, explained, word};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::contract::{self, Draft, Violations};
use crate::dice;
use crate::operations::{self, Changed, Operations};
use crate::pb;
use crate::pb::payment_link::DeactivationReason;
use crate::pb::time::millis;
use crate::storage::{self, Ending, Lease, OperationState, SeenLink, Storage};
use crate::stripe::{self, Write};

/// How links are ended, and the bounds of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many links are being deactivated at the same time.
    pub running_max: NonZeroUsize,
    /// The longest wait between two tries at one link, in milliseconds.
    pub retry_max_ms: NonZeroU32,
}

/// The endings of all links. Clones are the same.
#[derive(Debug, Clone)]
pub struct Endings(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    storage: Storage,
    stripe: stripe::Client,
    writes: Operations,
    clock: Clock,
    wake: Notify,
}

/// Why a link could not be ended for now.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Write(#[from] operations::Error),
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error("{0}")]
    Contract(#[from] Violations),
    /// More pages are open than were expired in one go.
    #[error("pages of the link are still open")]
    StillOpen,
}

/// What the worker of a process has in hand.
struct Work {
    lease: Lease,
    /// Tasks, so that each goes on whatever the others and the worker wait for: one
    /// that has got a connection must not keep it while the worker waits for one.
    running: JoinSet<()>,
    in_hand: HashMap<Uuid, AbortHandle>,
    /// When to tell again how many links wait, which takes counting.
    tell_at: Instant,
}

/// How often to look for what is due at least, whatever the clock does meanwhile.
const POLL: Duration = Duration::from_millis(500);
/// How long after the crash of the replica that does this another takes over.
const LEASE: Duration = Duration::from_secs(3);
/// How long one step may take, its retries included.
const STEP_TIME: Duration = Duration::from_secs(45);
/// The wait after the first failed try; it doubles from there.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// How many pages of one link are expired at the same time.
const EXPIRING_MAX: usize = 4;
/// How often the open pages of a link are listed in one go.
const LISTS_MAX: usize = 100;
/// How often to tell how many links wait.
const TELL: Duration = Duration::from_secs(5);
/// How often to look whether links are done that a caller waits for.
const LOOK: Duration = Duration::from_millis(20);

// === impl Endings ===

impl Endings {
    /// Ends the links of the client's accounts.
    #[must_use]
    pub fn new(
        config: &Config,
        storage: Storage,
        stripe: stripe::Client,
        writes: Operations,
        clock: Clock,
    ) -> Self {
        let config = config.clone();
        Self(Arc::new(Shared { config, storage, stripe, writes, clock, wake: Notify::new() }))
    }

    /// Says that endings were noted which may be due.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Notes for good that links of an account are to be deactivated now.
    pub async fn end(
        &self,
        account: &str,
        links: Vec<String>,
        reason: DeactivationReason,
    ) -> Result<(), storage::Error> {
        self.0.storage.end_links(account.to_owned(), links, reason, self.0.clock.now_ms()).await?;
        self.wake();
        Ok(())
    }

    /// Waits until nothing is left to be done about links, up to `time`.
    pub async fn wait(&self, links: &[String], time: Duration) -> Result<(), storage::Error> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline
            && self.0.storage.count_ending(links, self.0.clock.now_ms()).await? > 0
        {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends what is due, until it is stopped. Runs once in a process.
    pub async fn run(self, stop: CancellationToken) {
        let lease = Lease::new(self.0.storage.clone(), "endings", LEASE);
        let (running, in_hand) = (JoinSet::new(), HashMap::new());
        let mut work = Work { lease, running, in_hand, tell_at: Instant::now() };
        let mut heard = self.0.storage.heard();
        while !stop.is_cancelled() {
            let pause = match self.turn(&mut work).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "Links could not be ended, which is tried again");
                    POLL
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.wake.notified() => {}
                Ok(()) = heard.changed() => {}
                () = tokio::time::sleep(pause) => {}
                Some(_) = work.running.join_next() => {
                    work.in_hand.retain(|_, task| !task.is_finished());
                }
            }
        }
        // What is in hand goes on from its row. Whoever cannot let the lease go
        // leaves it to run out.
        let _ = work.lease.release(self.0.clock.now_ms()).await;
    }

    /// Takes up what is due and has room, where it is this replica that does, and
    /// gives the time until it is worth looking again.
    async fn turn(&self, work: &mut Work) -> Result<Duration, storage::Error> {
        let now_ms = self.0.clock.now_ms();
        // Whoever has the lease: what one had counted would stay when another takes over.
        if Instant::now() >= work.tell_at {
            signals::late(self.0.storage.late_endings(now_ms).await?, now_ms);
            work.tell_at = Instant::now() + TELL;
        }
        if !work.lease.hold(now_ms).await? {
            return Ok(POLL);
        }
        let room = self.0.config.running_max.get().saturating_sub(work.in_hand.len());
        if room == 0 {
            return Ok(POLL);
        }
        // What is in hand is still due, and is passed over.
        let limit = u32::try_from(room + work.in_hand.len()).unwrap_or(u32::MAX);
        let retry_max_ms = self.0.config.retry_max_ms.get().into();
        let due = self.0.storage.due_endings(now_ms, retry_max_ms, limit).await?;
        let new = due.into_iter().filter(|ending| !work.in_hand.contains_key(&ending.id));
        let new: Vec<_> = new.take(room).collect();
        if !new.is_empty() {
            for ending in self.0.storage.take_up(new).await? {
                let (id, endings) = (ending.id, self.clone());
                let bringing_on = async move { endings.bring_on(ending).await };
                work.in_hand.insert(id, work.running.spawn(bringing_on));
            }
        }
        let next_ms = self.0.storage.next_ending_at_ms(now_ms).await?.unwrap_or(i64::MAX);
        let wait_ms = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or_default();
        Ok(POLL.min(Duration::from_millis(wait_ms)))
    }

    /// Ends one link, or puts it off.
    async fn bring_on(&self, ending: Ending) {
        let outcome = match self.carry_out(&ending).await {
            Ok(()) => {
                signals::done(&ending, self.0.clock.now_ms());
                return;
            }
            Err(Error::Write(operations::Error::Stripe {
                state: OperationState::Rejected,
                error,
            })) => {
                tracing::error!(%error, link.id = ending.link, "A link cannot be deactivated");
                self.give_up(ending.clone(), false).await
            }
            // Under this id nothing more will be found out.
            Err(Error::Write(operations::Error::Lost)) => self.give_up(ending.clone(), true).await,
            Err(error) => {
                tracing::warn!(%error, link.id = ending.link, "A link is not ended for now");
                self.put_off(ending.clone()).await
            }
        };
        if let Err(error) = outcome {
            tracing::error!(%error, link.id = ending.link, "An ending could not be noted");
        }
    }

    async fn carry_out(&self, ending: &Ending) -> Result<(), Error> {
        let known = self.0.storage.link(&ending.link).await?;
        let reason = word(ending.reason);
        let mut parameters = vec![("active", "false")];
        // One that is inactive keeps the reason that it has.
        if known.is_none_or(|known| known.link.active) {
            parameters.push((REASON, &reason));
        }
        let write = Write::set::<pb::PaymentLink>(&ending.link, &parameters);
        let mut ended = self.change(ending, ending.id, write).await?;
        let known = self.0.storage.link(&ending.link).await?;
        match next::after(ending, &ended, known.as_ref()) {
            Next::ExpirePages => self.expire_pages(ending).await?,
            Next::Undo => {
                let undo = [("active", "true"), (REASON, "")];
                let write = Write::set::<pb::PaymentLink>(&ending.link, &undo);
                let id = Uuid::new_v5(&ending.id, b"undo");
                ended = self.change(ending, id, write).await?;
            }
            Next::Nothing => {}
        }
        let now_ms = self.0.clock.now_ms();
        let Changed { resource: link, sent_at_ms: seen_at_ms } = ended;
        let account = ending.account.clone();
        let seen = SeenLink { account, link, created_at_ms: now_ms, seen_at_ms };
        let ending = ending.clone();
        let written = self.0.storage.write(move |mut transaction| {
            Box::pin(async move {
                // Whoever has put another in its place knows more of the link.
                if transaction.finish_ending(&ending).await? {
                    transaction.put_link(&seen, now_ms).await?;
                    transaction.note_end_again(&ending.link, now_ms).await?;
                }
                Ok(())
            })
        });
        Ok(written.await?)
    }

    async fn change(
        &self,
        ending: &Ending,
        id: Uuid,
        write: Write,
    ) -> Result<Changed<pb::PaymentLink>, Error> {
        let draft = draft(&ending.link, id)?;
        Ok(self.0.writes.changed(write, &draft, &itself(ending)).await?)
    }

    /// Expires the pages that buyers have open. An inactive link opens no more.
    async fn expire_pages(&self, ending: &Ending) -> Result<(), Error> {
        for _ in 0..LISTS_MAX {
            let caller = itself(ending);
            let page = self.0.stripe.sessions_of(&ending.link, true, None, &caller).await?;
            if page.items.is_empty() {
                return Ok(());
            }
            let expiring = page.items.into_iter().map(|session| {
                // Stripe tells a failure again under its key. To expire twice is harmless.
                let (id, attempt) = (ending.id.simple(), ending.attempts);
                let key = format!("plv1-expire-{id}-{attempt}-{}", session.id);
                let caller = itself(ending);
                async move { self.0.stripe.expire_session(&session.id, key, &caller).await }
            });
            let outcomes: Vec<_> =
                stream::iter(expiring).buffer_unordered(EXPIRING_MAX).collect().await;
            outcomes.into_iter().collect::<Result<Vec<()>, _>>()?;
        }
        Err(Error::StillOpen)
    }

    async fn put_off(&self, ending: Ending) -> Result<(), storage::Error> {
        let doubled = RETRY_FIRST.saturating_mul(1 << ending.attempts.saturating_sub(1).min(16));
        let longest = Duration::from_millis(self.0.config.retry_max_ms.get().into());
        let pause = doubled.min(longest).mul_f64(dice::between(0.5, 1.0));
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let retry_at_ms = self.0.clock.now_ms().saturating_add(pause_ms);
        let written = self.0.storage.write(move |mut transaction| {
            Box::pin(async move { transaction.postpone_ending(&ending, retry_at_ms).await })
        });
        written.await
    }

    /// Takes an ending back, or puts another in its place.
    async fn give_up(&self, ending: Ending, again: bool) -> Result<(), storage::Error> {
        let now_ms = self.0.clock.now_ms();
        let known = self.0.storage.link(&ending.link).await?;
        let end_ms = known.and_then(|known| known.link.expire_time).map(|end| millis(&end));
        let has_moved = end_ms.is_some_and(|end_ms| end_ms > ending.due_at_ms);
        let written = self.0.storage.write(move |mut transaction| {
            Box::pin(async move {
                transaction.finish_ending(&ending).await?;
                let Ending { account, link, reason, due_at_ms, .. } = &ending;
                if again {
                    transaction.put_ending((account, link), *reason, *due_at_ms).await?;
                } else if has_moved {
                    transaction.note_end_again(link, now_ms).await?;
                }
                Ok(())
            })
        });
        written.await
    }
}

/// The service itself, working at the account of a link for one step.
fn itself(ending: &Ending) -> Caller {
    Caller::itself(STEP_TIME).at(&ending.account)
}

/// The request that stands for an ending, by which its write is known.
fn draft(link: &str, id: Uuid) -> Result<Draft, Violations> {
    let request =
        pb::DeactivatePaymentLinkRequest { id: link.to_owned(), request_id: id.to_string() };
    contract::check(&request).pass()
}

#[cfg(test)]
mod tests;
