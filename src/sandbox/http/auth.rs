//! API keys: any key of a test mode will do, as a bearer token or as the user of basic credentials.
//!
//! A restricted key says itself what it may do: one that ends in `_ro` only reads, and one that
//! ends in `no_` and a resource, such as `rk_test_no_payment_links`, may do all but reach that.

use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::account;
use super::super::refusal::Refusal;

/// How many characters of a refused key are shown at its beginning.
const SHOWN_FIRST: usize = 8;
/// How many characters of a refused key are shown at its end.
const SHOWN_LAST: usize = 4;

/// Refuses a request without a key, or with one that is neither the configured one nor a test key;
/// the answer is the key.
pub(super) fn check(headers: &HeaderMap, own: &str) -> Result<String, Refusal> {
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
        return Ok(key);
    }
    if key.starts_with("pk_") {
        let message = "This API call cannot be made with a publishable API key. Please use a \
                       secret API key. You can find a list of your API keys at \
                       https://dashboard.stripe.com/account/apikeys.";
        return Err(unauthorized(message.to_owned()).code("secret_key_required"));
    }
    Err(unauthorized(format!("Invalid API Key provided: {}", masked(&key))))
}

/// Refuses what a restricted key may not do.
pub(super) fn permit(key: &str, method: &Method, path: &str) -> Result<(), Refusal> {
    let Some(own) = key.strip_prefix("rk_test_") else {
        return Ok(());
    };
    let reads = method == Method::GET;
    let resource = path.strip_prefix("/v1/").unwrap_or(path);
    let only_reads = own == "ro" || own.ends_with("_ro");
    let kept_from = own.rsplit_once("no_").map(|(_, kept_from)| kept_from);
    let is_kept = kept_from.is_some_and(|kept_from| {
        let rest = resource.replace('/', "_");
        rest.strip_prefix(kept_from).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    });
    if is_kept || (only_reads && !reads) {
        return Err(forbidden(key, resource, if reads { "read" } else { "write" }));
    }
    Ok(())
}

fn forbidden(key: &str, resource: &str, access: &str) -> Refusal {
    let noun = resource.split('/').next().unwrap_or_default().trim_end_matches('s');
    let message = format!(
        "The provided key '{}' does not have the required permissions for this endpoint on account \
         '{}'. Having the 'rak_{noun}_{access}' permission would allow this request to continue.",
        masked(key),
        account::ID,
    );
    Refusal { status: StatusCode::FORBIDDEN, ..Refusal::invalid(message) }
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

/// A key as it may be shown.
pub(in crate::sandbox) fn masked(key: &str) -> String {
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

    fn check_permit(key: &str, method: &Method, path: &str, expected: bool) {
        assert_eq!(permit(key, method, path).is_ok(), expected, "{key} {method} {path}");
    }

    #[test]
    fn a_restricted_key_may_only_read() {
        check_permit("rk_test_shop_ro", &Method::GET, "/v1/products", true);
        check_permit("rk_test_shop_ro", &Method::POST, "/v1/products", false);
        check_permit("rk_test_shop", &Method::POST, "/v1/products", true);
        check_permit("sk_test_ro", &Method::POST, "/v1/products", true);
    }

    #[test]
    fn a_restricted_key_may_be_kept_from_a_resource() {
        let key = "rk_test_no_payment_links";
        check_permit(key, &Method::GET, "/v1/payment_links", false);
        check_permit(key, &Method::POST, "/v1/payment_links/plink_1", false);
        check_permit(key, &Method::GET, "/v1/payment_intents", true);
        check_permit("rk_test_no_checkout_sessions", &Method::GET, "/v1/checkout/sessions", false);
        let refusal = permit(key, &Method::GET, "/v1/payment_links").unwrap_err();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
        assert!(refusal.message.contains("'rak_payment_link_read' permission"));
    }

    #[test]
    fn a_publishable_key_is_not_enough() {
        check("Bearer pk_test_x", "This API call cannot be made with a publishable API key.");
    }

    #[test]
    fn another_key_is_refused_and_not_shown_in_full() {
        check("Bearer sk_live_0123456789abcd", "Invalid API Key provided: sk_live_**********abcd");
    }
}
