//! The table `orders`: orders that are over, by a payment or by their closing.

use super::{Error, Storage, Transaction, payments};
use crate::pb;
use crate::pb::order::CloseReason;
use crate::pb::payment_link::DeactivationReason;
use crate::planted::{self, Bug};

/// An order that was paid or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverOrder {
    /// The id of the payment that took it first; empty where none did.
    pub taken_by: String,
    /// When it was closed, where it was.
    pub closed_at_ms: Option<i64>,
    /// Why it was closed.
    pub close_reason: CloseReason,
}

// === impl OverOrder ===

impl OverOrder {
    /// Why links of the order cannot be paid.
    #[must_use]
    pub fn over(&self) -> Option<DeactivationReason> {
        if self.taken_by.is_empty() {
            self.closed_at_ms.map(|_| DeactivationReason::OrderClosed)
        } else {
            Some(DeactivationReason::OrderPaid)
        }
    }
}

// === impl Storage ===

impl Storage {
    /// Gives an order that is over.
    pub async fn order(
        &self,
        account: &str,
        owner: &str,
        order_ref: &str,
    ) -> Result<Option<OverOrder>, Error> {
        let row = sqlx::query_as(SELECT).bind(account).bind(owner).bind(order_ref);
        row.fetch_optional(self.readers()).await?.map(|row| over(row, order_ref)).transpose()
    }

    /// Gives the payments of an order, the oldest first.
    pub async fn payments_of_order(
        &self,
        account: &str,
        owner: &str,
        order_ref: &str,
    ) -> Result<Vec<pb::Payment>, Error> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, payment FROM payments WHERE order_ref = $1 AND owner = $2 AND account = $3
             ORDER BY created_at_ms, id",
        )
        .bind(order_ref)
        .bind(owner)
        .bind(account)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|(id, bytes)| payments::decode(id, bytes)).collect()
    }

    /// Gives the accounts and ids of payments that are to be given back by now, the
    /// oldest first.
    pub async fn to_give_back(
        &self,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error> {
        let due = sqlx::query_as(
            "SELECT account, id FROM payments
             WHERE give_back_at_ms IS NOT NULL AND give_back_at_ms <= $1
             ORDER BY give_back_at_ms LIMIT $2",
        );
        Ok(due.bind(now_ms).bind(i64::from(limit)).fetch_all(self.readers()).await?)
    }

    /// Changes when a payment is to be given back; never where `None`. One that
    /// was given back meanwhile stays so.
    pub async fn put_give_back(&self, id: String, at_ms: Option<i64>) -> Result<(), Error> {
        self.write(move |transaction| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE payments SET give_back_at_ms = $2
                     WHERE id = $1 AND give_back_at_ms IS NOT NULL",
                )
                .bind(id)
                .bind(at_ms)
                .execute(&mut *transaction.0)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Closes an order, and notes that all of its links are to be deactivated.
    /// Closing it again changes nothing. Gives its links.
    pub async fn close_order(
        &self,
        (account, owner): (String, String),
        order_ref: String,
        reason: CloseReason,
        now_ms: i64,
    ) -> Result<Vec<String>, Error> {
        self.write(move |mut transaction| {
            Box::pin(async move {
                let whose = (account.as_str(), owner.as_str());
                transaction.put_closed(whose, &order_ref, reason, now_ms).await?;
                let ended = DeactivationReason::OrderClosed;
                transaction.end_order(whose, &order_ref, ended, now_ms).await
            })
        })
        .await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives an order that is over, as of this transaction.
    pub async fn order(
        &mut self,
        account: &str,
        owner: &str,
        order_ref: &str,
    ) -> Result<Option<OverOrder>, Error> {
        let row = sqlx::query_as(SELECT).bind(account).bind(owner).bind(order_ref);
        row.fetch_optional(&mut *self.0).await?.map(|row| over(row, order_ref)).transpose()
    }

    /// Lets a payment take an order that nobody has taken, and notes that all of
    /// its links are to be deactivated.
    pub async fn take_order(&mut self, payment: &pb::Payment, now_ms: i64) -> Result<(), Error> {
        let pb::Payment { account, owner, order_ref, .. } = payment;
        sqlx::query(
            "INSERT INTO orders (account, owner, order_ref, taken_by, taken_at_ms, close_reason)
             VALUES ($1, $2, $3, $4, $5, 0)",
        )
        .bind(account)
        .bind(owner)
        .bind(order_ref)
        .bind(&payment.id)
        .bind(now_ms)
        .execute(&mut *self.0)
        .await?;
        let ended = DeactivationReason::OrderPaid;
        self.end_order((account, owner), order_ref, ended, now_ms).await.map(drop)
    }

    async fn put_closed(
        &mut self,
        (account, owner): (&str, &str),
        order_ref: &str,
        reason: CloseReason,
        now_ms: i64,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO orders (account, owner, order_ref, taken_by, closed_at_ms, close_reason)
             VALUES ($1, $2, $3, '', $4, $5)
             ON CONFLICT (account, owner, order_ref) DO UPDATE SET
             closed_at_ms = excluded.closed_at_ms, close_reason = excluded.close_reason
             WHERE orders.closed_at_ms IS NULL",
        )
        .bind(account)
        .bind(owner)
        .bind(order_ref)
        .bind(now_ms)
        .bind(i64::from(i32::from(reason)))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn end_order(
        &mut self,
        (account, owner): (&str, &str),
        order_ref: &str,
        reason: DeactivationReason,
        now_ms: i64,
    ) -> Result<Vec<String>, Error> {
        let links = self.links_of_order((account, owner), order_ref).await?;
        for link in &links {
            if !planted::is(Bug::OrderLeftOpen) {
                self.put_ending((account, link), reason, now_ms).await?;
            }
        }
        Ok(links)
    }
}

const SELECT: &str = "SELECT taken_by, closed_at_ms, close_reason FROM orders
    WHERE account = $1 AND owner = $2 AND order_ref = $3";

fn over(row: (String, Option<i64>, i64), order_ref: &str) -> Result<OverOrder, Error> {
    let (taken_by, closed_at_ms, reason) = row;
    let corrupt = || Error::Corrupt { what: format!("order {order_ref}") };
    let number = i32::try_from(reason).map_err(|_| corrupt())?;
    let close_reason = CloseReason::try_from(number).map_err(|_| corrupt())?;
    Ok(OverOrder { taken_by, closed_at_ms, close_reason })
}
