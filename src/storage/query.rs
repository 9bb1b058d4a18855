//! Queries put together by parts.
//!
//! sqlx's own builder writes `?` for a value, which PostgreSQL does not take;
//! this one writes `$1`, `$2` and so on, which both databases do.

use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, Arguments as _, AssertSqlSafe, Encode, Executor, FromRow, Type};

use super::Error;

/// Texts with up to so many rows of values are kept prepared: most batches are as small,
/// and of larger ones the rows cost more than the text.
const PREPARED_ROWS_MAX: usize = 8;

/// A query in the making. The text comes from our own constants; what callers
/// say is bound.
#[derive(Default)]
pub(super) struct Query {
    sql: String,
    arguments: AnyArguments,
    rows: usize,
    /// Whether the text depends on how many there are of something. Such a text
    /// seldom comes again, and is not kept prepared.
    is_counted: bool,
}

/// A row of values in the making.
pub(super) struct Values<'q> {
    query: &'q mut Query,
    is_empty: bool,
}

// === impl Query ===

impl Query {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), ..Self::default() }
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
        self.is_counted = true;
        for (index, value) in values.iter().enumerate() {
            self.push(if index == 0 { "(" } else { ", " }).bind(value.clone())?;
        }
        Ok(self.push(")"))
    }

    /// Goes on with a row of values in brackets, beside those before it.
    pub(super) fn row(&mut self) -> Values<'_> {
        self.is_counted |= self.rows >= PREPARED_ROWS_MAX;
        self.push(if self.rows == 0 { "(" } else { ", (" });
        self.rows += 1;
        Values { query: self, is_empty: true }
    }

    /// Whether there is a row of values.
    pub(super) fn has_rows(&self) -> bool {
        self.rows > 0
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
        Ok(query.persistent(!self.is_counted).fetch_all(executor).await?)
    }

    /// Does what it says.
    pub(super) async fn execute<'e>(
        self,
        executor: impl Executor<'e, Database = Any>,
    ) -> Result<(), Error> {
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        query.persistent(!self.is_counted).execute(executor).await?;
        Ok(())
    }
}

// === impl Values ===

impl Values<'_> {
    /// Goes on with a value.
    pub(super) fn with<T>(self, value: T) -> Result<Self, Error>
    where
        T: for<'v> Encode<'v, sqlx::Any> + Type<sqlx::Any>,
    {
        if !self.is_empty {
            self.query.push(", ");
        }
        self.query.bind(value)?;
        Ok(Self { is_empty: false, ..self })
    }

    /// Ends the row.
    pub(super) fn end(self) {
        self.query.push(")");
    }
}
