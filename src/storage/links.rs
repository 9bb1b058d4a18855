//! The tables `links` and `link_terms`: links as Stripe last showed them, and
//! what they can be found by.

use std::collections::{HashMap, HashSet};

use prost::Message as _;

use super::payments::Cursor;
use super::query::Query;
use super::together::Together;
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

/// A link as it was seen just now.
struct Sight {
    seen: SeenLink,
    now_ms: i64,
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

    /// Whether this is how the link is shown there. Events do not show what it sells,
    /// and lists show only the first items.
    #[must_use]
    pub fn is(&self, shown: &pb::PaymentLink) -> bool {
        let mut own = pb::PaymentLink { create_time: None, ..self.link.clone() };
        own.line_items.truncate(shown.line_items.len());
        own == *shown
    }
}

// === impl Sight ===

impl Together for Sight {
    type Outcome = ();

    async fn write(mut transaction: Transaction<'_>, all: &[&Sight]) -> Result<Vec<()>, Error> {
        let mut left = all.to_vec();
        // Of two pictures of one link, the second is laid on the first.
        while !left.is_empty() {
            let mut ids = HashSet::new();
            let (firsts, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|sight| ids.insert(&sight.seen.link.id));
            let firsts: Vec<_> = firsts.iter().map(|sight| (&sight.seen, sight.now_ms)).collect();
            transaction.put_links(&firsts).await?;
            left = others;
        }
        Ok(vec![(); all.len()])
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

    /// Names the links of an order, as far as they are known.
    pub async fn links_of_order(
        &self,
        (account, owner): (&str, &str),
        order_ref: &str,
    ) -> Result<Vec<String>, Error> {
        let (order, owner) = (Term::Order(order_ref).text(), Term::Owner(owner).text());
        let links =
            sqlx::query_scalar(OF_ORDER).bind(at(account, &order)).bind(at(account, &owner));
        Ok(links.fetch_all(self.readers()).await?)
    }

    /// Keeps what was seen of a link, with what follows from it for its end.
    pub async fn put_link(&self, seen: SeenLink, now_ms: i64) -> Result<(), Error> {
        self.put(Sight { seen, now_ms }).await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Keeps what was seen of a link, unless a newer picture is known. Its end is
    /// noted in the table of endings, and one whose order is over ends at once.
    pub async fn put_link(&mut self, new: &SeenLink, now_ms: i64) -> Result<(), Error> {
        self.put_links(&[(new, now_ms)]).await
    }

    /// Keeps what was seen of links, each of which is there once, and when it was.
    async fn put_links(&mut self, all: &[(&SeenLink, i64)]) -> Result<(), Error> {
        let ids: Vec<String> = all.iter().map(|(new, _)| new.link.id.clone()).collect();
        let known = self.known_links(&ids).await?;
        let newer = all.iter().filter_map(|(new, now_ms)| {
            Some((newer(new, known.get(&new.link.id), *now_ms)?, *now_ms))
        });
        let newer: Vec<_> = newer.collect();
        if newer.is_empty() {
            return Ok(());
        }
        self.put_rows(newer.iter().map(|(seen, _)| seen)).await?;
        let again = newer.iter().map(|(seen, _)| &seen.link.id);
        let again: Vec<String> = again.filter(|id| known.contains_key(*id)).cloned().collect();
        if !again.is_empty() {
            let mut forget = Query::new("DELETE FROM link_terms WHERE link_id IN ");
            forget.bind_all(&again)?;
            forget.execute(&mut *self.0).await?;
        }
        self.put_terms(newer.iter().map(|(seen, _)| seen)).await?;
        for (seen, now_ms) in &newer {
            let is_new = !known.contains_key(&seen.link.id);
            self.note_end(seen, is_new, *now_ms).await?;
        }
        Ok(())
    }

    /// Draws the conclusions again for the end of a link, as it is known: what has moved
    /// while an ending was worked on is not noted yet.
    pub async fn note_end_again(&mut self, id: &str, now_ms: i64) -> Result<(), Error> {
        match self.known_links(&[id.to_owned()]).await?.get(id) {
            Some(known) => self.note_end(known, false, now_ms).await,
            None => Ok(()),
        }
    }

    /// Gives what is known of links, by their ids.
    async fn known_links(&mut self, ids: &[String]) -> Result<HashMap<String, SeenLink>, Error> {
        let mut select = Query::new(
            "SELECT account, id, created_at_ms, seen_at_ms, link FROM links WHERE id IN ",
        );
        select.bind_all(ids)?;
        let rows: Vec<Row> = select.rows(&mut *self.0).await?;
        rows.into_iter().map(|row| Ok((row.1.clone(), seen(row)?))).collect()
    }

    async fn put_rows(&mut self, all: impl Iterator<Item = &SeenLink>) -> Result<(), Error> {
        let mut insert = Query::new(
            "INSERT INTO links (id, created_at_ms, seen_at_ms, active, link, account) VALUES ",
        );
        for SeenLink { account, link, created_at_ms, seen_at_ms } in all {
            let row =
                insert.row().with(link.id.clone())?.with(*created_at_ms)?.with(*seen_at_ms)?;
            let row = row.with(i64::from(link.active))?.with(link.encode_to_vec())?;
            row.with(account.clone())?.end();
        }
        insert.push(
            " ON CONFLICT (id) DO UPDATE SET
             created_at_ms = excluded.created_at_ms, seen_at_ms = excluded.seen_at_ms,
             active = excluded.active, link = excluded.link",
        );
        insert.execute(&mut *self.0).await
    }

    async fn put_terms(&mut self, all: impl Iterator<Item = &SeenLink>) -> Result<(), Error> {
        let mut insert =
            Query::new("INSERT INTO link_terms (term, created_at_ms, link_id) VALUES ");
        for SeenLink { account, link, created_at_ms, .. } in all {
            for term in terms(link) {
                let row = insert.row().with(at(account, &term))?.with(*created_at_ms)?;
                row.with(link.id.clone())?.end();
            }
        }
        insert.push(" ON CONFLICT (term, created_at_ms, link_id) DO NOTHING");
        insert.execute(&mut *self.0).await
    }

    /// Draws the conclusions for the link's end. None is noted of one that was not known.
    ///
    /// An end that has come is not done with because the link is inactive: the pages are
    /// still to be expired that buyers have open.
    async fn note_end(&mut self, seen: &SeenLink, is_new: bool, now_ms: i64) -> Result<(), Error> {
        let SeenLink { account, link, .. } = seen;
        let expired = DeactivationReason::Expired;
        match link.expire_time.filter(|_| link.active) {
            Some(end) => {
                let end_ms = end.seconds.saturating_mul(1_000);
                self.put_ending((account, &link.id), expired, end_ms).await?;
            }
            None if is_new => {}
            None if link.active => self.drop_ending(&link.id, expired, i64::MIN).await?,
            None => self.drop_ending(&link.id, expired, now_ms).await?,
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

    /// Names the links of an order, as far as they are known to this transaction.
    pub async fn links_of_order(
        &mut self,
        (account, owner): (&str, &str),
        order_ref: &str,
    ) -> Result<Vec<String>, Error> {
        let (order, owner) = (Term::Order(order_ref).text(), Term::Owner(owner).text());
        let links =
            sqlx::query_scalar(OF_ORDER).bind(at(account, &order)).bind(at(account, &owner));
        Ok(links.fetch_all(&mut *self.0).await?)
    }
}

const SELECT: &str = "SELECT account, id, created_at_ms, seen_at_ms, link FROM links WHERE id = $1";

const OF_ORDER: &str = "SELECT link_id FROM link_terms AS first WHERE term = $1 AND EXISTS (
    SELECT 1 FROM link_terms WHERE link_id = first.link_id
    AND created_at_ms = first.created_at_ms AND term = $2)";

/// Lays a picture on what is known of a link, unless that is of a later time.
fn newer(new: &SeenLink, known: Option<&SeenLink>, now_ms: i64) -> Option<SeenLink> {
    // A picture of the future was taken before the clock was set back.
    let later = new.seen_at_ms.saturating_add(1)..=now_ms;
    if known.is_some_and(|known| later.contains(&known.seen_at_ms)) {
        return None;
    }
    let mut newer = new.clone();
    if let Some(known) = known {
        newer.created_at_ms = newer.created_at_ms.min(known.created_at_ms);
        // Not every picture shows all that is sold, which never changes.
        let others = known.link.line_items.iter().skip(newer.link.line_items.len());
        newer.link.line_items.extend(others.cloned());
    }
    newer.link.create_time = Some(timestamp(newer.created_at_ms));
    Some(newer)
}

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
