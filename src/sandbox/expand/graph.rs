//! Which members of which objects can be expanded.
//!
//! The nodes are nouns: those of the API's objects, names of our own for objects inside them, and
//! `list x` and `search x` for the pages of `x`.

/// One way from an object to another.
pub(super) struct Edge {
    owner: &'static str,
    /// The member that leads there.
    pub(super) member: &'static str,
    /// How it leads there.
    pub(super) way: Way,
    /// Where it leads.
    pub(super) target: &'static str,
}

/// How a member leads to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// An identifier that becomes the object.
    Reference,
    /// A member that is absent unless asked for.
    Included,
    /// A member that is always shown and only leads further.
    Inline,
    /// A member of the sandbox's own that is never shown.
    Hidden,
}

use Way::{Hidden, Included, Inline, Reference};

const EDGES: &[Edge] = &[
    edge("search_result", "total_count", Included, "number"),
    edge("product", "default_price", Reference, "price"),
    edge("product", "tax_code", Reference, "tax_code"),
    edge("price", "product", Reference, "product"),
    edge("price", "currency_options", Included, "currency_options"),
    edge("price", "tiers", Included, "tiers"),
    edge("price", "inline", Hidden, ""),
    edge("coupon", "applies_to", Included, "applies_to"),
    edge("coupon", "currency_options", Included, "currency_options"),
    edge("promotion_code", "customer", Reference, "customer"),
    edge("promotion_code", "promotion", Inline, "promotion"),
    edge("promotion", "coupon", Reference, "coupon"),
    edge("promotion_code", "restrictions", Inline, "restrictions"),
    edge("promotion_code", "enabled", Hidden, ""),
    edge("restrictions", "currency_options", Included, "currency_options"),
    edge("shipping_rate", "fixed_amount", Inline, "fixed_amount"),
    edge("shipping_rate", "tax_code", Reference, "tax_code"),
    edge("fixed_amount", "currency_options", Included, "currency_options"),
    edge("item", "price", Inline, "price"),
    edge("item", "discounts", Included, "discount_amount"),
    edge("item", "taxes", Included, "taxes"),
    edge("discount_amount", "discount", Inline, "discount"),
    edge("discount", "customer", Reference, "customer"),
    edge("discount", "promotion_code", Reference, "promotion_code"),
    edge("discount", "source", Inline, "source"),
    edge("source", "coupon", Reference, "coupon"),
    edge("payment_link", "application", Reference, "application"),
    edge("payment_link", "line_items", Included, "list item"),
    edge("payment_link", "on_behalf_of", Reference, "account"),
    edge("payment_link", "shipping_options", Inline, "shipping_option"),
    edge("payment_link", "transfer_data", Inline, "transfer_data"),
    edge("transfer_data", "destination", Reference, "account"),
    edge("shipping_option", "shipping_rate", Reference, "shipping_rate"),
    edge("checkout.session", "customer", Reference, "customer"),
    edge("checkout.session", "discounts", Inline, "session_discount"),
    edge("session_discount", "coupon", Reference, "coupon"),
    edge("session_discount", "promotion_code", Reference, "promotion_code"),
    edge("checkout.session", "invoice", Reference, "invoice"),
    edge("checkout.session", "line_items", Included, "list item"),
    edge("checkout.session", "payment_intent", Reference, "payment_intent"),
    edge("checkout.session", "payment_link", Reference, "payment_link"),
    edge("checkout.session", "setup_intent", Reference, "setup_intent"),
    edge("checkout.session", "shipping_cost", Inline, "shipping_cost"),
    edge("shipping_cost", "shipping_rate", Reference, "shipping_rate"),
    edge("shipping_cost", "taxes", Included, "taxes"),
    edge("checkout.session", "shipping_options", Inline, "shipping_option"),
    edge("checkout.session", "subscription", Reference, "subscription"),
    edge("checkout.session", "total_details", Inline, "total_details"),
    edge("total_details", "breakdown", Included, "breakdown"),
    edge("breakdown", "discounts", Inline, "discount_amount"),
    edge("payment_intent", "latest_charge", Reference, "charge"),
    edge("payment_intent", "customer", Reference, "customer"),
    edge("charge", "balance_transaction", Reference, "balance_transaction"),
    edge("charge", "payment_intent", Reference, "payment_intent"),
    edge("charge", "customer", Reference, "customer"),
    edge("charge", "refund_outcome", Hidden, ""),
    edge("charge", "refunds", Included, "list refund"),
    edge("subscription", "means", Hidden, ""),
    edge("subscription", "later_discount", Hidden, ""),
    edge("subscription", "customer", Reference, "customer"),
    edge("subscription", "items", Inline, "list subscription_item"),
    edge("subscription", "latest_invoice", Reference, "invoice"),
    edge("subscription_item", "periods", Hidden, ""),
    edge("subscription_item", "price", Inline, "price"),
    edge("invoice", "customer", Reference, "customer"),
    edge("invoice", "lines", Inline, "list line_item"),
    edge("invoice", "parent", Inline, "invoice_parent"),
    edge("invoice", "payments", Included, "list invoice_payment"),
    edge("invoice_parent", "subscription_details", Inline, "subscription_details"),
    edge("subscription_details", "subscription", Reference, "subscription"),
    edge("line_item", "pricing", Inline, "pricing"),
    edge("pricing", "price_details", Inline, "price_details"),
    edge("price_details", "price", Reference, "price"),
    edge("line_item", "subscription", Reference, "subscription"),
    edge("invoice_payment", "invoice", Reference, "invoice"),
    edge("invoice_payment", "payment", Inline, "invoice_paid_by"),
    edge("invoice_paid_by", "payment_intent", Reference, "payment_intent"),
    edge("refund", "balance_transaction", Reference, "balance_transaction"),
    edge("refund", "charge", Reference, "charge"),
    edge("refund", "failure_balance_transaction", Reference, "balance_transaction"),
    edge("refund", "payment_intent", Reference, "payment_intent"),
    edge("dispute", "charge", Reference, "charge"),
    edge("dispute", "payment_intent", Reference, "payment_intent"),
    edge("dispute", "submitted_at", Hidden, ""),
    edge("radar.early_fraud_warning", "charge", Reference, "charge"),
    edge("radar.early_fraud_warning", "payment_intent", Reference, "payment_intent"),
    edge("balance_transaction", "source", Reference, "source of money"),
];

const fn edge(owner: &'static str, member: &'static str, way: Way, target: &'static str) -> Edge {
    Edge { owner, member, way, target }
}

/// The edges that begin at a noun.
pub(super) fn from(noun: &str) -> impl Iterator<Item = &'static Edge> {
    let owner = if noun.starts_with("search ") { "search_result" } else { noun };
    EDGES.iter().filter(move |edge| edge.owner == owner)
}

/// The edge of a member.
pub(super) fn find(noun: &str, member: &str) -> Option<&'static Edge> {
    from(noun).find(|edge| edge.member == member)
}

/// What the `data` of a page holds, if the noun is one of a page.
pub(super) fn element(noun: &'static str) -> Option<&'static str> {
    noun.strip_prefix("list ").or_else(|| noun.strip_prefix("search "))
}

/// The noun of a kept object, by the word in it.
pub(super) fn noun(word: &str) -> Option<&'static str> {
    EDGES.iter().map(|edge| edge.owner).find(|owner| *owner == word)
}
