//! Which options go with one-time payments, and which with subscriptions.
//!
//! Any recurring price makes a link one of subscriptions:
//! <https://docs.stripe.com/payments/checkout/how-checkout-works>. Where all that
//! is sold is priced on the spot, that is known here; stored prices are Stripe's
//! to judge.

use crate::contract::{Reason, Violation};
use crate::pb::{self, payment_link};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Payment,
    Subscription,
}

/// Finds options that do not go with what the link sells.
pub(super) fn check(link: &pb::PaymentLink, found: &mut Vec<Violation>) {
    let Some(mode) = mode(&link.line_items) else { return };
    let mut refuse = |given: bool, goes_with: Mode, field: &str| {
        if given && mode != goes_with {
            let text = match goes_with {
                Mode::Payment => "goes with prices that are paid once alone",
                Mode::Subscription => "goes with a recurring price alone",
            };
            found.push(Violation::new(format!("payment_link.{field}"), Reason::Conflict, text));
        }
    };
    let unset = payment_link::CustomerCreation::Unspecified;
    refuse(link.customer_creation() != unset, Mode::Payment, "customer_creation");
    refuse(link.payment_intent_data.is_some(), Mode::Payment, "payment_intent_data");
    let invoices = link.invoice_creation.as_ref().and_then(|invoices| invoices.enabled);
    refuse(invoices == Some(true), Mode::Payment, "invoice_creation");
    refuse(link.application_fee_amount.is_some(), Mode::Payment, "application_fee_amount");

    refuse(link.subscription_data.is_some(), Mode::Subscription, "subscription_data");
    let unset = payment_link::PaymentMethodCollection::Unspecified;
    let collects = link.payment_method_collection() != unset;
    refuse(collects, Mode::Subscription, "payment_method_collection");
    let has_percent = !link.application_fee_percent.is_empty();
    refuse(has_percent, Mode::Subscription, "application_fee_percent");
}

/// What the link sells, as far as it is known without asking Stripe.
fn mode(items: &[pb::LineItem]) -> Option<Mode> {
    let priced = || items.iter().filter_map(|item| item.price_data.as_ref());
    if priced().any(|price| price.recurring.is_some()) {
        return Some(Mode::Subscription);
    }
    (!items.is_empty() && priced().count() == items.len()).then_some(Mode::Payment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::line_item::PriceData;

    fn violations(link: &pb::PaymentLink) -> Vec<String> {
        let mut found = Vec::new();
        check(link, &mut found);
        found.into_iter().map(|violation| violation.field).collect()
    }

    fn link(price_data: Option<PriceData>) -> pb::PaymentLink {
        let item = pb::LineItem { price_data, ..Default::default() };
        pb::PaymentLink {
            line_items: vec![item],
            customer_creation: payment_link::CustomerCreation::Always.into(),
            payment_intent_data: Some(payment_link::PaymentIntentData::default()),
            subscription_data: Some(payment_link::SubscriptionData::default()),
            application_fee_percent: "1".into(),
            ..Default::default()
        }
    }

    #[test]
    fn options_go_with_what_is_sold() {
        let once = link(Some(PriceData::default()));
        assert_eq!(
            violations(&once),
            ["payment_link.subscription_data", "payment_link.application_fee_percent"]
        );
        let recurring = Some(pb::BasicRecurring::default());
        let again = link(Some(PriceData { recurring, ..Default::default() }));
        assert_eq!(
            violations(&again),
            ["payment_link.customer_creation", "payment_link.payment_intent_data"]
        );
    }

    #[test]
    fn stored_prices_are_stripes_to_judge() {
        assert_eq!(violations(&link(None)), Vec::<String>::new());
    }
}
