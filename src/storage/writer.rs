//! The one task that writes.
//!
//! A commit waits for the disk, which takes far longer than the statements in
//! it. So whatever has queued up meanwhile goes into the next commit together;
//! a lone write waits for nobody.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::connect::{Connections, Kind, postgres};
use super::{Config, Error, Transaction, feed};

/// A write in the queue.
pub(super) trait Job: Send {
    /// Does the work and keeps its result; says whether it succeeded.
    fn run<'a>(&'a mut self, transaction: Transaction<'a>) -> BoxFuture<'a, bool>;
    /// Tells the caller the result, or why the commit failed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

/// Makes a job, and gives the place where its answer will arrive.
pub(super) fn job<T, W>(work: W) -> (Box<dyn Job>, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Write { work: Some(work), result: Err(Error::Closed), caller }), answer)
}

/// The one writer of this process.
#[derive(Debug)]
pub(super) struct Writer {
    connections: Arc<Connections>,
    batch_max: usize,
    /// How long a batch may take on a server; `None` where nothing can be lost
    /// on the way.
    time_max: Option<Duration>,
}

struct Write<T, W> {
    work: Option<W>,
    result: Result<T, Error>,
    caller: oneshot::Sender<Result<T, Error>>,
}

// === impl Write ===

impl<T, W> Job for Write<T, W>
where
    T: Send + 'static,
    W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    fn run<'a>(&'a mut self, transaction: Transaction<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            if let Some(work) = self.work.take() {
                self.result = work(transaction).await;
            }
            self.result.is_ok()
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        // The work's own error says more than that of a commit which failed after it.
        let result = self.result.and_then(|value| committed.map(|()| value));
        // A caller who has gone needs no answer.
        drop(self.caller.send(result));
    }
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(config: &Config, connections: Arc<Connections>) -> Self {
        let time_ms = config.statement_timeout_ms.get() + config.busy_timeout_ms.get();
        let time_max = match connections.kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Duration::from_millis(time_ms)),
        };
        Self { connections, batch_max: config.write_batch_max.get(), time_max }
    }

    /// Writes what comes, until no one is left who could send.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(self.batch_max);
        while queue.recv_many(&mut batch, self.batch_max).await > 0 {
            let committed = self.commit(&mut batch).await;
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
        batch: &mut [Box<dyn Job>],
    ) -> Result<(), Error> {
        let begin = match self.connections.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => postgres::BEGIN,
        };
        let mut transaction = connection.begin_with(begin).await?;
        let mut head = None;
        for job in batch {
            // A savepoint of its own lets a write fail without the others.
            let mut savepoint = transaction.begin().await?;
            let head_before = head;
            if job.run(Transaction(&mut savepoint, &mut head)).await {
                savepoint.commit().await?;
            } else {
                savepoint.rollback().await?;
                head = head_before;
            }
        }
        if let Some(head) = head {
            feed::put_head(&mut transaction, head).await?;
        }
        transaction.commit().await.map_err(|error| match error.into() {
            // The server may have heard the commit before it went away.
            Error::Unreachable(_) => Error::Lost,
            error => error,
        })
    }
}
