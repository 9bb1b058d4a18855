//! The table `installation`: which memory this is.

use std::sync::Arc;

use sqlx::AnyConnection;
use uuid::Uuid;

use super::Error;
use super::chain::Place;

/// Gives the random name of this memory, made when it is first opened. A feed
/// position that another memory gave out is told apart by it.
pub(super) async fn epoch(connection: &mut AnyConnection) -> Result<Arc<str>, Error> {
    let made = Uuid::new_v4().simple().to_string();
    let start = Place::start(&made).hash.to_vec();
    sqlx::query(
        "INSERT INTO installation (one, epoch, head, head_hash, forgotten, forgotten_hash)
         VALUES (1, $1, 0, $2, 0, $2) ON CONFLICT DO NOTHING",
    )
    .bind(made)
    .bind(start)
    .execute(&mut *connection)
    .await?;
    let epoch: String =
        sqlx::query_scalar("SELECT epoch FROM installation").fetch_one(connection).await?;
    Ok(epoch.into())
}
