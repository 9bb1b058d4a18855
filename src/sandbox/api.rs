//! The addresses of the API, and who answers them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::store::State;
use super::{
    account, balance, charges, checkout, coupons, customers, disputes, early_fraud_warnings,
    events, invoices, payment_intents, payment_links, prices, products, promotion_codes, refunds,
    shipping_rates, subscriptions, tax_rates, webhook_endpoints,
};

/// A request whose parameters are known to be well-formed.
#[derive(Debug)]
pub(super) struct Call {
    /// What stood at the placeholder of the path; empty when the path has none.
    pub(super) id: String,
    /// The parameters in their typed form.
    pub(super) params: Map<String, Value>,
    /// Who asked, for the events that follow.
    pub(super) origin: Origin,
}

/// The request that caused an event. Both are absent for what happens on the payment page.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Origin {
    /// `req_…`.
    #[serde(rename = "id")]
    pub(super) request_id: Option<String>,
    /// The caller's own key.
    pub(super) idempotency_key: Option<String>,
}

/// One address.
#[derive(Debug)]
pub(super) struct Endpoint {
    method: &'static str,
    path: &'static str,
    /// The kind of object in the answer, which decides what can be expanded.
    pub(super) answer: &'static str,
    /// Carries the request out.
    pub(super) run: fn(&mut State, &Call) -> Result<Value, Refusal>,
}

/// Every address, in the words of the facts file.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint("GET", "/v1/products", "list product", products::list),
    endpoint("POST", "/v1/products", "product", products::create),
    endpoint("GET", "/v1/products/search", "search product", products::search),
    endpoint("GET", "/v1/products/{id}", "product", products::retrieve),
    endpoint("POST", "/v1/products/{id}", "product", products::update),
    endpoint("DELETE", "/v1/products/{id}", "product", products::delete),
    endpoint("GET", "/v1/prices", "list price", prices::list),
    endpoint("POST", "/v1/prices", "price", prices::create),
    endpoint("GET", "/v1/prices/search", "search price", prices::search),
    endpoint("GET", "/v1/prices/{price}", "price", prices::retrieve),
    endpoint("POST", "/v1/prices/{price}", "price", prices::update),
    endpoint("GET", "/v1/coupons", "list coupon", coupons::list),
    endpoint("POST", "/v1/coupons", "coupon", coupons::create),
    endpoint("GET", "/v1/coupons/{coupon}", "coupon", coupons::retrieve),
    endpoint("POST", "/v1/coupons/{coupon}", "coupon", coupons::update),
    endpoint("DELETE", "/v1/coupons/{coupon}", "coupon", coupons::delete),
    endpoint("GET", "/v1/promotion_codes", "list promotion_code", promotion_codes::list),
    endpoint("POST", "/v1/promotion_codes", "promotion_code", promotion_codes::create),
    endpoint(
        "GET",
        "/v1/promotion_codes/{promotion_code}",
        "promotion_code",
        promotion_codes::retrieve,
    ),
    endpoint(
        "POST",
        "/v1/promotion_codes/{promotion_code}",
        "promotion_code",
        promotion_codes::update,
    ),
    endpoint("GET", "/v1/shipping_rates", "list shipping_rate", shipping_rates::list),
    endpoint("POST", "/v1/shipping_rates", "shipping_rate", shipping_rates::create),
    endpoint(
        "GET",
        "/v1/shipping_rates/{shipping_rate_token}",
        "shipping_rate",
        shipping_rates::retrieve,
    ),
    endpoint(
        "POST",
        "/v1/shipping_rates/{shipping_rate_token}",
        "shipping_rate",
        shipping_rates::update,
    ),
    endpoint("GET", "/v1/payment_links", "list payment_link", payment_links::list),
    endpoint("POST", "/v1/payment_links", "payment_link", payment_links::create),
    endpoint("GET", "/v1/payment_links/{payment_link}", "payment_link", payment_links::retrieve),
    endpoint("POST", "/v1/payment_links/{payment_link}", "payment_link", payment_links::update),
    endpoint(
        "GET",
        "/v1/payment_links/{payment_link}/line_items",
        "list item",
        payment_links::line_items,
    ),
    endpoint("GET", "/v1/checkout/sessions", "list checkout.session", checkout::list),
    endpoint("GET", "/v1/checkout/sessions/{session}", "checkout.session", checkout::retrieve),
    endpoint("POST", "/v1/checkout/sessions/{session}", "checkout.session", checkout::update),
    endpoint(
        "GET",
        "/v1/checkout/sessions/{session}/line_items",
        "list item",
        checkout::line_items,
    ),
    endpoint(
        "POST",
        "/v1/checkout/sessions/{session}/expire",
        "checkout.session",
        checkout::expire,
    ),
    endpoint("GET", "/v1/payment_intents", "list payment_intent", payment_intents::list),
    endpoint("GET", "/v1/payment_intents/{intent}", "payment_intent", payment_intents::retrieve),
    endpoint("POST", "/v1/payment_intents/{intent}", "payment_intent", payment_intents::update),
    endpoint(
        "POST",
        "/v1/payment_intents/{intent}/capture",
        "payment_intent",
        payment_intents::capture,
    ),
    endpoint(
        "POST",
        "/v1/payment_intents/{intent}/cancel",
        "payment_intent",
        payment_intents::cancel,
    ),
    endpoint("GET", "/v1/charges", "list charge", charges::list),
    endpoint("GET", "/v1/charges/{charge}", "charge", charges::retrieve),
    endpoint("POST", "/v1/charges/{charge}", "charge", charges::update),
    endpoint("GET", "/v1/refunds", "list refund", refunds::list),
    endpoint("POST", "/v1/refunds", "refund", refunds::create),
    endpoint("GET", "/v1/refunds/{refund}", "refund", refunds::retrieve),
    endpoint("POST", "/v1/refunds/{refund}", "refund", refunds::update),
    endpoint("POST", "/v1/refunds/{refund}/cancel", "refund", refunds::cancel),
    endpoint("GET", "/v1/disputes", "list dispute", disputes::list),
    endpoint("GET", "/v1/disputes/{dispute}", "dispute", disputes::retrieve),
    endpoint("POST", "/v1/disputes/{dispute}", "dispute", disputes::update),
    endpoint("POST", "/v1/disputes/{dispute}/close", "dispute", disputes::close),
    endpoint(
        "GET",
        "/v1/radar/early_fraud_warnings",
        "list radar.early_fraud_warning",
        early_fraud_warnings::list,
    ),
    endpoint(
        "GET",
        "/v1/radar/early_fraud_warnings/{early_fraud_warning}",
        "radar.early_fraud_warning",
        early_fraud_warnings::retrieve,
    ),
    endpoint("GET", "/v1/balance", "balance", balance::retrieve),
    endpoint("GET", "/v1/balance_transactions", "list balance_transaction", balance::transactions),
    endpoint("GET", "/v1/balance_transactions/{id}", "balance_transaction", balance::transaction),
    endpoint("GET", "/v1/customers", "list customer", customers::list),
    endpoint("POST", "/v1/customers", "customer", customers::create),
    endpoint("GET", "/v1/customers/{customer}", "customer", customers::retrieve),
    endpoint("POST", "/v1/customers/{customer}", "customer", customers::update),
    endpoint("DELETE", "/v1/customers/{customer}", "customer", customers::delete),
    endpoint("GET", "/v1/tax_rates", "list tax_rate", tax_rates::list),
    endpoint("POST", "/v1/tax_rates", "tax_rate", tax_rates::create),
    endpoint("GET", "/v1/tax_rates/{tax_rate}", "tax_rate", tax_rates::retrieve),
    endpoint("POST", "/v1/tax_rates/{tax_rate}", "tax_rate", tax_rates::update),
    endpoint("GET", "/v1/account", "account", account::retrieve),
    endpoint("GET", "/v1/subscriptions", "list subscription", subscriptions::list),
    endpoint(
        "GET",
        "/v1/subscriptions/{subscription_exposed_id}",
        "subscription",
        subscriptions::retrieve,
    ),
    endpoint(
        "POST",
        "/v1/subscriptions/{subscription_exposed_id}",
        "subscription",
        subscriptions::update,
    ),
    endpoint(
        "DELETE",
        "/v1/subscriptions/{subscription_exposed_id}",
        "subscription",
        subscriptions::cancel,
    ),
    endpoint("GET", "/v1/subscription_items", "list subscription_item", subscriptions::item_list),
    endpoint("GET", "/v1/subscription_items/{item}", "subscription_item", subscriptions::item),
    endpoint("GET", "/v1/invoices", "list invoice", invoices::list),
    endpoint("GET", "/v1/invoices/{invoice}", "invoice", invoices::retrieve),
    endpoint("POST", "/v1/invoices/{invoice}", "invoice", invoices::update),
    endpoint("POST", "/v1/invoices/{invoice}/pay", "invoice", invoices::pay_now),
    endpoint("POST", "/v1/invoices/{invoice}/void", "invoice", invoices::void),
    endpoint("POST", "/v1/invoices/{invoice}/mark_uncollectible", "invoice", invoices::give_up),
    endpoint("GET", "/v1/invoices/{invoice}/lines", "list line_item", invoices::lines),
    endpoint("GET", "/v1/invoice_payments", "list invoice_payment", invoices::payments),
    endpoint("GET", "/v1/invoice_payments/{invoice_payment}", "invoice_payment", invoices::payment),
    endpoint("GET", "/v1/webhook_endpoints", "list webhook_endpoint", webhook_endpoints::list),
    endpoint("POST", "/v1/webhook_endpoints", "webhook_endpoint", webhook_endpoints::create),
    endpoint(
        "GET",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        "webhook_endpoint",
        webhook_endpoints::retrieve,
    ),
    endpoint(
        "POST",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        "webhook_endpoint",
        webhook_endpoints::update,
    ),
    endpoint(
        "DELETE",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        "webhook_endpoint",
        webhook_endpoints::delete,
    ),
    endpoint("GET", "/v1/events", "list event", events::list),
    endpoint("GET", "/v1/events/{id}", "event", events::retrieve),
];

const fn endpoint(
    method: &'static str,
    path: &'static str,
    answer: &'static str,
    run: fn(&mut State, &Call) -> Result<Value, Refusal>,
) -> Endpoint {
    Endpoint { method, path, answer, run }
}

/// The endpoint at an address, and what stands at its placeholder.
pub(super) fn find<'a>(method: &str, path: &'a str) -> Option<(&'static Endpoint, &'a str)> {
    ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.method == method)
        .find_map(|endpoint| Some((endpoint, endpoint.placeholder(path)?)))
}

// === impl Endpoint ===

impl Endpoint {
    /// The endpoint's name in the facts file.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn placeholder<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut id = "";
        let mut segments = path.split('/');
        for expected in self.path.split('/') {
            let segment = segments.next()?;
            if expected.starts_with('{') && !segment.is_empty() {
                id = segment;
            } else if segment != expected {
                return None;
            }
        }
        segments.next().is_none().then_some(id)
    }
}

// === impl Call ===

impl Call {
    /// A text parameter, if it was sent and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str)
    }

    /// Whether a boolean parameter was sent as `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.params.get(name).and_then(Value::as_bool).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::params::Tables;
    use super::*;

    #[test]
    fn every_endpoint_has_its_facts() {
        let tables = Tables::compiled().unwrap();
        for endpoint in ENDPOINTS {
            assert!(tables.endpoint(&endpoint.name()).is_some(), "{}", endpoint.name());
        }
    }

    #[test]
    fn an_address_gives_its_identifier() {
        let (endpoint, id) = find("GET", "/v1/payment_links/plink_1/line_items").unwrap();
        assert_eq!((endpoint.answer, id), ("list item", "plink_1"));
        assert_eq!(find("GET", "/v1/products").unwrap().1, "");
    }

    #[test]
    fn other_methods_and_addresses_are_unknown() {
        assert!(find("DELETE", "/v1/prices/price_1").is_none());
        assert!(find("GET", "/v1/products/").is_none());
        assert!(find("GET", "/v1/products/a/b").is_none());
    }
}
