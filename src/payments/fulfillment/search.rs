//! The search for what a worker may ship: the oldest first, a few at a time.

use tonic::Status;

use crate::error::PaymentError;
use crate::payments::filter::Filter;
use crate::payments::now_ms;
use crate::storage::{Claimable, Cursor, Storage};

/// How many payments one transaction tries to claim, the oldest first.
pub(super) const CANDIDATES: usize = 32;
/// How many payments are read at once to find candidates among them.
const PAGE: u32 = 256;
/// How many payments are looked at for one claim, which bounds what a filter
/// that fits nothing costs.
pub(super) const SCAN_MAX: usize = if cfg!(test) { 1_000 } else { 20_000 };

/// A search, as far as it has come.
#[derive(Debug)]
pub(super) struct Search<'a> {
    storage: &'a Storage,
    filter: Filter,
    /// What is looked for next.
    wanted: Claimable,
    looked_at: usize,
    is_over: bool,
}

// === impl Search ===

impl<'a> Search<'a> {
    pub(super) fn new(storage: &'a Storage, filter: Filter) -> Self {
        let wanted = Claimable { limit: PAGE, ..filter.wanted() };
        Self { storage, filter, wanted, looked_at: 0, is_over: false }
    }

    /// Gives the ids of the next payments that fit, none at the end. Between two calls it
    /// goes on and does not begin again: what another worker has taken meanwhile is no
    /// reason to look at it twice.
    pub(super) async fn next(&mut self) -> Result<Vec<String>, Status> {
        let mut found = Vec::new();
        while found.is_empty() && !self.is_over && self.looked_at < SCAN_MAX {
            let page = self.storage.claimable(&self.wanted, now_ms()).await?;
            self.is_over = page.len() < PAGE as usize;
            for payment in page {
                if found.len() >= CANDIDATES {
                    self.is_over = false;
                    break;
                }
                self.looked_at += 1;
                self.wanted.after = Some(Cursor::of(&payment));
                if self.filter.fits(&payment) {
                    found.push(payment.id);
                }
            }
        }
        Ok(found)
    }

    /// Why there is nothing more: there is none, or the filter fits too few of too many.
    pub(super) fn end(&self) -> Result<(), PaymentError> {
        if self.is_over {
            return Ok(());
        }
        Err(PaymentError::FilterTooWide { looked_at: self.looked_at })
    }
}
