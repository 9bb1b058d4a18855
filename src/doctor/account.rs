//! The account's key: which kind it is, and what Stripe lets it do.

use futures_util::future::join_all;

use super::finding::{broken, doubtful, skipped, well};
use crate::caller::Caller;
use crate::pb::Finding;
use crate::stripe::examine::{NEEDS, Need};
use crate::stripe::{Client, Error, KeyKind};

const MODE: &str = "key.mode";
const PERMISSIONS: &str = "key.permissions";
/// Where real money is.
const STRIPE: &str = "https://api.stripe.com";

/// Examines the key, as it is now.
pub(super) async fn key(base_url: &str, stripe: &Client, caller: &Caller) -> Vec<Finding> {
    let kind = stripe.key_kind(caller.account()).unwrap_or(KeyKind::of(""));
    vec![mode(base_url, kind), permissions(stripe, caller).await]
}

fn mode(base_url: &str, kind: KeyKind) -> Finding {
    let elsewhere = base_url.trim_end_matches('/') != STRIPE;
    let restrict = "make a restricted key with the permissions that docs/operations.md lists";
    match (kind.livemode, kind.is_restricted) {
        (Some(true), _) if elsewhere => broken(
            MODE,
            "the key is for real money, and stripe.base_url is not Stripe's",
            "use a test key there, or remove stripe.base_url",
        ),
        (None, _) => broken(
            MODE,
            "the key does not say whether it is for real money",
            "use a secret or restricted key: sk_live_, rk_live_, sk_test_ or rk_test_",
        ),
        (Some(true), false) => {
            doubtful(MODE, "the key is for real money, and may do everything", restrict)
        }
        (Some(true), true) => well(MODE, "a restricted key for real money"),
        (Some(false), true) => well(MODE, "a restricted key for tests"),
        (Some(false), false) => well(MODE, "a secret key for tests"),
    }
}

async fn permissions(stripe: &Client, caller: &Caller) -> Finding {
    let asked = NEEDS.iter().map(|need| lacks(*need, stripe, caller));
    let mut answers = join_all(asked).await;
    // What was not tried, since others had failed, does not say why they had.
    answers.sort_by_key(|answer| matches!(answer, Err(Error::CircuitOpen { .. })));
    let answers: Result<Vec<_>, Error> = answers.into_iter().collect();
    match answers {
        Ok(lacking) => {
            let lacking: Vec<String> = lacking.into_iter().flatten().collect();
            if lacking.is_empty() {
                return well(PERMISSIONS, "the key may do all that the service does");
            }
            let message = format!("the key may not {}", lacking.join(", "));
            broken(PERMISSIONS, message, "give these permissions to the restricted key")
        }
        Err(Error::Refused(refusal)) if refusal.status == 401 => broken(
            PERMISSIONS,
            "Stripe refuses the key",
            "see in the Dashboard whether it was rolled, has expired or is of another account",
        ),
        Err(error @ Error::Unreachable { .. }) => broken(
            PERMISSIONS,
            error.to_string(),
            "see whether this machine may connect to stripe.base_url, or needs stripe.proxy_url",
        ),
        Err(error) => skipped(PERMISSIONS, format!("not found out: {}", plain(&error))),
    }
}

/// Names what the key may not do of what is needed.
async fn lacks(need: Need, stripe: &Client, caller: &Caller) -> Result<Vec<String>, Error> {
    let mut lacking = Vec::new();
    if !stripe.may_read(need, caller).await? {
        lacking.push(format!("read {}", need.path));
    }
    if !stripe.may_write(need, caller).await? {
        lacking.push(format!("write {}", need.path));
    }
    Ok(lacking)
}

/// An error without Stripe's own words, which can hold a part of the key.
pub(super) fn plain(error: &Error) -> String {
    match error {
        Error::Refused(refusal) => format!("Stripe answers {}", refusal.status),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::finding::Verdict;

    fn check(key: &str, base_url: &str, expected: Verdict) {
        let found = mode(base_url, KeyKind::of(key));
        assert_eq!(found.verdict(), expected, "{found:?}");
        assert!(!format!("{found:?}").contains("hunter"), "{found:?}");
    }

    #[test]
    fn the_kind_of_a_key_fits_where_it_is_sent() {
        check("rk_live_hunter", STRIPE, Verdict::Well);
        check("sk_live_hunter", "https://api.stripe.com/", Verdict::Doubtful);
        check("rk_live_hunter", "http://localhost:12111", Verdict::Broken);
        check("sk_test_hunter", "http://localhost:12111", Verdict::Well);
        check("rk_test_hunter", STRIPE, Verdict::Well);
        check("pk_live_hunter", STRIPE, Verdict::Broken);
        check("hunter", STRIPE, Verdict::Broken);
    }
}
