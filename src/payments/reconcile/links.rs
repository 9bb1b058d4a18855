//! The comparison of Stripe's links with the index of links: those that were made
//! outside appear, and what was missed is mended.

use super::{Failure, Run};
use crate::payments::now_ms;
use crate::storage::SeenLink;
use crate::stripe;

/// How many pages of a hundred links one comparison reads, the newest first.
const PAGES_MAX: u32 = 1_000;

// === impl Run ===

impl Run<'_> {
    /// Reads all links, and notes those that the index shows otherwise.
    pub(in crate::payments) async fn links(&mut self) -> Result<(), Failure> {
        let storage = self.payments.storage.clone();
        let mut after = None;
        // Stripe does not tell when a link was made, but lists the newer ones first.
        let mut newest_ms = now_ms();
        for _ in 0..PAGES_MAX {
            self.before_reading(false).await?;
            let seen_at_ms = now_ms();
            let caller = self.caller();
            let page = self.payments.stripe.payment_links(after.as_deref(), &caller).await?;
            for mut link in page.items {
                self.report.links_seen = self.report.links_seen.saturating_add(1);
                let known = storage.link(&link.id).await?;
                if known.is_none() && stripe::may_sell_more(&link) {
                    self.before_reading(false).await?;
                    let caller = self.caller();
                    link.line_items = self.payments.stripe.all_line_items(&link, &caller).await?;
                }
                newest_ms =
                    known.as_ref().map_or(newest_ms, |one| one.created_at_ms.min(newest_ms));
                if known.is_none_or(|known| !known.is(&link)) {
                    self.report.links_mended = self.report.links_mended.saturating_add(1);
                    let seen = SeenLink {
                        account: self.account.clone(),
                        link,
                        created_at_ms: newest_ms,
                        seen_at_ms,
                    };
                    storage.put_link(seen, now_ms()).await?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.payments.endings.wake();
        Ok(())
    }
}
