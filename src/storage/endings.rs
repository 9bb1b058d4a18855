//! The table `endings`: links that are to be deactivated, and when.

use uuid::Uuid;

use super::query::Query;
use super::{Error, Storage, Transaction};
use crate::pb::payment_link::DeactivationReason;

/// A link that is to be deactivated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The Stripe account that the link is of.
    pub account: String,
    /// The link.
    pub link: String,
    /// Why.
    pub reason: DeactivationReason,
    /// Names the write, whoever carries it out. A new end has a new id.
    pub id: Uuid,
    /// When, in milliseconds since 1970.
    pub due_at_ms: i64,
    /// How often it was taken up. One that was is brought to its end, whatever becomes of
    /// the link: its write may be on its way.
    pub attempts: u32,
}

type Row = (String, String, i64, String, i64, i64);

/// How many links one query counts, of which each is a value of its own.
const COUNTED_MAX: usize = 500;

/// Selects endings that are due, of links whose orders are over or of all others, each
/// by an index of its own: the many of a batch must not keep those of an order waiting.
macro_rules! due {
    ($of_orders:literal) => {
        concat!(
            "SELECT account, link_id, reason, id, due_at_ms, attempts FROM endings
             WHERE due_at_ms <= $1 AND (retry_at_ms <= $1 OR retry_at_ms > $2) AND reason ",
            $of_orders,
            " ORDER BY due_at_ms LIMIT $3"
        )
    };
}

// === impl Storage ===

impl Storage {
    /// Gives endings that are due: those of orders that are over, and then the others,
    /// the longest due first.
    ///
    /// No ending is put off by more than `put_off_max_ms`. One that seems to be
    /// was put off before the clock was set back, and is due as well.
    pub async fn due_endings(
        &self,
        now_ms: i64,
        put_off_max_ms: i64,
        limit: u32,
    ) -> Result<Vec<Ending>, Error> {
        let (limit, mut due) = (limit as usize, Vec::new());
        for query in [DUE_OF_ORDERS, DUE_OTHERS] {
            let left = i64::try_from(limit.saturating_sub(due.len())).unwrap_or(i64::MAX);
            if left > 0 {
                let rows = sqlx::query_as(query).bind(now_ms);
                let rows = rows.bind(now_ms.saturating_add(put_off_max_ms)).bind(left);
                let rows: Vec<Row> = rows.fetch_all(self.readers()).await?;
                due.extend(rows.into_iter().map(ending).collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(due)
    }

    /// Gives the time when the next ending will be due that is not yet.
    pub async fn next_ending_at_ms(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        let next = sqlx::query_scalar("SELECT min(due_at_ms) FROM endings WHERE due_at_ms > $1");
        Ok(next.bind(now_ms).fetch_one(self.readers()).await?)
    }

    /// Counts the endings that are due, and gives the time of the oldest.
    pub async fn late_endings(&self, now_ms: i64) -> Result<(i64, Option<i64>), Error> {
        let late = "SELECT count(*), min(due_at_ms) FROM endings WHERE due_at_ms <= $1";
        Ok(sqlx::query_as(late).bind(now_ms).fetch_one(self.readers()).await?)
    }

    /// Counts the links of these that are still to be deactivated.
    pub async fn count_ending(&self, links: &[String], now_ms: i64) -> Result<i64, Error> {
        let mut count = 0;
        for some in links.chunks(COUNTED_MAX) {
            let mut query =
                Query::new("SELECT count(DISTINCT link_id) FROM endings WHERE due_at_ms <= ");
            query.bind(now_ms)?.push(" AND link_id IN ").bind_all(some)?;
            let counts: Vec<(i64,)> = query.rows(self.readers()).await?;
            count += counts.iter().map(|(count,)| count).sum::<i64>();
        }
        Ok(count)
    }

    /// Notes that links of an account are to be deactivated now.
    pub async fn end_links(
        &self,
        account: String,
        links: Vec<String>,
        reason: DeactivationReason,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.write(move |mut transaction| {
            Box::pin(async move {
                for link in &links {
                    transaction.put_ending((&account, link), reason, now_ms).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes endings up, and gives those that are still there.
    pub async fn take_up(&self, due: Vec<Ending>) -> Result<Vec<Ending>, Error> {
        self.write(move |mut transaction| {
            Box::pin(async move {
                let mut taken = Vec::with_capacity(due.len());
                for ending in due {
                    if transaction.count_attempt(&ending).await? {
                        let attempts = ending.attempts.saturating_add(1);
                        taken.push(Ending { attempts, ..ending });
                    }
                }
                Ok(taken)
            })
        })
        .await
    }

    /// Forgets that a link was to be deactivated for these reasons. Says whether all of
    /// it is forgotten; otherwise it was begun.
    pub async fn forget_endings(
        &self,
        link: String,
        reasons: &'static [DeactivationReason],
    ) -> Result<bool, Error> {
        self.write(move |mut transaction| {
            Box::pin(async move {
                let mut is_forgotten = true;
                for reason in reasons {
                    transaction.drop_ending(&link, *reason, i64::MIN).await?;
                    is_forgotten &= !transaction.is_noted(&link, *reason).await?;
                }
                Ok(is_forgotten)
            })
        })
        .await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Notes that a link of an account is to be deactivated. What is noted for that reason stays,
    /// but an end that moves, which is another ending; unless it was taken up.
    pub async fn put_ending(
        &mut self,
        (account, link): (&str, &str),
        reason: DeactivationReason,
        due_at_ms: i64,
    ) -> Result<(), Error> {
        let moves = i64::from(reason == DeactivationReason::Expired);
        sqlx::query(
            "INSERT INTO endings (link_id, reason, id, due_at_ms, retry_at_ms, account)
             VALUES ($1, $2, $3, $4, $4, $6)
             ON CONFLICT (link_id, reason) DO UPDATE SET
             id = excluded.id, due_at_ms = excluded.due_at_ms, retry_at_ms = excluded.retry_at_ms
             WHERE $5 = 1 AND endings.attempts = 0 AND endings.due_at_ms <> excluded.due_at_ms",
        )
        .bind(link)
        .bind(i64::from(i32::from(reason)))
        .bind(Uuid::new_v4().to_string())
        .bind(due_at_ms)
        .bind(moves)
        .bind(account)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets an ending, if it is due after that time and was not taken up.
    pub async fn drop_ending(
        &mut self,
        link: &str,
        reason: DeactivationReason,
        after_ms: i64,
    ) -> Result<(), Error> {
        sqlx::query(
            "DELETE FROM endings
             WHERE link_id = $1 AND reason = $2 AND due_at_ms > $3 AND attempts = 0",
        )
        .bind(link)
        .bind(i64::from(i32::from(reason)))
        .bind(after_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn is_noted(&mut self, link: &str, reason: DeactivationReason) -> Result<bool, Error> {
        let noted = "SELECT count(*) FROM endings WHERE link_id = $1 AND reason = $2";
        let noted = sqlx::query_scalar(noted).bind(link).bind(i64::from(i32::from(reason)));
        let count: i64 = noted.fetch_one(&mut *self.0).await?;
        Ok(count > 0)
    }

    /// Counts that an ending is taken up, and says whether it is still there.
    async fn count_attempt(&mut self, ending: &Ending) -> Result<bool, Error> {
        let counted = sqlx::query(
            "UPDATE endings SET attempts = attempts + 1
             WHERE link_id = $1 AND reason = $2 AND id = $3",
        );
        let counted = counted.bind(&ending.link).bind(i64::from(i32::from(ending.reason)));
        let counted = counted.bind(ending.id.to_string()).execute(&mut *self.0).await?;
        Ok(counted.rows_affected() > 0)
    }

    /// Forgets an ending that is done, and says whether it was there. One that took its
    /// place stays.
    pub async fn finish_ending(&mut self, ending: &Ending) -> Result<bool, Error> {
        let done =
            sqlx::query("DELETE FROM endings WHERE link_id = $1 AND reason = $2 AND id = $3")
                .bind(&ending.link)
                .bind(i64::from(i32::from(ending.reason)))
                .bind(ending.id.to_string())
                .execute(&mut *self.0)
                .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Puts an ending off.
    pub async fn postpone_ending(
        &mut self,
        ending: &Ending,
        retry_at_ms: i64,
    ) -> Result<(), Error> {
        sqlx::query(
            "UPDATE endings SET retry_at_ms = $4
             WHERE link_id = $1 AND reason = $2 AND id = $3",
        )
        .bind(&ending.link)
        .bind(i64::from(i32::from(ending.reason)))
        .bind(ending.id.to_string())
        .bind(retry_at_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

const DUE_OF_ORDERS: &str = due!("IN (4, 5)");
const DUE_OTHERS: &str = due!("NOT IN (4, 5)");

fn ending((account, link, reason, id, due_at_ms, attempts): Row) -> Result<Ending, Error> {
    let corrupt = || Error::Corrupt { what: format!("the ending of link {link}") };
    let number = i32::try_from(reason).map_err(|_| corrupt())?;
    Ok(Ending {
        account,
        reason: DeactivationReason::try_from(number).map_err(|_| corrupt())?,
        id: Uuid::parse_str(&id).map_err(|_| corrupt())?,
        due_at_ms,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        link,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_mean_links_of_orders() {
        let reasons = [DeactivationReason::OrderPaid, DeactivationReason::OrderClosed];
        assert_eq!(reasons.map(i32::from), [4, 5]);
    }
}
