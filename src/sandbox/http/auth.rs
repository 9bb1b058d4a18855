//! API keys: any key of a test mode will do, as a bearer token or as the user of basic credentials.

use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::refusal::Refusal;

/// How many characters of a refused key are shown at its beginning.
const SHOWN_FIRST: usize = 8;
/// How many characters of a refused key are shown at its end.
const SHOWN_LAST: usize = 4;

/// Refuses a request without a key, or with one that is neither the configured one nor a test key.
pub(super) fn check(headers: &HeaderMap, own: &str) -> Result<(), Refusal> {
    let Some(key) =
        headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(key)
    else {
        return Err(unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization \
             header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See \
             https://stripe.com/docs/api#authentication for details, or we can help at \
             https://support.stripe.com/."
                .to_owned(),
        ));
    };
    let of_test_mode = key.starts_with("sk_test_") || key.starts_with("rk_test_");
    if key == own || of_test_mode {
        return Ok(());
    }
    Err(unauthorized(format!("Invalid API Key provided: {}", masked(&key))))
}

fn key(authorization: &str) -> Option<String> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials.trim()).ok()?;
        String::from_utf8(decoded).ok()?.split(':').next()?.to_owned()
    } else {
        return None;
    };
    (!key.is_empty()).then_some(key)
}

fn masked(key: &str) -> String {
    let length = key.chars().count();
    let shown = |at: usize| at < SHOWN_FIRST || at + SHOWN_LAST >= length;
    key.chars().enumerate().map(|(at, c)| if shown(at) { c } else { '*' }).collect()
}

fn unauthorized(message: String) -> Refusal {
    Refusal { status: StatusCode::UNAUTHORIZED, ..Refusal::invalid(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authorization: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert("authorization", authorization.parse().unwrap());
        }
        let verdict = super::check(&headers, "own-key");
        let shown = verdict.err().map_or(String::new(), |refusal| refusal.message);
        assert!(shown.starts_with(expected) && shown.is_empty() == expected.is_empty(), "{shown}");
    }

    #[test]
    fn a_test_key_opens_the_door() {
        check("Bearer sk_test_x", "");
        check("Bearer rk_test_x", "");
        check("Bearer own-key", "");
        check(&format!("Basic {}", STANDARD.encode("sk_test_x:")), "");
    }

    #[test]
    fn a_request_without_a_key_is_refused() {
        check("", "You did not provide an API key.");
        check("Bearer ", "You did not provide an API key.");
    }

    #[test]
    fn another_key_is_refused_and_not_shown_in_full() {
        check("Bearer sk_live_0123456789abcd", "Invalid API Key provided: sk_live_**********abcd");
    }
}
