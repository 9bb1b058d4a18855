use super::*;
use crate::stripe::Error as StripeFailure;
use crate::stripe::error::{Refusal, StripeError};

fn refusal(status: u16, kind: &str, code: &str) -> Refusal {
    let error = StripeError {
        kind: Some(kind.into()),
        code: Some(code.into()),
        message: Some("No such price: 'price_1' for sk_test_123".into()),
        param: Some("line_items[0][price]".into()),
        doc_url: Some("https://stripe.com/docs/error-codes/x".into()),
        ..Default::default()
    };
    Refusal { status, error, request_id: Some("req_1".into()), attempts: 2, ..Default::default() }
}

fn check(status: u16, kind: &str, code: &str) -> (Code, String) {
    let status = Status::from(StripeFailure::Refused(Box::new(refusal(status, kind, code))));
    let details = status.get_error_details();
    (status.code(), details.error_info().unwrap().reason.clone())
}

#[test]
fn each_row_of_the_table_is_told_as_it_says() {
    let invalid = "invalid_request_error";
    for (status, kind, code, expected, reason) in [
        (400, invalid, "parameter_missing", Code::InvalidArgument, "STRIPE_INVALID_PARAMETER"),
        (400, invalid, "resource_missing", Code::InvalidArgument, "REFERENCED_RESOURCE_MISSING"),
        (400, invalid, "resource_already_exists", Code::AlreadyExists, "RESOURCE_EXISTS"),
        (400, invalid, "coupon_expired", Code::FailedPrecondition, "STRIPE_COUPON_EXPIRED"),
        (400, invalid, "rate_limit", Code::ResourceExhausted, "UPSTREAM_RATE_LIMITED"),
        (400, "idempotency_error", "", Code::Internal, "IDEMPOTENCY_MISMATCH"),
        (401, invalid, "", Code::Internal, "UPSTREAM_AUTH"),
        (402, "card_error", "card_declined", Code::FailedPrecondition, "CARD_CARD_DECLINED"),
        (403, invalid, "", Code::Internal, "UPSTREAM_PERMISSION"),
        (404, invalid, "resource_missing", Code::NotFound, "RESOURCE_NOT_FOUND"),
        (404, invalid, "", Code::Internal, "UPSTREAM_UNEXPECTED_STATUS"),
        (409, invalid, "idempotency_key_in_use", Code::Aborted, "OPERATION_IN_PROGRESS"),
        (409, invalid, "", Code::Aborted, "UPSTREAM_CONFLICT"),
        (429, invalid, "lock_timeout", Code::Aborted, "UPSTREAM_LOCK_TIMEOUT"),
        (429, invalid, "", Code::ResourceExhausted, "UPSTREAM_RATE_LIMITED"),
        (500, "api_error", "", Code::Unavailable, "UPSTREAM_5XX"),
        (302, "", "", Code::Internal, "UPSTREAM_REDIRECT"),
        (418, "", "", Code::Internal, "UPSTREAM_UNEXPECTED_STATUS"),
        (400, invalid, "secret_key_required", Code::Internal, "UPSTREAM_AUTH"),
    ] {
        assert_eq!(check(status, kind, code), (expected, reason.to_owned()), "{status} {code}");
    }
}

#[test]
fn a_refusal_names_our_field_and_hides_what_looks_like_a_key() {
    let mut refusal = refusal(400, "invalid_request_error", "resource_missing");
    refusal.field = Some("payment_link.line_items[0].price".into());
    let status = Status::from(StripeFailure::Refused(Box::new(refusal)));
    assert_eq!(status.message(), "No such price: 'price_1' for …");
    let details = status.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "payment_link.line_items[0].price");
    assert_eq!(violation.reason, "RESOURCE_MISSING");
    let info = details.error_info().unwrap();
    assert_eq!((&*info.domain, &*info.metadata["stripe_request_id"]), ("paylink", "req_1"));
    assert_eq!(info.metadata["attempts"], "2");
    assert_eq!(details.help().unwrap().links.len(), 1);
}

#[test]
fn a_lost_answer_to_a_write_is_pending_and_safe_to_ask_again() {
    for error in [
        StripeFailure::AnswerLost { write: true },
        StripeFailure::TimedOut { write: true },
        StripeFailure::Unreadable { write: true, request_id: None },
        StripeFailure::Refused(Box::new(Refusal { write: true, ..refusal(500, "api_error", "") })),
    ] {
        let status = Status::from(error);
        let details = status.get_error_details();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(details.error_info().unwrap().reason, "OUTCOME_PENDING");
        assert_eq!(details.error_info().unwrap().metadata["safe_retry"], "same_request_id");
        assert!(details.retry_info().is_some());
    }
}

#[test]
fn every_violation_is_told_with_its_field_and_reason() {
    let violations = Violations(vec![
        Violation::new("price.currency", Reason::Format, "must match"),
        Violation::new("price.product", Reason::Required, "is required"),
    ]);
    let status = Status::from(violations);
    assert_eq!(status.message(), "price.currency: must match (and 1 more)");
    let details = status.get_error_details();
    let told: Vec<_> = details.bad_request().unwrap().field_violations.iter().collect();
    assert_eq!((&*told[1].field, &*told[1].reason), ("price.product", "FIELD_REQUIRED"));
}

#[test]
fn of_very_many_violations_the_first_are_told_and_the_others_counted() {
    let many = |count: usize| {
        let violation = |nth| {
            let field = format!("payment_link.custom_fields[{nth}].dropdown.options[{nth}].value");
            Violation::new(field, Reason::Format, "must have letters and digits alone")
        };
        Status::from(Violations((0..count).map(violation).collect()))
    };
    for (count, are_all_told) in [(1, true), (10, true), (1_000, false)] {
        let status = many(count);
        let details = status.get_error_details();
        let told = details.bad_request().unwrap().field_violations.len();
        assert_eq!(told == count, are_all_told, "{told} of {count}");
        let left_out = details.error_info().unwrap().metadata.get("violations_left_out").cloned();
        assert_eq!(left_out, (!are_all_told).then(|| (count - told).to_string()));
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        name_request(&mut trailers, "0b0f5bd4-1c3e-4a54-9d4a-3f0c6f6b2a11");
        let bytes: usize =
            trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        assert!(bytes <= 4096 && told >= 10.min(count), "{told} take {bytes}");
    }
}
