//! Pages of links out of the index, the newest first.

use tonic::Status;

use crate::caller::Caller;
use crate::contract::Draft;
use crate::endings;
use crate::pb;
use crate::pb::time::millis;
use crate::storage::{Cursor, LinkListing, Storage, Term};

/// Lists one page. The next one starts after the last link of this one, whatever
/// has come in between.
pub(super) async fn list(
    storage: &Storage,
    caller: &Caller,
    request: &pb::ListPaymentLinksRequest,
    draft: &Draft,
) -> Result<pb::ListPaymentLinksResponse, Status> {
    let page = draft.page();
    let after = page.place(Cursor::parse)?;
    let filter = request.filter.clone().unwrap_or_default();
    // One more than fits tells whether there is a next page.
    let listing =
        LinkListing { after, limit: page.size + 1, ..listing(&filter, caller, request.active) };
    let mut links = storage.links(listing).await?;
    let size = page.size as usize;
    let has_more = links.len() > size;
    links.truncate(size);
    let last = links.last().filter(|_| has_more);
    let next_page_token =
        last.map(|last| page.token_after(&last.cursor().text())).unwrap_or_default();
    let payment_links = links.into_iter().map(|seen| endings::explained(seen.link)).collect();
    Ok(pb::ListPaymentLinksResponse { payment_links, next_page_token })
}

/// Says in the memory's words which links are meant.
pub(super) fn listing(
    filter: &pb::PaymentLinkFilter,
    caller: &Caller,
    active: Option<bool>,
) -> LinkListing {
    let named = |name: &str| !name.is_empty();
    let order = Some(Term::Order(&filter.order_ref)).filter(|_| named(&filter.order_ref));
    let product = Some(Term::Product(&filter.product)).filter(|_| named(&filter.product));
    // Both, where both are given: of an owner whose links are not seen there are none.
    let only = caller.only_owner().map(Term::Owner);
    let owner = Some(Term::Owner(&filter.owner)).filter(|_| named(&filter.owner));
    let notes = filter.metadata.iter().map(|(key, value)| Term::Note(key, value));
    LinkListing {
        // The first is looked up, and the others are asked of what it finds.
        terms: {
            let exact = order.into_iter().chain(notes).chain(product);
            exact.chain(only).chain(owner).map(Term::text).collect()
        },
        account: caller.account().to_owned(),
        active,
        created_from_ms: filter.created_from.as_ref().map(millis),
        created_before_ms: filter.created_before.as_ref().map(millis),
        ..LinkListing::default()
    }
}
