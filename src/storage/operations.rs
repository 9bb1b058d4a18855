//! The table `operations`: what was asked to be changed at Stripe, and what
//! became of it.

use bytes::Bytes;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, Row as _};

use super::{Error, Storage};

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
        self.write(move |transaction| {
            Box::pin(async move {
                let inserted =
                    bound(sqlx::query(INSERT), &new).execute(&mut *transaction.0).await?;
                if inserted.rows_affected() > 0 {
                    return Ok(None);
                }
                let found = sqlx::query(SELECT).bind(&*new.key).fetch_one(&mut *transaction.0);
                Ok(Some(operation(&found.await?)?))
            })
        })
        .await
    }

    /// Gives the operation of a key.
    pub async fn operation(&self, key: &str) -> Result<Option<Operation>, Error> {
        let row = sqlx::query(SELECT).bind(key).fetch_optional(self.readers()).await?;
        row.as_ref().map(operation).transpose()
    }

    /// Changes an operation that was read at that version. Says whether it was;
    /// otherwise somebody else has changed it since.
    pub async fn put_operation(&self, changed: Operation) -> Result<bool, Error> {
        self.write(move |transaction| {
            Box::pin(async move {
                let updated = sqlx::query(UPDATE)
                    .bind(&*changed.key)
                    .bind(&changed.form[..])
                    .bind(changed.state.as_str())
                    .bind(changed.generation)
                    .bind(changed.attempts)
                    .bind(changed.sent_at_ms)
                    .bind(changed.due_at_ms)
                    .bind(&*changed.holder)
                    .bind(i64::from(changed.in_doubt))
                    .bind(i64::from(changed.is_failure_stored))
                    .bind(changed.searches)
                    .bind(changed.searched_at_ms)
                    .bind(&*changed.resource)
                    .bind(&changed.answer[..])
                    .bind(changed.version)
                    .execute(&mut *transaction.0)
                    .await?;
                Ok(updated.rows_affected() > 0)
            })
        })
        .await
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

const SELECT: &str = select!("WHERE key = $1");

const INSERT: &str = "INSERT INTO operations
    (key, account, tenant, method, request_id, fingerprint, path, form, state, generation,
     attempts, created_at_ms, sent_at_ms, due_at_ms, holder, in_doubt, is_failure_stored,
     searches, searched_at_ms, resource, answer, version, traceparent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
     $20, $21, $22, $23)
    ON CONFLICT (key) DO NOTHING";

const UPDATE: &str = "UPDATE operations SET
    form = $2, state = $3, generation = $4, attempts = $5, sent_at_ms = $6, due_at_ms = $7,
    holder = $8, in_doubt = $9, is_failure_stored = $10, searches = $11, searched_at_ms = $12,
    resource = $13, answer = $14, version = version + 1
    WHERE key = $1 AND version = $15";

type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

fn bound<'q>(query: Query<'q>, new: &'q Operation) -> Query<'q> {
    query
        .bind(&*new.key)
        .bind(&*new.account)
        .bind(&*new.owner)
        .bind(&*new.method)
        .bind(&*new.request_id)
        .bind(&new.fingerprint[..])
        .bind(&*new.path)
        .bind(&new.form[..])
        .bind(new.state.as_str())
        .bind(new.generation)
        .bind(new.attempts)
        .bind(new.created_at_ms)
        .bind(new.sent_at_ms)
        .bind(new.due_at_ms)
        .bind(&*new.holder)
        .bind(i64::from(new.in_doubt))
        .bind(i64::from(new.is_failure_stored))
        .bind(new.searches)
        .bind(new.searched_at_ms)
        .bind(&*new.resource)
        .bind(&new.answer[..])
        .bind(new.version)
        .bind(&*new.traceparent)
}

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
