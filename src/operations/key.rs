//! The idempotency keys by which Stripe knows operations.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::caller::Caller;
use crate::contract::Draft;

/// What the key of every operation begins with.
pub(super) const KEY_PREFIX: &str = "plv1-";

/// Whether an idempotency key is that of an operation.
#[must_use]
pub fn is_key(key: &str) -> bool {
    key.starts_with(KEY_PREFIX)
}

/// Derives Stripe's idempotency key, so that the same request of the same owner
/// always meets the same one, even where nothing is remembered of it.
pub(super) fn key(draft: &Draft, caller: &Caller) -> String {
    key_of(draft.method(), caller.remembered_as(draft.request_id()))
}

pub(super) fn key_of(method: &str, request_id: Uuid) -> String {
    let hash = Sha256::new().chain_update(method).chain_update(request_id).finalize();
    format!("{KEY_PREFIX}{}", &hex::encode(hash)[..48])
}
