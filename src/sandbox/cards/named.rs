//! Test cards by the names of Stripe's test payment methods.

/// The names that Stripe gives to test cards as payment methods, with their numbers.
const NAMES: &[(&str, &str)] = &[
    ("pm_card_visa", "4242424242424242"),
    ("pm_card_visa_debit", "4000056655665556"),
    ("pm_card_mastercard", "5555555555554444"),
    ("pm_card_amex", "378282246310005"),
    ("pm_card_discover", "6011111111111117"),
    ("pm_card_bypassPending", "4000000000000077"),
    ("pm_card_chargeDeclined", "4000000000000002"),
    ("pm_card_chargeDeclinedInsufficientFunds", "4000000000009995"),
    ("pm_card_chargeDeclinedLostCard", "4000000000009987"),
    ("pm_card_chargeDeclinedStolenCard", "4000000000009979"),
    ("pm_card_chargeDeclinedExpiredCard", "4000000000000069"),
    ("pm_card_chargeDeclinedIncorrectCvc", "4000000000000127"),
    ("pm_card_chargeDeclinedProcessingError", "4000000000000119"),
    ("pm_card_chargeDeclinedFraudulent", "4100000000000019"),
    ("pm_card_chargeCustomerFail", "4000000000000341"),
    ("pm_card_authenticationRequired", "4000002500003155"),
    ("pm_card_threeDSecure2Required", "4000000000003220"),
    ("pm_card_createDispute", "4000000000000259"),
    ("pm_card_createDisputeProductNotReceived", "4000000000002685"),
    ("pm_card_createDisputeInquiry", "4000000000001976"),
    ("pm_card_createIssuerFraudRecord", "4000000000005423"),
    ("pm_card_pendingRefund", "4000000000007726"),
    ("pm_card_refundFail", "4000000000005126"),
];

/// The number of the test card of that name.
pub(in crate::sandbox) fn named(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::super::{Card, Verdict, check_number};
    use super::*;

    #[test]
    fn every_name_stands_for_a_number_that_has_an_outcome() {
        for (name, number) in NAMES {
            assert_eq!(check_number(named(name).unwrap()), Ok((*number).to_owned()));
            let card = Card { number: (*number).to_owned(), exp_month: 12, exp_year: 2034 };
            let real = Some("test_mode_live_card");
            assert!(!matches!(card.verdict(), Verdict::Declined(no) if no.reason == real));
        }
    }
}
