//! Pages of payments, the newest first.

use tonic::Status;

use crate::caller::Caller;
use crate::contract::{self, Reason, Violation, Violations};
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
    let after = page.after.as_deref().map(read).transpose()?;
    let listing = Listing {
        account: caller.account().to_owned(),
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
    let next_page_token = last.map(|last| page.token_after(&write(last))).unwrap_or_default();
    Ok(pb::ListPaymentsResponse { payments, next_page_token })
}

fn write(payment: &pb::Payment) -> String {
    let Cursor { created_at_ms, id } = Cursor::of(payment);
    format!("{created_at_ms} {id}")
}

fn read(text: &str) -> Result<Cursor, Violations> {
    let cursor = text.split_once(' ').and_then(|(created_at_ms, id)| {
        Some(Cursor { created_at_ms: created_at_ms.parse().ok()?, id: id.to_owned() })
    });
    // A token is not signed, so that it can name the right request and no place.
    cursor.ok_or_else(|| {
        let rule = "must be the next_page_token of an answer to the same request";
        Violations(vec![Violation::new("page_token", Reason::PageToken, rule)])
    })
}
