//! What paylink remembers, in SQLite or PostgreSQL.
//!
//! One task writes, in groups that share a commit; a few connections read. A
//! write is answered after its commit has reached the disk, so what was
//! answered survives a crash and a power cut. Where replicas share a database,
//! their writers take turns, commit by commit, so that every rule written for
//! one writer holds for all. Each table has a file, which adds its reads to
//! [`Storage`] and its writes to [`Transaction`], in one SQL for both databases.

mod answers;
mod audit;
mod chain;
mod connect;
mod consumers;
mod endings;
mod error;
mod events;
pub mod examine;
mod facts;
mod feed;
mod installation;
mod leases;
mod links;
mod marks;
mod news;
mod operations;
mod orders;
mod payments;
mod quarantine;
mod query;
mod refund_requests;
pub mod retention;
mod schema;
mod signals;
mod together;
mod writer;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sqlx::{AnyConnection, AnyPool};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument as _;
use uuid::Uuid;

pub use self::answers::Answered;
pub use self::audit::{AuditListing, AuditPage};
pub use self::chain::{Hash, Place};
use self::connect::{Connections, Kind};
pub use self::consumers::Consumer;
pub use self::endings::Ending;
pub use self::error::Error;
pub use self::events::{DueEvent, EventState, Inbox, NewEvent};
pub use self::facts::Fact;
pub use self::feed::{Change, Ends, Page, PageLimit};
pub use self::leases::Lease;
pub use self::links::{LinkListing, SeenLink, Term};
use self::news::News;
pub use self::operations::{Operation, OperationCount, OperationState};
pub use self::orders::OverOrder;
pub use self::payments::{Claimable, Cursor, Known, Listing};
pub use self::refund_requests::{Hold, RefundRequest};
use self::signals::Signals;
use self::together::Together;
use self::writer::{Batch, Writer};
use crate::caller;

/// Where the memory is, and its bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite:` and the path of a file, which is made if absent and belongs to
    /// one process; `sqlite::memory:`, which forgets everything when the process
    /// ends; or the `postgres://` URL of a database, which replicas can share, and which can
    /// hold a password.
    pub url: SecretString,
    /// How long a statement waits for what another process holds, in
    /// milliseconds.
    pub busy_timeout_ms: NonZeroU64,
    /// How long PostgreSQL may work on a statement, in milliseconds. SQLite works
    /// in this process, where nothing can be lost on the way.
    pub statement_timeout_ms: NonZeroU64,
    /// How long a read waits for a free connection, in milliseconds.
    pub acquire_timeout_ms: NonZeroU64,
    /// How many connections read at the same time.
    pub readers_max: NonZeroU32,
    /// How many writes share one commit.
    pub write_batch_max: NonZeroUsize,
    /// How many writes may wait; further ones are refused with [`Error::Busy`].
    pub write_queue_max: NonZeroUsize,
    /// For how long what is kept.
    pub retention: retention::Config,
}

/// The memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Storage {
    connections: Arc<Connections>,
    queue: mpsc::Sender<Box<dyn writer::Job>>,
    epoch: Arc<str>,
    process: Arc<str>,
    heard: watch::Receiver<()>,
    _signals: Arc<Signals>,
}

/// A write in progress, all of which is committed or none: the connection, and
/// what its batch has come to.
#[derive(Debug)]
pub struct Transaction<'c>(&'c mut AnyConnection, &'c mut Batch);

// === impl Config ===

impl Config {
    /// Opens the memory, brings its schema up to date and starts its writer.
    ///
    /// Refuses to open what would not keep its promises: the database must
    /// confirm that a commit waits for the disk.
    pub async fn open(&self) -> Result<Storage, Error> {
        let connections = Arc::new(Connections::open(self).await?);
        let mut connection = connections.writers.acquire().await?;
        let epoch = installation::epoch(&mut connection).await?;
        drop(connection);

        let process: Arc<str> = Uuid::new_v4().simple().to_string().into();
        let (other_replicas, heard) = watch::channel(());
        let news = Arc::new(News::new(epoch.clone(), &process, other_replicas));
        if connections.kind == Kind::Postgres {
            tokio::spawn(news.clone().listen(self.url.expose_secret().to_owned()));
        }
        let (queue, waiting) = mpsc::channel(self.write_queue_max.get());
        tokio::spawn(Writer::new(self, connections.clone(), news).run(waiting));
        let signals = Arc::new(Signals::new(&connections, &queue));
        Ok(Storage { connections, queue, epoch, process, heard, _signals: signals })
    }
}

// === impl Storage ===

impl Storage {
    /// The random name that this memory got when it was made.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Whether other replicas use this memory as well.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.connections.kind == Kind::Postgres
    }

    /// Changes when another replica has written something. It is a shortcut:
    /// who waits for something must look by itself now and then.
    #[must_use]
    pub fn heard(&self) -> watch::Receiver<()> {
        self.heard.clone()
    }

    /// Writes, and returns what `work` returned once it is committed.
    ///
    /// `work` may run more than once, each time from the beginning: what it did
    /// before was undone.
    ///
    /// When `work` fails, nothing of it is kept and its error is returned; the
    /// writes that share the commit are not touched. A caller who stops waiting
    /// does not stop the write; but one whose turn comes after the deadline that
    /// [`caller::deadline`] tells here is not begun, and gets [`Error::Late`].
    pub async fn write<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T, Error>>
            + Clone
            + Send
            + 'static,
    {
        self.enqueue(writer::job(work, caller::deadline())).await
    }

    /// Writes a row as [`Storage::write`] would, by statements that it shares with what is
    /// written of its kind at the same time.
    async fn put<R: Together>(&self, row: R) -> Result<R::Outcome, Error> {
        self.enqueue(together::job(row, caller::deadline())).await
    }

    /// Hands a job to the writer, and waits for its answer.
    async fn enqueue<T>(
        &self,
        (job, answer): (Box<dyn writer::Job>, oneshot::Receiver<Result<T, Error>>),
    ) -> Result<T, Error> {
        let written = async {
            self.queue.try_send(job).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            })?;
            answer.await.map_err(|_| Error::Closed)?
        };
        let span = signals::write(self.connections.kind);
        let outcome = written.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            signals::failed(&span, error);
        }
        outcome
    }

    /// Says whether the memory answers: it serves a read, and its writer lives.
    pub async fn ping(&self) -> Result<(), Error> {
        if self.queue.is_closed() {
            return Err(Error::Closed);
        }
        sqlx::query("SELECT 1").execute(self.readers()).await?;
        Ok(())
    }

    /// Closes the memory once the reads and writes under way have ended; later
    /// ones get [`Error::Closed`].
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Names this process among those that share the memory.
    fn process(&self) -> &str {
        &self.process
    }

    /// Where reads go.
    fn readers(&self) -> &AnyPool {
        &self.connections.readers
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
