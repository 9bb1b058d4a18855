use super::key::key_of;
use super::*;

/// An operation that makes a link and was just sent.
pub(super) fn operation() -> Operation {
    Operation {
        key: "plv1-1".into(),
        account: String::new(),
        owner: String::new(),
        method: "paylink.v1.CreatePaymentLinkRequest".into(),
        request_id: Uuid::nil().to_string(),
        fingerprint: vec![1; 32],
        path: "/v1/payment_links".into(),
        form: "expand[0]=line_items".into(),
        state: OperationState::Sent,
        generation: 0,
        attempts: 1,
        created_at_ms: 1_000,
        sent_at_ms: 1_000,
        due_at_ms: state::lease_end(1_000),
        holder: "one".into(),
        in_doubt: false,
        is_failure_stored: false,
        searches: 0,
        searched_at_ms: 0,
        resource: String::new(),
        answer: Bytes::new(),
        version: 0,
        traceparent: String::new(),
    }
}

#[test]
fn one_request_has_one_key_and_another_method_another() {
    let id = Uuid::from_u128(7);
    let key = key_of("paylink.v1.CreateProductRequest", id);
    assert_eq!(key, "plv1-ff9b066637ba501d93e7fd842cfd790e7e64cef10b414432");
    assert_eq!(key, key_of("paylink.v1.CreateProductRequest", id));
    assert_ne!(key, key_of("paylink.v1.CreatePriceRequest", id));
    assert_ne!(key, key_of("paylink.v1.CreateProductRequest", Uuid::from_u128(8)));
}
