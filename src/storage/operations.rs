//! The table `operations`: what was asked to be changed at Stripe, and what
//! became of it.

use std::collections::HashSet;

use bytes::Bytes;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::query::Query;
use super::together::Together;
use super::{Error, Storage, Transaction};

/// An operation, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The idempotency key of its first generation, which names it everywhere.
    pub key: String,
    /// The Stripe account that it is for.
    pub account: String,
    /// Whose request it was; empty where callers have no owners.
    pub owner: String,
    /// The method that was called, by its request's name.
    pub method: String,
    /// The id that the caller gave.
    pub request_id: String,
    /// What tells the request from another under the same id.
    pub fingerprint: Vec<u8>,
    /// The path at Stripe.
    pub path: String,
    /// The form, byte for byte. Empty once there is a result.
    pub form: Bytes,
    /// Where it stands.
    pub state: OperationState,
    /// How often it got a new idempotency key.
    pub generation: i64,
    /// How often it was sent, retries not counted.
    pub attempts: i64,
    /// When it was asked for.
    pub created_at_ms: i64,
    /// When its generation was first sent.
    pub sent_at_ms: i64,
    /// When something is to be done about it, if nothing happens before.
    pub due_at_ms: i64,
    /// Who is sending it until then; empty where nobody is.
    pub holder: String,
    /// Whether any attempt so far may have had its effect.
    pub in_doubt: bool,
    /// Whether Stripe keeps a failure of its own as the answer to the key.
    pub is_failure_stored: bool,
    /// How often its traces were looked for in vain.
    pub searches: i64,
    /// When they were last.
    pub searched_at_ms: i64,
    /// The id of the resource, once known.
    pub resource: String,
    /// Stripe's answer, or refusal, once there is one.
    pub answer: Bytes,
    /// How often the row was changed.
    pub version: i64,
    /// The W3C trace context of who asked for it; empty where nobody traced.
    pub traceparent: String,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationState {
    /// It has certainly had no effect so far, and may be sent.
    New,
    /// It may be on its way.
    Sent,
    /// It was sent, and what became of it is not known.
    Unknown,
    /// It has had its effect.
    Done,
    /// Stripe has refused it for good.
    Rejected,
    /// What became of it could not be found out.
    Lost,
}

/// How many operations are in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationCount {
    /// The state.
    pub state: OperationState,
    /// How many there are.
    pub count: i64,
    /// When the oldest of them was asked for.
    pub oldest_at_ms: i64,
}

/// Selects operations. The columns are named, since PostgreSQL refuses to go on with a
/// prepared `*` once a later release has added a column.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, account, tenant, method, request_id, fingerprint, path, form, state,
             generation, attempts, created_at_ms, sent_at_ms, due_at_ms, holder, in_doubt,
             is_failure_stored, searches, searched_at_ms, resource, answer, version, traceparent
             FROM operations ",
            $rest
        )
    };
}

/// An operation that is to be kept, unless there is one of its key.
struct New(Operation);

/// An operation that was changed since it was read at its version.
struct Changed(Operation);

// === impl OperationState ===

impl OperationState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Sent, Self::Unknown, Self::Done, Self::Rejected, Self::Lost];

    /// The state's name, as it is kept and as signals have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OperationState::New => "new",
            OperationState::Sent => "sent",
            OperationState::Unknown => "unknown",
            OperationState::Done => "done",
            OperationState::Rejected => "rejected",
            OperationState::Lost => "lost",
        }
    }

    fn named(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == name);
        found.ok_or_else(|| Error::Corrupt { what: "operations.state".into() })
    }
}

// === impl Storage ===

impl Storage {
    /// Keeps an operation, unless there is one of its key: then gives that one.
    pub async fn insert_operation(&self, new: Operation) -> Result<Option<Operation>, Error> {
        self.put(New(new)).await
    }

    /// Gives the operation of a key.
    pub async fn operation(&self, key: &str) -> Result<Option<Operation>, Error> {
        let row = sqlx::query(SELECT).bind(key).fetch_optional(self.readers()).await?;
        row.as_ref().map(operation).transpose()
    }

    /// Changes an operation that was read at that version. Says whether it was;
    /// otherwise somebody else has changed it since.
    pub async fn put_operation(&self, changed: Operation) -> Result<bool, Error> {
        self.put(Changed(changed)).await
    }

    /// Gives operations in a state that are due, the longest due first.
    pub async fn due_operations(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<Operation>, Error> {
        let due = sqlx::query(select!(
            "WHERE state = $1 AND due_at_ms <= $2 ORDER BY due_at_ms LIMIT $3"
        ));
        let due = due.bind(state.as_str()).bind(now_ms).bind(i64::from(limit));
        due.fetch_all(self.readers()).await?.iter().map(operation).collect()
    }

    /// Gives operations that got a second key and were asked for since then.
    pub async fn renewed_operations(&self, since_ms: i64) -> Result<Vec<Operation>, Error> {
        let renewed = sqlx::query(select!(
            "WHERE generation > 0 AND created_at_ms >= $1 ORDER BY created_at_ms LIMIT 1000"
        ));
        renewed.bind(since_ms).fetch_all(self.readers()).await?.iter().map(operation).collect()
    }

    /// Erases operations in a state that are due, and says how many.
    pub async fn erase_operations(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> Result<u64, Error> {
        self.write(move |transaction| {
            Box::pin(async move {
                let erased = sqlx::query(
                    "DELETE FROM operations WHERE key IN (SELECT key FROM operations
                     WHERE state = $1 AND due_at_ms <= $2 ORDER BY due_at_ms LIMIT $3)",
                );
                let erased = erased.bind(state.as_str()).bind(now_ms).bind(i64::from(limit));
                Ok(erased.execute(&mut *transaction.0).await?.rows_affected())
            })
        })
        .await
    }

    /// Counts the operations that have no result yet.
    pub async fn count_open_operations(&self) -> Result<Vec<OperationCount>, Error> {
        let counts: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT state, count(*), min(created_at_ms) FROM operations
             WHERE state IN ('sent', 'unknown') GROUP BY state",
        )
        .fetch_all(self.readers())
        .await?;
        let count = |(state, count, oldest_at_ms): (String, i64, i64)| {
            Ok(OperationCount { state: OperationState::named(&state)?, count, oldest_at_ms })
        };
        counts.into_iter().map(count).collect()
    }
}

// === impl New ===

impl Together for New {
    /// What there is already.
    type Outcome = Option<Operation>;

    async fn write(
        transaction: Transaction<'_>,
        rows: &[&New],
    ) -> Result<Vec<Option<Operation>>, Error> {
        let mut insert = Query::new(
            "INSERT INTO operations
             (key, account, tenant, method, request_id, fingerprint, path, form, state, generation,
              attempts, created_at_ms, sent_at_ms, due_at_ms, holder, in_doubt, is_failure_stored,
              searches, searched_at_ms, resource, answer, version, traceparent) VALUES ",
        );
        for New(new) in rows {
            let row = insert.row().with(new.key.clone())?.with(new.account.clone())?;
            let row = row.with(new.owner.clone())?.with(new.method.clone())?;
            let row = row.with(new.request_id.clone())?.with(new.fingerprint.clone())?;
            let row = row.with(new.path.clone())?.with(new.form.to_vec())?;
            let row = row
                .with(new.state.as_str().to_owned())?
                .with(new.generation)?
                .with(new.attempts)?;
            let row = row.with(new.created_at_ms)?.with(new.sent_at_ms)?.with(new.due_at_ms)?;
            let row = row.with(new.holder.clone())?.with(i64::from(new.in_doubt))?;
            let row = row.with(i64::from(new.is_failure_stored))?.with(new.searches)?;
            let row = row.with(new.searched_at_ms)?.with(new.resource.clone())?;
            let row = row.with(new.answer.to_vec())?.with(new.version)?;
            row.with(new.traceparent.clone())?.end();
        }
        insert.push(" ON CONFLICT (key) DO NOTHING RETURNING key");
        let inserted: Vec<(String,)> = insert.rows(&mut *transaction.0).await?;
        let mut inserted: HashSet<String> = inserted.into_iter().map(|(key,)| key).collect();
        let mut found = Vec::with_capacity(rows.len());
        for New(new) in rows {
            // Of two with one key, the first is new.
            found.push(if inserted.remove(&new.key) {
                None
            } else {
                let known = sqlx::query(SELECT).bind(&*new.key).fetch_one(&mut *transaction.0);
                Some(operation(&known.await?)?)
            });
        }
        Ok(found)
    }
}

// === impl Changed ===

impl Together for Changed {
    /// Whether it was; otherwise somebody else has changed it since it was read.
    type Outcome = bool;

    async fn write(transaction: Transaction<'_>, rows: &[&Changed]) -> Result<Vec<bool>, Error> {
        let mut update = Query::new(
            "UPDATE operations SET
             form = new.column2, state = new.column3, generation = new.column4,
             attempts = new.column5, sent_at_ms = new.column6, due_at_ms = new.column7,
             holder = new.column8, in_doubt = new.column9, is_failure_stored = new.column10,
             searches = new.column11, searched_at_ms = new.column12, resource = new.column13,
             answer = new.column14, version = version + 1 FROM (VALUES ",
        );
        let mut keys = HashSet::new();
        // Of two that were read at one version, the first changes it.
        let firsts = rows.iter().filter(|Changed(changed)| keys.insert(&changed.key));
        for Changed(changed) in firsts {
            let row = update.row().with(changed.key.clone())?.with(changed.form.to_vec())?;
            let row = row.with(changed.state.as_str().to_owned())?.with(changed.generation)?;
            let row = row.with(changed.attempts)?.with(changed.sent_at_ms)?;
            let row = row.with(changed.due_at_ms)?.with(changed.holder.clone())?;
            let row = row.with(i64::from(changed.in_doubt))?;
            let row = row.with(i64::from(changed.is_failure_stored))?.with(changed.searches)?;
            let row = row.with(changed.searched_at_ms)?.with(changed.resource.clone())?;
            row.with(changed.answer.to_vec())?.with(changed.version)?.end();
        }
        update.push(") AS new WHERE key = new.column1 AND version = new.column15 RETURNING key");
        let updated: Vec<(String,)> = update.rows(&mut *transaction.0).await?;
        let mut updated: HashSet<String> = updated.into_iter().map(|(key,)| key).collect();
        Ok(rows.iter().map(|Changed(changed)| updated.remove(&changed.key)).collect())
    }
}

const SELECT: &str = select!("WHERE key = $1");

fn operation(row: &AnyRow) -> Result<Operation, Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let bytes = |column: &str| row.try_get::<Vec<u8>, _>(column);
    Ok(Operation {
        key: text("key")?,
        account: text("account")?,
        owner: text("tenant")?,
        method: text("method")?,
        request_id: text("request_id")?,
        fingerprint: bytes("fingerprint")?,
        path: text("path")?,
        form: bytes("form")?.into(),
        state: OperationState::named(&text("state")?)?,
        generation: number("generation")?,
        attempts: number("attempts")?,
        created_at_ms: number("created_at_ms")?,
        sent_at_ms: number("sent_at_ms")?,
        due_at_ms: number("due_at_ms")?,
        holder: text("holder")?,
        in_doubt: number("in_doubt")? != 0,
        is_failure_stored: number("is_failure_stored")? != 0,
        searches: number("searches")?,
        searched_at_ms: number("searched_at_ms")?,
        resource: text("resource")?,
        answer: bytes("answer")?.into(),
        version: number("version")?,
        traceparent: text("traceparent")?,
    })
}
