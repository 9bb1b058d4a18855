//! Pages of payments, the newest first.

use tonic::Status;

use crate::caller::Caller;
use crate::contract;
use crate::pb;
use crate::pb::payment::State;
use crate::storage::{Cursor, Listing, Storage};

/// Lists one page. The next one starts after the last payment of this one,
/// whatever has come in between.
pub(super) async fn list(
    storage: &Storage,
    caller: &Caller,
    request: &pb::ListPaymentsRequest,
) -> Result<pb::ListPaymentsResponse, Status> {
    let draft = contract::check(request).pass()?;
    let page = draft.page();
    let after = page.place(Cursor::parse)?;
    let listing = Listing {
        owner: caller.only_owner().map(str::to_owned),
        payment_link: Some(request.payment_link.clone()).filter(|link| !link.is_empty()),
        state: Some(request.state()).filter(|state| *state != State::Unspecified),
        after,
        // One more than fits tells whether there is a next page.
        limit: page.size + 1,
    };
    let mut payments = storage.payments(listing).await?;
    let size = page.size as usize;
    let has_more = payments.len() > size;
    payments.truncate(size);
    let last = payments.last().filter(|_| has_more);
    let next_page_token =
        last.map(|last| page.token_after(&Cursor::of(last).text())).unwrap_or_default();
    Ok(pb::ListPaymentsResponse { payments, next_page_token })
}
