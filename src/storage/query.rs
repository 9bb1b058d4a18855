//! Queries put together by parts.
//!
//! sqlx's own builder writes `?` for a value, which PostgreSQL does not take;
//! this one writes `$1`, `$2` and so on, which both databases do.

use std::fmt::Write as _;

use prost_types::Timestamp;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, Arguments as _, AssertSqlSafe, Encode, Executor, FromRow, Type};

use super::Error;

/// A query in the making. The text comes from our own constants; what callers
/// say is bound.
#[derive(Default)]
pub(super) struct Query {
    sql: String,
    arguments: AnyArguments,
}

// === impl Query ===

impl Query {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), arguments: AnyArguments::default() }
    }

    /// Goes on with more text.
    pub(super) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Goes on with a value.
    pub(super) fn bind<T>(&mut self, value: T) -> Result<&mut Self, Error>
    where
        T: for<'q> Encode<'q, sqlx::Any> + Type<sqlx::Any>,
    {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        // Writing to a string cannot fail.
        let _ = write!(self.sql, "${}", self.arguments.len());
        Ok(self)
    }

    /// Goes on with values in brackets, of which there is at least one.
    pub(super) fn bind_all<T>(&mut self, values: &[T]) -> Result<&mut Self, Error>
    where
        T: for<'q> Encode<'q, sqlx::Any> + Type<sqlx::Any> + Clone,
    {
        for (index, value) in values.iter().enumerate() {
            self.push(if index == 0 { "(" } else { ", " }).bind(value.clone())?;
        }
        Ok(self.push(")"))
    }

    /// Gives the rows.
    pub(super) async fn rows<'e, R>(
        self,
        executor: impl Executor<'e, Database = Any>,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let query = sqlx::query_as_with(AssertSqlSafe(self.sql), self.arguments);
        Ok(query.fetch_all(executor).await?)
    }

    /// Does what it says.
    pub(super) async fn execute<'e>(
        self,
        executor: impl Executor<'e, Database = Any>,
    ) -> Result<(), Error> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).execute(executor).await?;
        Ok(())
    }
}

/// Gives a time as the contract has it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "less than a second has 30 bits of nanoseconds"
)]
pub(super) fn time(millis: i64) -> Timestamp {
    let nanos = millis.rem_euclid(1_000) * 1_000_000;
    Timestamp { seconds: millis.div_euclid(1_000), nanos: nanos as i32 }
}
