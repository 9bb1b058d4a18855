//! The endpoint that Stripe sends events to: whether it is there and switched on,
//! what it sends in which words, and whether that arrives here.

use futures_util::future::join_all;
use secrecy::SecretString;
use tokio::time::timeout_at;

use super::Patient;
use super::account::plain;
use super::finding::{broken, doubtful, skipped, well};
use crate::caller::Caller;
use crate::pb::Finding;
use crate::stripe::examine::{Canary, Endpoint, Outside};
use crate::stripe::{Client, Error, STRIPE_VERSION};

const ENDPOINT: &str = "webhook.endpoint";
const EVENTS: &str = "webhook.events";
const VERSION: &str = "webhook.version";
const CANARY: &str = "webhook.canary";
/// Where an endpoint of this service ends.
const ROUTE: &str = "/webhooks/stripe";
/// How many endpoints are sent canaries.
const CANARIES_MAX: usize = 4;

/// Examines the endpoint.
pub(super) async fn endpoint(
    patient: &Patient,
    stripe: &Client,
    outside: &Outside,
    caller: &Caller,
) -> Vec<Finding> {
    let Some(kinds) = &patient.kinds else {
        return vec![skipped(ENDPOINT, "payments.source is \"poll\": no webhooks are expected")];
    };
    // As they are now, since that is what webhooks are judged by.
    let secrets = stripe.webhook_secrets(caller.account()).unwrap_or_default();
    if secrets.is_empty() {
        let advice = "set stripe.webhook_secrets to the endpoint's signing secret";
        return vec![broken(ENDPOINT, "no secret of a webhook endpoint is set", advice)];
    }
    let listed = match stripe.webhook_endpoints(caller).await {
        Ok(listed) => listed,
        Err(Error::Refused(refusal)) if refusal.status == 403 => {
            let advice = "let the restricted key read webhook endpoints, or look in the Dashboard";
            return vec![doubtful(ENDPOINT, "the key may not list webhook endpoints", advice)];
        }
        Err(error) => return vec![skipped(ENDPOINT, format!("not found out: {}", plain(&error)))],
    };
    let ours: Vec<_> = listed.into_iter().filter(is_ours).take(CANARIES_MAX).collect();
    if ours.is_empty() {
        let advice = format!("make one in the Dashboard, with a URL that ends in {ROUTE}");
        let message = "Stripe has no webhook endpoint for this service";
        return vec![match stripe.key_kind(caller.account()).and_then(|kind| kind.livemode) {
            // The Stripe CLI brings events of tests without one.
            Some(false) => doubtful(ENDPOINT, message, advice),
            _ => broken(ENDPOINT, message, advice),
        }];
    }
    let each = ours.iter().map(async |endpoint| {
        let canary = timeout_at(caller.deadline, canary(endpoint, outside, &secrets)).await;
        let canary = canary.unwrap_or_else(|_| lost(endpoint));
        [is_enabled(endpoint), events(endpoint, kinds), version(endpoint), canary]
    });
    join_all(each).await.concat()
}

fn is_ours(endpoint: &Endpoint) -> bool {
    endpoint.url.split(['?', '#']).next().is_some_and(|url| url.ends_with(ROUTE))
}

fn is_enabled(endpoint: &Endpoint) -> Finding {
    let Endpoint { id, url, status, .. } = endpoint;
    if status == "enabled" {
        return well(ENDPOINT, format!("{id} sends events to {url}"));
    }
    let advice = "enable it in the Dashboard; what it has missed is found by polling";
    broken(ENDPOINT, format!("{id} is {status}"), advice)
}

fn events(endpoint: &Endpoint, kinds: &[&str]) -> Finding {
    let sends =
        |kind: &&&str| endpoint.enabled_events.iter().any(|sent| sent == "*" || sent == **kind);
    let (sent, lacking): (Vec<&str>, Vec<&str>) = kinds.iter().partition(sends);
    let id = &endpoint.id;
    if lacking.is_empty() {
        return well(EVENTS, format!("{id} sends all {} kinds of events", sent.len()));
    }
    let message = format!("{id} does not send {}", lacking.join(", "));
    let advice = "add them to the endpoint; until then what they tell is found late, by asking";
    if lacking.iter().any(|kind| kind.starts_with("checkout.session.")) {
        return broken(EVENTS, message, advice);
    }
    doubtful(EVENTS, message, advice)
}

fn version(endpoint: &Endpoint) -> Finding {
    let id = &endpoint.id;
    match endpoint.api_version.as_deref() {
        Some(STRIPE_VERSION) => well(VERSION, format!("{id} writes events of {STRIPE_VERSION}")),
        other => doubtful(
            VERSION,
            format!("{id} writes events of {}", other.unwrap_or("the account's default version")),
            format!("make the endpoint anew with version {STRIPE_VERSION}"),
        ),
    }
}

async fn canary(endpoint: &Endpoint, outside: &Outside, secrets: &[SecretString]) -> Finding {
    let url = &endpoint.url;
    match outside.send_canary(url, Some(secrets)).await {
        Canary::Taken => {}
        Canary::Refused => {
            return broken(
                CANARY,
                format!("{url} refuses what is signed with stripe.webhook_secrets"),
                "set the same secrets everywhere, and see that clocks agree",
            );
        }
        Canary::Misled(status) => {
            return broken(
                CANARY,
                format!("{url} answers {status}, and not as this service would"),
                "see that the ingress leads to the webhook port, without a login or a redirect",
            );
        }
        Canary::Lost => return lost(endpoint),
    }
    match outside.send_canary(url, None).await {
        Canary::Refused => well(CANARY, format!("{url} takes what is signed, and nothing else")),
        _ => broken(
            CANARY,
            format!("{url} does not refuse a wrong signature"),
            "see what stands before the service: it must hand on bodies and answers as they are",
        ),
    }
}

/// Nobody has answered. Stripe comes from elsewhere, and may well reach what this
/// machine may not.
fn lost(endpoint: &Endpoint) -> Finding {
    doubtful(
        CANARY,
        format!("{} cannot be reached from here", endpoint.url),
        "see in the Dashboard whether Stripe's deliveries arrive",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::finding::Verdict;

    fn registered(events: &[&str]) -> Endpoint {
        Endpoint {
            id: "we_1".into(),
            url: "https://pay.example/webhooks/stripe".into(),
            status: "enabled".into(),
            enabled_events: events.iter().map(|&event| event.to_owned()).collect(),
            api_version: Some(STRIPE_VERSION.into()),
        }
    }

    #[test]
    fn an_endpoint_is_known_by_its_route() {
        let at = |url: &str| is_ours(&Endpoint { url: url.into(), ..registered(&[]) });
        assert!(at("https://pay.example/webhooks/stripe"));
        assert!(at("https://pay.example/eu/webhooks/stripe?from=stripe"));
        assert!(!at("https://crm.example/webhooks"));
        assert!(!at("https://crm.example/?to=/webhooks/stripe"));
    }

    #[test]
    fn a_missing_event_weighs_as_much_as_it_tells() {
        let kinds = ["checkout.session.completed", "refund.created"];
        let verdict = |sent: &[&str]| events(&registered(sent), &kinds).verdict();
        assert_eq!(verdict(&["*"]), Verdict::Well);
        assert_eq!(verdict(&kinds), Verdict::Well);
        assert_eq!(verdict(&["checkout.session.completed"]), Verdict::Doubtful);
        assert_eq!(verdict(&["refund.created"]), Verdict::Broken);
    }

    #[test]
    fn events_in_other_words_are_doubted() {
        for (api_version, expected) in [
            (Some(STRIPE_VERSION), Verdict::Well),
            (Some("2019-01-01"), Verdict::Doubtful),
            (None, Verdict::Doubtful),
        ] {
            let api_version = api_version.map(str::to_owned);
            assert_eq!(version(&Endpoint { api_version, ..registered(&[]) }).verdict(), expected);
        }
    }
}
