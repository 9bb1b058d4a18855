//! Test accounts: what each number does, and the checks that come before any bank is asked.

use super::super::cards::Decline;

/// How a payment by an account goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Course {
    /// The money comes after so many seconds.
    Settles(i64),
    /// The bank refuses after so many seconds.
    Bounces(i64, Decline),
    /// The bank never answers.
    Stays,
    /// The money comes after so many seconds, and is taken back.
    Disputed(i64),
}

/// How long a bank takes at first, in seconds of the sandbox's clock: long enough to see it work.
pub(super) const SOON_S: i64 = 60;
/// How long a bank takes that takes its time, in seconds of the sandbox's clock.
pub(super) const LATER_S: i64 = 180;

const fn refused(code: &'static str, message: &'static str) -> Decline {
    Decline { code, reason: None, message }
}

const CLOSED: Decline = refused("account_closed", "The customer's bank account has been closed.");
const NO_ACCOUNT: Decline =
    refused("no_account", "The customer's bank account could not be located.");
const NO_FUNDS: Decline = refused(
    "insufficient_funds",
    "The customer's account has insufficient funds to cover this payment.",
);
const NOT_AUTHORIZED: Decline = refused(
    "debit_not_authorized",
    "The customer has notified their bank that this payment was unauthorized.",
);

/// Accounts by method and number. The bank's own number does not matter.
const ACCOUNTS: &[(&str, &str, Course)] = &[
    ("us_bank_account", "000123456789", Course::Settles(SOON_S)),
    ("us_bank_account", "000111111113", Course::Bounces(SOON_S, CLOSED)),
    ("us_bank_account", "000111111116", Course::Bounces(SOON_S, NO_ACCOUNT)),
    ("us_bank_account", "000222222227", Course::Bounces(SOON_S, NO_FUNDS)),
    ("us_bank_account", "000333333335", Course::Bounces(SOON_S, NOT_AUTHORIZED)),
    ("us_bank_account", "000000000009", Course::Stays),
    ("us_bank_account", "000555555559", Course::Disputed(SOON_S)),
    ("sepa_debit", "DE89370400440532013000", Course::Settles(SOON_S)),
    ("sepa_debit", "DE08370400440532013003", Course::Settles(LATER_S)),
    ("sepa_debit", "DE62370400440532013001", Course::Bounces(SOON_S, NO_FUNDS)),
    ("sepa_debit", "DE78370400440532013004", Course::Bounces(LATER_S, NO_FUNDS)),
    ("sepa_debit", "DE35370400440532013002", Course::Disputed(SOON_S)),
    ("bacs_debit", "00012345", Course::Settles(SOON_S)),
    ("bacs_debit", "90012345", Course::Settles(LATER_S)),
    ("bacs_debit", "22222227", Course::Bounces(SOON_S, NO_FUNDS)),
    ("au_becs_debit", "000123456", Course::Settles(SOON_S)),
    ("au_becs_debit", "900123456", Course::Settles(LATER_S)),
    ("au_becs_debit", "111111113", Course::Bounces(SOON_S, CLOSED)),
    ("au_becs_debit", "111111116", Course::Bounces(SOON_S, NO_ACCOUNT)),
    ("au_becs_debit", "222222227", Course::Bounces(SOON_S, NO_FUNDS)),
];

/// How a payment by that account goes. One that is not listed passes no check, so it never pays.
pub(super) fn course(method: &str, number: &str) -> Course {
    let known = |(of, listed, _): &&(&str, &str, Course)| *of == method && *listed == number;
    ACCOUNTS.iter().find(known).map_or(Course::Stays, |(.., course)| *course)
}

/// Checks one number of an account; the error is what to tell the buyer.
pub(in crate::sandbox) fn check_number(
    method: &str,
    detail: &str,
    digits: &str,
) -> Result<(), &'static str> {
    match detail {
        "routing_number" if !is_routing(digits) => Err("Your routing number is invalid."),
        "account_number" if !is_listed(method, digits) => Err(NOT_A_TEST_ACCOUNT),
        _ => Ok(()),
    }
}

/// Checks an IBAN as it was typed; the answer is how it is written without spaces, or what to tell
/// the buyer.
pub(in crate::sandbox) fn check_iban(typed: &str) -> Result<String, &'static str> {
    let iban: String = typed.split_whitespace().collect::<String>().to_uppercase();
    if iban.len() < 15 {
        return Err("Your IBAN is incomplete.");
    }
    if iban.len() > 34 || remainder(&iban) != Some(1) {
        return Err("Your IBAN is invalid.");
    }
    if is_listed("sepa_debit", &iban) { Ok(iban) } else { Err(NOT_A_TEST_ACCOUNT) }
}

const NOT_A_TEST_ACCOUNT: &str = "Use the number of a test account.";

fn is_listed(method: &str, number: &str) -> bool {
    ACCOUNTS.iter().any(|(of, listed, _)| *of == method && *listed == number)
}

/// Routing numbers carry a check digit: the sum weighted by 3, 7 and 1 ends in zero.
fn is_routing(digits: &str) -> bool {
    let weights = [3, 7, 1].into_iter().cycle();
    let values = digits.chars().filter_map(|digit| digit.to_digit(10));
    digits.len() == 9
        && values.zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>().is_multiple_of(10)
}

/// What ISO 13616 has for a check: the IBAN, its first four characters last and its letters as
/// numbers, modulo 97.
fn remainder(iban: &str) -> Option<u32> {
    let (head, rest) = iban.split_at_checked(4)?;
    rest.chars().chain(head.chars()).try_fold(0_u32, |remainder, character| {
        let value = character.to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        Some((remainder * shift + value) % 97)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_account_is_well_formed() {
        for (method, number, _) in ACCOUNTS {
            let checked = match *method {
                "sepa_debit" => check_iban(number).map(drop),
                _ => check_number(method, "account_number", number),
            };
            assert_eq!(checked, Ok(()), "{method} {number}");
        }
    }

    #[test]
    fn a_mistyped_iban_is_told_apart_from_one_that_is_no_test_account() {
        assert_eq!(check_iban("de89 3704 0044 0532 0130 00").as_deref(), Ok(ACCOUNTS[7].1));
        assert_eq!(check_iban("DE89 3704"), Err("Your IBAN is incomplete."));
        assert_eq!(check_iban("DE89370400440532013001"), Err("Your IBAN is invalid."));
        assert_eq!(check_iban("GB82WEST12345698765432"), Err(NOT_A_TEST_ACCOUNT));
    }

    #[test]
    fn a_routing_number_carries_its_check_digit() {
        assert_eq!(check_number("us_bank_account", "routing_number", "110000000"), Ok(()));
        let wrong = check_number("us_bank_account", "routing_number", "110000001");
        assert_eq!(wrong, Err("Your routing number is invalid."));
    }

    #[test]
    fn an_account_goes_its_way() {
        assert_eq!(course("us_bank_account", "000000000009"), Course::Stays);
        assert_eq!(course("sepa_debit", "DE08370400440532013003"), Course::Settles(LATER_S));
        let bounced = course("us_bank_account", "000111111113");
        assert_eq!(bounced, Course::Bounces(SOON_S, CLOSED));
    }
}
