//! The one task that writes.
//!
//! A commit waits for the disk, which takes far longer than the statements in
//! it. So whatever has queued up meanwhile goes into the next commit together;
//! a lone write waits for nobody.

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::{Error, Transaction};

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

/// Writes what comes, until no one is left who could send.
pub(super) async fn run(
    writers: SqlitePool,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    batch_max: usize,
) {
    let mut batch = Vec::with_capacity(batch_max);
    while queue.recv_many(&mut batch, batch_max).await > 0 {
        let committed = commit(&writers, &mut batch).await;
        for job in batch.drain(..) {
            job.answer(committed.clone());
        }
    }
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

/// Runs the batch in one transaction. An error is one of the whole batch:
/// nothing of it was kept.
async fn commit(writers: &SqlitePool, batch: &mut [Box<dyn Job>]) -> Result<(), Error> {
    let mut connection = writers.acquire().await?;
    let committed = run_all(&mut connection, batch).await;
    if committed.is_err() {
        // SQLite ends a transaction by itself on some errors, a full disk among
        // them. A new connection is sure to be outside of it.
        drop(connection.close().await);
    }
    committed
}

async fn run_all(
    connection: &mut SqliteConnection,
    batch: &mut [Box<dyn Job>],
) -> Result<(), Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for job in batch {
        // A savepoint of its own lets a write fail without the others.
        let mut savepoint = transaction.begin().await?;
        if job.run(Transaction(&mut savepoint)).await {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
    }
    Ok(transaction.commit().await?)
}
