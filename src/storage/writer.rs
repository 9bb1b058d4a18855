//! The one task that writes.
//!
//! A commit waits for the disk, which takes far longer than the statements in
//! it. So whatever has queued up meanwhile goes into the next commit together;
//! a lone write waits for nobody.
//!
//! Writes seldom fail, so a batch runs without savepoints, which would more than
//! double its cost. Only when one of several has failed is all undone and run
//! again, each write in a savepoint of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Any, AnyConnection, Connection as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::chain::Place;
use super::connect::{Connections, Kind, postgres};
use super::feed;
use super::news::News;
use super::together;
use super::{Config, Error, Transaction, signals};
use crate::planted::{self, Bug};

/// A write in the queue.
pub(super) trait Job: std::any::Any + Send {
    /// Does the work, again if need be, and keeps its result; says whether the
    /// batch may be committed. Work that nobody waits for any more is left out.
    fn run<'a>(&'a mut self, transaction: Transaction<'a>) -> BoxFuture<'a, bool>;
    /// Which others in its batch it is done together with, if any.
    fn kind(&self) -> Option<together::Kind> {
        None
    }
    /// Tells the caller the result, or why the commit failed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

/// Makes a job that is not begun after `deadline`, and gives the place where its
/// answer will arrive.
pub(super) fn job<T, W>(
    work: W,
    deadline: Option<Instant>,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T, Error>> + Clone + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Write { work, deadline, result: None, caller }), answer)
}

/// Says whether nobody waits any more for what was to be done by then.
pub(super) fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// Says what came of a write. Its own error says more than that of a commit which failed
/// after it.
pub(super) fn outcome<T>(
    result: Option<Result<T, Error>>,
    committed: Result<(), Error>,
) -> Result<T, Error> {
    match (result, committed) {
        (Some(result), committed) => result.and_then(|value| committed.map(|()| value)),
        (None, committed) => committed.and(Err(Error::Closed)),
    }
}

/// What the writes of a batch have come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batch {
    /// The head of the feed, once something was appended.
    pub(super) head: Option<Place>,
    /// The newest record of a call, once one was appended.
    pub(super) audited: Option<Place>,
    /// Whether events were added.
    pub(super) has_events: bool,
}

/// The one writer of this process.
#[derive(Debug)]
pub(super) struct Writer {
    connections: Arc<Connections>,
    news: Arc<News>,
    batch_max: usize,
    /// How long a batch may take on a server; `None` where nothing can be lost
    /// on the way.
    time_max: Option<Duration>,
}

struct Write<T, W> {
    work: W,
    deadline: Option<Instant>,
    /// What the work came to; `None` where it was not begun.
    result: Option<Result<T, Error>>,
    caller: oneshot::Sender<Result<T, Error>>,
}

// === impl Write ===

impl<T, W> Job for Write<T, W>
where
    T: Send + 'static,
    W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T, Error>> + Clone + Send + 'static,
{
    fn run<'a>(&'a mut self, transaction: Transaction<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            if is_late(self.deadline) {
                self.result = Some(Err(Error::Late));
                return true;
            }
            let result = (self.work.clone())(transaction).await;
            self.result.insert(result).is_ok()
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        // A caller who has gone needs no answer.
        drop(self.caller.send(outcome(self.result, committed)));
    }
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(config: &Config, connections: Arc<Connections>, news: Arc<News>) -> Self {
        let time_ms = config.statement_timeout_ms.get() + config.busy_timeout_ms.get();
        let time_max = match connections.kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Duration::from_millis(time_ms)),
        };
        Self { connections, news, batch_max: config.write_batch_max.get(), time_max }
    }

    /// Writes what comes, until no one is left who could send.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(self.batch_max);
        while queue.recv_many(&mut batch, self.batch_max).await > 0 {
            let start = Instant::now();
            let committed = self.commit(&mut batch).await;
            signals::committed(self.connections.kind, start.elapsed(), &committed);
            for job in batch.drain(..) {
                job.answer(committed.clone());
            }
        }
    }

    /// Runs the batch in one transaction. An error is one of the whole batch.
    async fn commit(&self, batch: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let mut connection = self.connections.writers.acquire().await?;
        let running = self.run_all(&mut connection, batch);
        let outcome = match self.time_max {
            None => running.await,
            // Where it stood then is not known.
            Some(time_max) => timeout(time_max, running).await.unwrap_or(Err(Error::Lost)),
        };
        let Err(error) = outcome else { return Ok(()) };
        // SQLite ends a transaction by itself on some errors, a full disk among
        // them, and a server may be gone. A new connection is sure to be outside
        // of it.
        drop(connection.detach().close_hard().await);
        Err(error)
    }

    async fn run_all(
        &self,
        connection: &mut AnyConnection,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<(), Error> {
        let mut transaction = self.begin(connection).await?;
        let mut batch = Batch::default();
        if run_together(&mut transaction, &mut batch, jobs).await {
            return self.end(transaction, batch).await;
        }
        transaction.rollback().await?;
        // A lone write has nobody to be kept apart from.
        if jobs.len() == 1 { Ok(()) } else { self.run_apart(connection, jobs).await }
    }

    /// Runs the batch so that a write which fails leaves the others alone.
    async fn run_apart(
        &self,
        connection: &mut AnyConnection,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<(), Error> {
        let mut transaction = self.begin(connection).await?;
        let mut batch = Batch::default();
        for job in jobs {
            let mut savepoint = transaction.begin().await?;
            let before = batch;
            if job.run(Transaction(&mut savepoint, &mut batch)).await {
                savepoint.commit().await?;
            } else {
                savepoint.rollback().await?;
                if !planted::is(Bug::PlaceKept) {
                    batch = before;
                }
            }
        }
        self.end(transaction, batch).await
    }

    async fn begin<'c>(
        &self,
        connection: &'c mut AnyConnection,
    ) -> Result<sqlx::Transaction<'c, Any>, Error> {
        let begin = match self.connections.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => postgres::BEGIN,
        };
        Ok(connection.begin_with(begin).await?)
    }

    async fn end(
        &self,
        mut transaction: sqlx::Transaction<'_, Any>,
        batch: Batch,
    ) -> Result<(), Error> {
        if let Some(head) = batch.head {
            feed::put_head(&mut transaction, head).await?;
        }
        let is_news = batch.head.is_some() || batch.has_events;
        if is_news && self.connections.kind == Kind::Postgres {
            self.news.tell(&mut transaction).await?;
        }
        transaction.commit().await.map_err(|error| match error.into() {
            // The server may have heard the commit before it went away.
            Error::Unreachable(_) => Error::Lost,
            error => error,
        })
    }
}

/// Runs jobs, those of a kind together, and says whether none has failed.
async fn run_together(
    connection: &mut AnyConnection,
    batch: &mut Batch,
    jobs: &mut [Box<dyn Job>],
) -> bool {
    let mut kinds = Vec::new();
    for kind in jobs.iter().filter_map(|job| job.kind()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for kind in kinds {
        let of_kind = jobs.iter_mut().filter(|job| job.kind() == Some(kind));
        let of_kind = of_kind.map(|job| &mut **job).collect();
        if !(kind.run)(Transaction(connection, batch), of_kind).await {
            return false;
        }
    }
    for job in jobs.iter_mut().filter(|job| job.kind().is_none()) {
        if !job.run(Transaction(connection, batch)).await {
            return false;
        }
    }
    true
}
