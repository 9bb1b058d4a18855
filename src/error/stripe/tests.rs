use http::HeaderMap;
use tonic_types::StatusExt as _;

use super::*;
use crate::stripe::error::StripeError;

/// Every code that Stripe's own client for Python knows:
/// <https://docs.stripe.com/error-codes>.
const CODES: &str = include_str!("../tests/codes.txt");
/// Stripe's types of errors, none, and one that nobody has heard of.
const KINDS: [&str; 6] =
    ["api_error", "card_error", "idempotency_error", "invalid_request_error", "", "new_error"];
/// All the bytes that some clients read of trailers.
const TRAILER_BYTES_MAX: usize = 4096;
const SECRET: &str = "sk_live_51Hsecret";

fn refusal(status: u16, kind: &str, code: &str) -> Refusal {
    let error = StripeError {
        kind: (!kind.is_empty()).then(|| kind.into()),
        code: (!code.is_empty()).then(|| code.into()),
        message: Some(format!("No such price: 'price_1' for {SECRET}")),
        param: Some("line_items[0][price]".into()),
        ..Default::default()
    };
    Refusal {
        status,
        error,
        route: "/v1/products/{id}",
        path: "/v1/products/prod%5F1".into(),
        field: Some("payment_link.line_items[0].price".into()),
        request_id: Some("req_1".into()),
        attempts: 2,
        ..Default::default()
    }
}

fn told_as(error: Error) -> (Status, tonic_types::ErrorDetails) {
    let status = Status::from(error);
    let details = status.get_error_details();
    (status, details)
}

fn refused_as(refusal: Refusal) -> (Status, tonic_types::ErrorDetails) {
    told_as(Error::Refused(Box::new(refusal)))
}

/// The bytes of a status on the wire.
fn weight(status: &Status) -> usize {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    crate::error::name_request(&mut trailers, "0b0f5bd4-1c3e-4a54-9d4a-3f0c6f6b2a11");
    trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// Checks what holds of every refusal, whatever Stripe says.
fn check(refusal: &Refusal) {
    let told = row(refusal);
    let said = format!("{} {:?} {}", refusal.status, refusal.error.kind, refusal.code());
    let again = told.details.retry_info().is_some();
    match told.code {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted => assert!(again, "{said}"),
        Code::Internal
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition => assert!(!again, "{said}"),
        other => panic!("{said} is told as {other:?}"),
    }
    // A code can say that a key is wrong or that a limit is reached; beside
    // these, the status decides.
    let expected = match refusal.status {
        _ if KEY_CODES.contains(&refusal.code()) => Code::Internal,
        400 => told.code,
        409 if told.code == Code::Internal => Code::Internal,
        409 => Code::Aborted,
        402 => Code::FailedPrecondition,
        404 if refusal.code() == "resource_missing" => Code::NotFound,
        429 if refusal.code() == "lock_timeout" => Code::Aborted,
        429 => Code::ResourceExhausted,
        424 | 500.. => Code::Unavailable,
        _ => Code::Internal,
    };
    assert_eq!(told.code, expected, "{said}");
    if told.code == Code::InvalidArgument {
        assert_eq!(refusal.status, 400, "{said}");
    }
}

#[test]
fn every_status_type_and_code_of_stripes_has_a_row() {
    let codes: Vec<&str> = CODES.lines().chain(["", "never_heard_of"]).collect();
    assert_eq!(codes.len(), 211);
    for status in 100..600 {
        for kind in KINDS {
            let mut refusal = refusal(status, kind, "");
            for code in &codes {
                refusal.error.code = Some((*code).to_owned());
                check(&refusal);
                refusal.write = !refusal.write;
            }
        }
    }
}

#[test]
fn stripes_sentence_is_never_told_where_it_could_speak_of_the_key_or_of_stripe() {
    for status in (100..600).filter(|status| !matches!(status, 400 | 402 | 404 | 409)) {
        for code in ["", "resource_missing", "rate_limit", "lock_timeout", "api_key_expired"] {
            let (status, details) = refused_as(refusal(status, "api_error", code));
            assert!(!format!("{status:?}{details:?}").contains("No such"), "{status:?}");
        }
    }
}

#[test]
fn nothing_that_looks_like_a_key_is_told() {
    for status in 100..600 {
        for kind in KINDS {
            let mut refusal = refusal(status, kind, "resource_missing");
            refusal.error.param = Some(format!("metadata[{SECRET}]"));
            let (status, details) = refused_as(refusal);
            assert!(!format!("{status:?}{details:?}").contains("51Hsecret"), "{status:?}");
            assert!(!String::from_utf8_lossy(status.details()).contains("51Hsecret"));
        }
    }
}

#[test]
fn the_longest_texts_fit_into_the_trailers() {
    for character in ["x", "é", "\u{1f4a3}", "\n", "%", " "] {
        let long = character.repeat(40_000);
        for (status, code) in [
            (400, ""),
            (400, "resource_missing"),
            (400, "coupon_expired"),
            (402, ""),
            (404, "resource_missing"),
            (409, ""),
            (429, ""),
            (500, ""),
        ] {
            let mut refusal = refusal(status, "invalid_request_error", code);
            refusal.error.message = Some(long.clone());
            refusal.error.param = Some(long.clone());
            refusal.error.decline_code = Some(long.clone());
            refusal.error.doc_url = Some(format!("https://docs.stripe.com/{long}"));
            refusal.rate_limited_reason = Some(long.clone());
            if code.is_empty() {
                refusal.error.code = Some(long.clone());
            }
            let (status, _) = refused_as(refusal);
            assert!(status.message().len() <= TEXT_BYTES_MAX);
            assert!(weight(&status) <= TRAILER_BYTES_MAX, "{code}: {}", weight(&status));
        }
    }
}

#[test]
fn what_is_missing_is_named_by_its_kind_and_id() {
    let (_, details) = refused_as(refusal(400, "invalid_request_error", "resource_missing"));
    let resource = details.resource_info().unwrap();
    assert_eq!(
        (&*resource.resource_type, &*resource.resource_name),
        ("paylink.v1.Price", "price_1")
    );

    let mut gone = refusal(404, "invalid_request_error", "resource_missing");
    gone.error.message = Some("It is gone.".into());
    let (_, details) = refused_as(gone);
    let resource = details.resource_info().unwrap();
    assert_eq!(
        (&*resource.resource_type, &*resource.resource_name),
        ("paylink.v1.Product", "prod_1")
    );

    let mut other = refusal(400, "invalid_request_error", "resource_missing");
    other.error.message = Some("No such tax rate: 'txr_1'".into());
    let (_, details) = refused_as(other);
    let resource = details.resource_info().unwrap();
    assert_eq!((&*resource.resource_type, &*resource.resource_name), ("tax_rate", "txr_1"));
}

#[test]
fn a_limit_says_whose_it_is_and_when_to_come_back() {
    let again = Duration::from_secs(2);
    let mut stripes = refusal(429, "invalid_request_error", "");
    stripes.retry_after = Some(again);
    stripes.rate_limited_reason = Some("endpoint-rate".into());
    let ours = Error::Throttled { route: "/v1/products/{id}", retry_after: again };
    for (error, expected) in [
        (Error::Refused(Box::new(stripes)), "endpoint-rate"),
        (ours, "the service keeps below Stripe's limit"),
    ] {
        let (status, details) = told_as(error);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let violation = &details.quota_failure().unwrap().violations[0];
        assert_eq!(violation.subject, "stripe:/v1/products/{id}");
        assert_eq!(violation.description, expected);
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(again));
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "2000");
    }
}

#[test]
fn what_was_not_sent_says_so_and_when_to_come_back() {
    let retry_after = Duration::from_millis(1500);
    for (error, reason) in [
        (Error::Unreachable { phase: Phase::Dns }, "UPSTREAM_UNREACHABLE"),
        (Error::Unreachable { phase: Phase::Tls }, "UPSTREAM_UNREACHABLE"),
        (Error::CircuitOpen { retry_after }, "CIRCUIT_OPEN"),
        (Error::Saturated { retry_after }, "UPSTREAM_SATURATED"),
    ] {
        let phase = match &error {
            Error::Unreachable { phase } => Some(phase.as_str().to_owned()),
            _ => None,
        };
        let (status, details) = told_as(error);
        assert_eq!(status.code(), Code::Unavailable);
        let info = details.error_info().unwrap();
        assert_eq!((&*info.reason, &*info.domain), (reason, "paylink"));
        assert_eq!(info.metadata.get("phase"), phase.as_ref());
        assert!(details.retry_info().is_some());
        assert!(status.metadata().contains_key("grpc-retry-pushback-ms"));
    }
}

#[test]
fn people_are_told_in_our_words_and_sent_to_stripes_pages_alone() {
    for (url, is_shown) in [
        ("https://docs.stripe.com/error-codes/x", true),
        ("https://stripe.com/docs/error-codes/x", true),
        ("https://stripe.com.example/x", false),
        ("https://docs.stripe.com@example.com/", false),
        ("http://stripe.com/x", false),
        ("javascript:alert(1)", false),
    ] {
        let mut refusal = refusal(400, "invalid_request_error", "parameter_missing");
        refusal.error.doc_url = Some(url.into());
        let (status, details) = refused_as(refusal);
        assert_eq!(details.help().is_some(), is_shown, "{url}");
        let localized = details.localized_message().unwrap();
        assert_eq!(&*localized.locale, "en-US");
        assert_eq!(&*localized.message, "Stripe does not take a field as it is");
        assert!(details.help().is_none_or(|help| help.links[0].url == url));
        assert_eq!(status.message(), "No such price: 'price_1' for …");
    }
}
