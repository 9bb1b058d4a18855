//! Events that arrive together share a statement.
//!
//! A statement costs more than the row that it inserts: two changes of thread with
//! SQLite, a round trip with PostgreSQL.

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::writer::{Job, is_late};
use super::{Error, NewEvent, Transaction};
use crate::planted::{self, Bug};

/// An event in the queue of the writer.
pub(super) struct Arrival {
    event: NewEvent,
    deadline: Option<Instant>,
    result: Result<bool, Error>,
    caller: oneshot::Sender<Result<bool, Error>>,
}

/// Inserts the events among these jobs. When it fails, none is inserted for good.
pub(super) async fn insert(
    transaction: Transaction<'_>,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Error> {
    insert_all(transaction, jobs.iter_mut().filter_map(|job| job.arrival())).await
}

// === impl Arrival ===

impl Arrival {
    /// Makes a job of an event, which is not inserted after `deadline`, and gives the
    /// place where will be told whether it was new.
    pub(super) fn job(
        event: NewEvent,
        deadline: Option<Instant>,
    ) -> (Box<dyn Job>, oneshot::Receiver<Result<bool, Error>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { event, deadline, result: Err(Error::Closed), caller }), answer)
    }
}

impl Job for Arrival {
    fn run<'a>(&'a mut self, transaction: Transaction<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let inserted = insert_all(transaction, [&mut *self]).await;
            inserted.map_err(|error| self.result = Err(error)).is_ok()
        })
    }

    fn arrival(&mut self) -> Option<&mut Arrival> {
        Some(self)
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let result = self.result.and_then(|is_new| committed.map(|()| is_new));
        drop(self.caller.send(result));
    }
}

/// Inserts events by one statement, but those that nobody waits for any more.
async fn insert_all(
    mut transaction: Transaction<'_>,
    arrivals: impl IntoIterator<Item = &mut Arrival>,
) -> Result<(), Error> {
    let mut in_time = Vec::new();
    for arrival in arrivals {
        if is_late(arrival.deadline) {
            arrival.result = Err(Error::Late);
        } else {
            in_time.push(arrival);
        }
    }
    if in_time.is_empty() {
        return Ok(());
    }
    let events: Vec<_> = in_time.iter().map(|arrival| &arrival.event).collect();
    let mut new = transaction.insert_events(&events).await?;
    for arrival in in_time {
        // Of two with one id, the first is new.
        arrival.result = Ok(new.remove(&arrival.event.id) || planted::is(Bug::CountedAgain));
    }
    Ok(())
}
