//! The table `answers`: what was answered to a request that changed something
//! here, so that the same request gets the same answer.

use super::{Error, Transaction};

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The request, encoded.
    pub request: Vec<u8>,
    /// Its answer, encoded.
    pub answer: Vec<u8>,
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives what was answered under a request's id.
    pub async fn answered(&mut self, request_id: &str) -> Result<Option<Answered>, Error> {
        let row: Option<(Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT request, answer FROM answers WHERE request_id = $1")
                .bind(request_id)
                .fetch_optional(&mut *self.0)
                .await?;
        Ok(row.map(|(request, answer)| Answered { request, answer }))
    }

    /// Keeps what is answered under a request's id.
    pub async fn put_answer(
        &mut self,
        request_id: &str,
        answered: Answered,
        now_ms: i64,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO answers (request_id, request, answer, answered_at_ms)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(request_id)
        .bind(answered.request)
        .bind(answered.answer)
        .bind(now_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
