//! The tables `links` and `link_terms`: links as Stripe last showed them, and
//! what they can be found by.

use prost::Message as _;

use super::payments::Cursor;
use super::query::Query;
use super::{Error, Storage, Transaction};
use crate::caller::DEFAULT_ACCOUNT;
use crate::pb;
use crate::pb::payment_link::DeactivationReason;
use crate::pb::time::timestamp;

/// A link as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenLink {
    /// The Stripe account that it is of.
    pub account: String,
    /// The link.
    pub link: pb::PaymentLink,
    /// When it was made, as far as is known.
    pub created_at_ms: i64,
    /// The time that the link was like this at, or later. Of two pictures the one
    /// of the later time counts.
    pub seen_at_ms: i64,
}

/// What a link can be found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term<'a> {
    /// Whose it is; nobody's where it is empty.
    Owner(&'a str),
    /// Its order, whoever's that is.
    Order(&'a str),
    /// One of its notes.
    Note(&'a str, &'a str),
    /// A product that it sells.
    Product(&'a str),
}

/// Which links to list.
#[derive(Debug, Clone, Default)]
pub struct LinkListing {
    /// Those of this Stripe account.
    pub account: String,
    /// Only those that have all of these.
    pub terms: Vec<String>,
    /// Only those that can, or cannot, be paid.
    pub active: Option<bool>,
    /// Only those made at this time or later.
    pub created_from_ms: Option<i64>,
    /// Only those made before this time.
    pub created_before_ms: Option<i64>,
    /// Only those that come after this one.
    pub after: Option<Cursor>,
    /// How many, at most.
    pub limit: u32,
}

/// A row: account, id, time of making, time of the picture, and the link.
type Row = (String, String, i64, i64, Vec<u8>);

// === impl SeenLink ===

impl SeenLink {
    /// Gives its place among all links.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at_ms: self.created_at_ms, id: self.link.id.clone() }
    }

    /// Whether this is how the link is shown there. Events do not show what it sells.
    #[must_use]
    pub fn is(&self, shown: &pb::PaymentLink) -> bool {
        let mut own = pb::PaymentLink { create_time: None, ..self.link.clone() };
        if shown.line_items.is_empty() {
            own.line_items.clear();
        }
        own == *shown
    }
}

// === impl Term ===

impl Term<'_> {
    /// The text that stands for it. No two terms have the same one.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Term::Owner(owner) => format!("owner {owner}"),
            Term::Order(order) => format!("order {order}"),
            // No key has a line break in it that a form would keep apart.
            Term::Note(key, value) => format!("note {} {key} {value}", key.len()),
            Term::Product(product) => format!("product {product}"),
        }
    }
}

// === impl Storage ===

impl Storage {
    /// Gives what is known of a link.
    pub async fn link(&self, id: &str) -> Result<Option<SeenLink>, Error> {
        let row = sqlx::query_as(SELECT).bind(id).fetch_optional(self.readers()).await?;
        row.map(seen).transpose()
    }

    /// Lists links, newest first.
    pub async fn links(&self, listing: LinkListing) -> Result<Vec<SeenLink>, Error> {
        // Built by parts, so that each combination can use the index made for it.
        let account = listing.account;
        let mut terms = listing.terms.iter().map(|term| at(&account, term));
        let mut query = Query::new(
            "SELECT links.account, links.id, links.created_at_ms, seen_at_ms, link FROM ",
        );
        let (time, id) = if let Some(term) = terms.next() {
            query.push("link_terms AS first JOIN links ON links.id = first.link_id");
            query.push(" WHERE first.term = ").bind(term)?;
            ("first.created_at_ms", "first.link_id")
        } else {
            query.push("links WHERE account = ").bind(account.clone())?;
            ("links.created_at_ms", "links.id")
        };
        for term in terms {
            query.push(" AND EXISTS (SELECT 1 FROM link_terms WHERE link_id = links.id");
            query.push(" AND created_at_ms = links.created_at_ms AND term = ").bind(term)?;
            query.push(")");
        }
        if let Some(active) = listing.active {
            query.push(" AND active = ").bind(i64::from(active))?;
        }
        if let Some(from) = listing.created_from_ms {
            query.push(" AND ").push(time).push(" >= ").bind(from)?;
        }
        if let Some(before) = listing.created_before_ms {
            query.push(" AND ").push(time).push(" < ").bind(before)?;
        }
        if let Some(after) = listing.after {
            query.push(" AND (").push(time).push(", ").push(id).push(") < (");
            query.bind(after.created_at_ms)?.push(", ").bind(after.id)?.push(")");
        }
        query.push(" ORDER BY ").push(time).push(" DESC, ").push(id);
        query.push(" DESC LIMIT ").bind(i64::from(listing.limit))?;
        let rows: Vec<Row> = query.rows(self.readers()).await?;
        rows.into_iter().map(seen).collect()
    }

    /// Keeps what was seen of a link, with what follows from it for its end.
    pub async fn put_link(&self, seen: SeenLink, now_ms: i64) -> Result<(), Error> {
        self.write(move |mut transaction| {
            Box::pin(async move { transaction.put_link(&seen, now_ms).await })
        })
        .await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Keeps what was seen of a link, unless a newer picture is known. Its end is
    /// noted in the table of endings, and one whose order is over ends at once.
    pub async fn put_link(&mut self, new: &SeenLink, now_ms: i64) -> Result<(), Error> {
        let known: Option<Row> =
            sqlx::query_as(SELECT).bind(&new.link.id).fetch_optional(&mut *self.0).await?;
        let known = known.map(seen).transpose()?;
        // A picture of the future was taken before the clock was set back.
        let newer = new.seen_at_ms.saturating_add(1)..=now_ms;
        if known.as_ref().is_some_and(|known| newer.contains(&known.seen_at_ms)) {
            return Ok(());
        }
        let mut link = new.link.clone();
        let mut created_at_ms = new.created_at_ms;
        if let Some(known) = known {
            created_at_ms = created_at_ms.min(known.created_at_ms);
            // Events do not tell what is sold, which never changes.
            if link.line_items.is_empty() {
                link.line_items = known.link.line_items;
            }
        }
        link.create_time = Some(timestamp(created_at_ms));
        let seen = SeenLink { link, created_at_ms, ..new.clone() };
        self.put_row(&seen).await?;
        self.put_terms(&seen).await?;
        self.note_end(&seen, now_ms).await
    }

    async fn put_row(&mut self, seen: &SeenLink) -> Result<(), Error> {
        let SeenLink { account, link, created_at_ms, seen_at_ms } = seen;
        sqlx::query(
            "INSERT INTO links (id, created_at_ms, seen_at_ms, active, link, account)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET
             created_at_ms = excluded.created_at_ms, seen_at_ms = excluded.seen_at_ms,
             active = excluded.active, link = excluded.link",
        )
        .bind(&link.id)
        .bind(created_at_ms)
        .bind(seen_at_ms)
        .bind(i64::from(link.active))
        .bind(link.encode_to_vec())
        .bind(account)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn put_terms(&mut self, seen: &SeenLink) -> Result<(), Error> {
        let SeenLink { account, link, created_at_ms, .. } = seen;
        sqlx::query("DELETE FROM link_terms WHERE link_id = $1")
            .bind(&link.id)
            .execute(&mut *self.0)
            .await?;
        for term in terms(link) {
            sqlx::query(
                "INSERT INTO link_terms (term, created_at_ms, link_id) VALUES ($1, $2, $3)
                 ON CONFLICT (term, created_at_ms, link_id) DO NOTHING",
            )
            .bind(at(account, &term))
            .bind(created_at_ms)
            .bind(&link.id)
            .execute(&mut *self.0)
            .await?;
        }
        Ok(())
    }

    /// Draws the conclusions for the link's end.
    async fn note_end(&mut self, seen: &SeenLink, now_ms: i64) -> Result<(), Error> {
        let SeenLink { account, link, .. } = seen;
        let expired = DeactivationReason::Expired;
        match link.expire_time.filter(|_| link.active) {
            Some(end) => {
                let end_ms = end.seconds.saturating_mul(1_000);
                self.put_ending((account, &link.id), expired, end_ms).await?;
            }
            None => self.drop_ending(&link.id, expired).await?,
        }
        if link.active
            && !link.order_ref.is_empty()
            && let Some(order) = self.order(account, &link.owner, &link.order_ref).await?
            && let Some(reason) = order.over()
        {
            self.put_ending((account, &link.id), reason, now_ms).await?;
        }
        Ok(())
    }

    /// Names the links of an order, as far as they are known.
    pub async fn links_of_order(
        &mut self,
        (account, owner): (&str, &str),
        order_ref: &str,
    ) -> Result<Vec<String>, Error> {
        let links = sqlx::query_scalar(
            "SELECT link_id FROM link_terms AS first WHERE term = $1 AND EXISTS (
                SELECT 1 FROM link_terms WHERE link_id = first.link_id
                AND created_at_ms = first.created_at_ms AND term = $2)",
        );
        let (order, owner) = (Term::Order(order_ref).text(), Term::Owner(owner).text());
        let links = links.bind(at(account, &order)).bind(at(account, &owner));
        Ok(links.fetch_all(&mut *self.0).await?)
    }
}

const SELECT: &str = "SELECT account, id, created_at_ms, seen_at_ms, link FROM links WHERE id = $1";

/// The text of a term among the links of an account. No term begins with a line break.
fn at(account: &str, term: &str) -> String {
    match account {
        DEFAULT_ACCOUNT => term.to_owned(),
        account => format!("\n{account}\n{term}"),
    }
}

/// All that a link can be found by.
fn terms(link: &pb::PaymentLink) -> Vec<String> {
    let order = Some(link.order_ref.as_str()).filter(|order| !order.is_empty());
    let products = link.line_items.iter().map(|item| item.product.as_str());
    let products = products.filter(|product| !product.is_empty()).map(Term::Product);
    let notes = link.metadata.iter().map(|(key, value)| Term::Note(key, value));
    let own = [Term::Owner(&link.owner)].into_iter().chain(order.map(Term::Order));
    own.chain(products).chain(notes).map(Term::text).collect()
}

fn seen((account, id, created_at_ms, seen_at_ms, bytes): Row) -> Result<SeenLink, Error> {
    let link = pb::PaymentLink::decode(bytes.as_slice())
        .map_err(|_| Error::Corrupt { what: format!("link {id}") })?;
    Ok(SeenLink { account, link, created_at_ms, seen_at_ms })
}
