//! Rows of a kind that are written together share their statements.
//!
//! A statement costs more than the row that it writes: two changes of thread with
//! SQLite, a round trip with PostgreSQL.

use std::any::{Any, TypeId};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::writer::{Job, is_late, outcome};
use super::{Error, Transaction};

/// A row that can be written together with others of its kind.
pub(super) trait Together: Send + Sync + Sized + 'static {
    /// What becomes of a row.
    type Outcome: Send + 'static;

    /// Writes rows, as if one after the other, and says what becomes of each.
    fn write(
        transaction: Transaction<'_>,
        rows: &[&Self],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, Error>> + Send;
}

/// Which rows are written together, and how.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    id: TypeId,
    /// Writes these jobs, all of which are of the kind, and says whether the batch may be
    /// committed.
    pub(super) run:
        for<'a> fn(transaction: Transaction<'a>, jobs: Vec<&'a mut dyn Job>) -> BoxFuture<'a, bool>,
}

/// A row in the queue of the writer.
struct Row<R: Together> {
    content: R,
    deadline: Option<Instant>,
    /// What became of it; `None` where it was not written.
    result: Option<Result<R::Outcome, Error>>,
    caller: oneshot::Sender<Result<R::Outcome, Error>>,
}

/// A job, and the place where its answer will arrive.
type Queued<T> = (Box<dyn Job>, oneshot::Receiver<Result<T, Error>>);

/// Makes a job of a row, which is not written after `deadline`.
pub(super) fn job<R: Together>(content: R, deadline: Option<Instant>) -> Queued<R::Outcome> {
    let (caller, answer) = oneshot::channel();
    (Box::new(Row { content, deadline, result: None, caller }), answer)
}

// === impl Kind ===

impl Kind {
    fn of<R: Together>() -> Self {
        Self { id: TypeId::of::<R>(), run: run::<R> }
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

// === impl Row ===

impl<R: Together> Job for Row<R> {
    fn run<'a>(&'a mut self, transaction: Transaction<'a>) -> BoxFuture<'a, bool> {
        Box::pin(write(transaction, vec![self]))
    }

    fn kind(&self) -> Option<Kind> {
        Some(Kind::of::<R>())
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        // A caller who has gone needs no answer.
        drop(self.caller.send(outcome(self.result, committed)));
    }
}

fn run<'a, R: Together>(
    transaction: Transaction<'a>,
    jobs: Vec<&'a mut dyn Job>,
) -> BoxFuture<'a, bool> {
    let rows = jobs.into_iter().filter_map(|job| (job as &mut dyn Any).downcast_mut::<Row<R>>());
    Box::pin(write(transaction, rows.collect()))
}

/// Writes rows, but those that nobody waits for any more.
async fn write<R: Together>(transaction: Transaction<'_>, mut rows: Vec<&mut Row<R>>) -> bool {
    rows.retain_mut(|row| {
        let is_late = is_late(row.deadline);
        if is_late {
            row.result = Some(Err(Error::Late));
        }
        !is_late
    });
    if rows.is_empty() {
        return true;
    }
    let written = {
        let rows: Vec<&R> = rows.iter().map(|row| &row.content).collect();
        R::write(transaction, &rows).await
    };
    match written {
        Ok(outcomes) => {
            for (row, outcome) in rows.into_iter().zip(outcomes) {
                row.result = Some(Ok(outcome));
            }
            true
        }
        Err(error) => {
            for row in rows {
                row.result = Some(Err(error.clone()));
            }
            false
        }
    }
}
