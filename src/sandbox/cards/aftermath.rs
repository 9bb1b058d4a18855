//! What becomes of a payment that went well: test cards that are disputed or refuse refunds.

/// What follows a payment by a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Aftermath {
    /// The buyer's bank takes the money back, for one of Stripe's reasons.
    Chargeback(&'static str),
    /// The buyer's bank asks, and leaves the money where it is.
    Inquiry,
    /// The network warns that the buyer calls the payment a fraud.
    Warning,
    /// Refunds take a while.
    RefundPends,
    /// Refunds come back.
    RefundFails,
    /// Later payments are declined, for one of Stripe's reasons.
    LaterDeclined(&'static str),
}

const AFTERMATHS: &[(&str, Aftermath)] = &[
    ("4000000000000259", Aftermath::Chargeback("fraudulent")),
    ("4000000000002685", Aftermath::Chargeback("product_not_received")),
    ("4000000000001976", Aftermath::Inquiry),
    ("4000000000005423", Aftermath::Warning),
    ("4000000000007726", Aftermath::RefundPends),
    ("4000000000000341", Aftermath::LaterDeclined("generic_decline")),
    ("4000002760003184", Aftermath::LaterDeclined("authentication_required")),
    ("4000000000005126", Aftermath::RefundFails),
];

/// What follows a payment by the card of that number, if anything does.
pub(in crate::sandbox) fn aftermath(number: &str) -> Option<Aftermath> {
    AFTERMATHS.iter().find(|(known, _)| *known == number).map(|(_, aftermath)| *aftermath)
}
