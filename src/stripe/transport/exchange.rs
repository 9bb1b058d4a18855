//! One exchange over HTTP: a call as a request, and a response as what it means.
//! Pure, so that whatever stands in for the network can use it, too.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use serde::Deserialize;

use crate::stripe::call::{Answer, Call};
use crate::stripe::error::{Error, Refusal};

/// The version of Stripe's API that the contract was written against. It is
/// named in every request, so that an account's own default does not matter.
pub const STRIPE_VERSION: &str = "2026-05-27.dahlia";

/// The longest wait that Stripe can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// The property that every object of Stripe's has.
const OBJECT: &[u8] = b"\"object\"";
/// One of these it has, too: the second if it is a list.
const ID: &[u8] = b"\"id\"";
const DATA: &[u8] = b"\"data\"";

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const STRIPE_VERSION_HEADER: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const RATE_LIMITED_REASON: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

/// What the answer to a change says of it.
#[derive(Deserialize)]
struct Changed<'a> {
    id: String,
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(default)]
    deleted: bool,
}

/// Makes the request of a call at the Stripe of `base_url`, with all of its
/// headers but the key of the account.
pub fn request(base_url: &str, call: &Call) -> Result<Request<Bytes>, http::Error> {
    let path = &call.place.path;
    let query = str::from_utf8(&call.form).unwrap_or_default();
    let (url, body) = if call.method == Method::POST {
        (format!("{base_url}{path}"), call.form.clone())
    } else if query.is_empty() {
        (format!("{base_url}{path}"), Bytes::new())
    } else {
        (format!("{base_url}{path}?{query}"), Bytes::new())
    };
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(url)
        .header(STRIPE_VERSION_HEADER, HeaderValue::from_static(STRIPE_VERSION))
        .header(CONTENT_TYPE, FORM);
    if let Some(key) = &call.idempotency_key {
        request = request.header(IDEMPOTENCY_KEY, key);
    }
    request.body(body)
}

/// Reads a whole response to a call.
pub fn answer(
    call: &Call,
    status: StatusCode,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answer, Error> {
    let write = call.is_write();
    let request_id = text(headers, &REQUEST_ID).map(str::to_owned);
    let replayed = text(headers, &IDEMPOTENT_REPLAYED) == Some("true");
    if status.is_success() {
        let resource = if write { changed(call, &body) } else { is_whole(&body).then(String::new) };
        return match resource {
            Some(resource) => Ok(Answer { body, request_id, resource, replayed }),
            None => Err(Error::Unreadable { write, request_id }),
        };
    }
    let refusal = Refusal {
        status: status.as_u16(),
        route: call.place.route,
        path: call.place.path.clone(),
        request_id,
        replayed,
        should_retry: text(headers, &SHOULD_RETRY).and_then(|word| word.parse().ok()),
        rate_limited_reason: text(headers, &RATE_LIMITED_REASON).map(str::to_owned),
        retry_after: text(headers, &RETRY_AFTER)
            .and_then(|value| retry_after(value, SystemTime::now())),
        attempts: 1,
        write,
        ..Refusal::default()
    };
    let refusal = refusal.read(&body);
    // Stripe says with each judgement why. What says nothing is of someone on the way, who
    // does not know what became of the request, or of one before it under the same key.
    let is_anybodys = status.is_client_error() && refusal.error.kind.is_none();
    if is_anybodys && status != StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::Unreadable { write, request_id: refusal.request_id });
    }
    Err(Error::Refused(Box::new(refusal)))
}

/// Reads which resource the answer to a change is about. The whole of it is
/// read, to the last byte: a change is done where Stripe says so in its own
/// words, and where it does not, the same key finds out.
fn changed(call: &Call, body: &[u8]) -> Option<String> {
    let Changed { id, object, deleted } = serde_json::from_str(str::from_utf8(body).ok()?).ok()?;
    let is_named = !id.is_empty() && !object.is_empty();
    (is_named && (deleted || call.method != Method::DELETE)).then_some(id)
}

/// Tells whether the answer to a read can be one of Stripe's, all of which say what object
/// they are: cheaply, so that what is cut off or comes from a proxy is asked for
/// again. Whoever asked reads it, and finds what this does not.
fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    body.starts_with(b"{")
        && body.ends_with(b"}")
        && has(body, OBJECT)
        && (has(body, ID) || has(body, DATA))
}

fn has(body: &[u8], word: &[u8]) -> bool {
    body.windows(word.len()).any(|bytes| bytes == word)
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). What is neither is
/// no wish of Stripe's.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // More digits than fit are longer than the longest wait.
        value.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::tests::call;

    /// Takes a body of status 200 for the answer to a call, and gives the id in it.
    fn check(method: Method, body: &str) -> Option<String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        match answer(&call(method), StatusCode::OK, &HeaderMap::new(), body) {
            Ok(answer) => Some(answer.resource),
            Err(Error::Unreadable { write: true, .. }) => None,
            Err(other) => panic!("{other}"),
        }
    }

    /// Takes an answer of a status for one to a change, and gives whether Stripe has
    /// judged the change by it.
    fn is_judged(status: u16, body: &'static str) -> bool {
        let status = StatusCode::from_u16(status).unwrap();
        let body = Bytes::from_static(body.as_bytes());
        let outcome = answer(&call(Method::POST), status, &HeaderMap::new(), body);
        let error = outcome.unwrap_err();
        assert!(error.verdict().is_some() || error.may_have_acted(), "{error}");
        error.verdict().is_some()
    }

    #[test]
    fn only_stripe_judges() {
        let judgement = r#"{"error": {"type": "invalid_request_error"}}"#;
        for status in [400, 402, 404] {
            assert!(is_judged(status, judgement));
            for body in ["", "<html>Not Found</html>", "{}", r#"{"error": "not found"}"#] {
                assert!(!is_judged(status, body), "{status} {body}");
            }
        }
        for status in [401, 403, 405, 407, 413] {
            assert!(!is_judged(status, "<html></html>"));
        }
    }

    #[test]
    fn a_change_is_done_only_where_stripe_says_so_in_whole_words() {
        let whole = r#"{"id": "prod_1", "object": "product", "metadata": {"a": "b"}}"#;
        let gone = r#"{"id": "prod_1", "object": "product", "deleted": true}"#;
        assert_eq!(check(Method::POST, whole).as_deref(), Some("prod_1"));
        assert_eq!(check(Method::DELETE, gone).as_deref(), Some("prod_1"));
        assert_eq!(check(Method::DELETE, whole), None, "it is not gone");
        for method in [Method::POST, Method::DELETE] {
            let text = if method == Method::POST { whole } else { gone };
            for length in 0..text.len() {
                assert_eq!(check(method.clone(), &text[..length]), None, "{length}");
            }
            for body in [
                "{}",
                r#"{"id": "prod_1", "object": nonsense, "deleted": true}"#,
                r#"{"object": "product", "deleted": true}"#,
                r#"{"id": "prod_1", "deleted": true}"#,
                r#"{"id": "", "object": "product", "deleted": true}"#,
                r#"{"id": "prod_1", "object": "product", "deleted": true} and more"#,
                "<html>\"id\" \"object\" \"deleted\"</html>",
            ] {
                assert_eq!(check(method.clone(), body), None, "{body}");
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_off_or_of_a_proxy_is_no_answer() {
        for (body, expected) in [
            (r#"{"id": "prod_1", "object": "product"}"#, true),
            (" {\n \"object\": \"list\", \"data\": []\n} \n", true),
            ("", false),
            ("{}", false),
            (r#"{"object": "product", "name": "Poster"}"#, false),
            ("[]", false),
            ("<html>{\"object\"}</html>", false),
            (r#"{"id": "prod_1", "object": "prod"#, false),
        ] {
            assert_eq!(is_whole(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_a_minute() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, secs) in [
            ("2", Some(2)),
            ("0", Some(0)),
            ("60", Some(60)),
            ("86400", Some(60)),
            ("99999999999999999999999999", Some(60)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(60)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), secs.map(Duration::from_secs), "{value}");
        }
    }
}
