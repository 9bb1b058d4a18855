//! Test cards: what each number does, and the checks that come before any bank is asked.

mod aftermath;
mod named;

use serde::{Deserialize, Serialize};

pub(super) use aftermath::Aftermath;
pub(super) use named::named;

/// A card as the buyer typed it, known to be well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Card {
    /// Digits only.
    pub(super) number: String,
    /// 1 to 12.
    pub(super) exp_month: i64,
    /// Four digits.
    pub(super) exp_year: i64,
}

/// What the issuing bank says to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The money is there.
    Approved,
    /// It is refused.
    Declined(Decline),
}

/// A refusal in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decline {
    /// Stripe's error code.
    pub(super) code: &'static str,
    /// Why the bank refused, if it is the bank that did.
    pub(super) reason: Option<&'static str>,
    /// The text for the buyer.
    pub(super) message: &'static str,
}

/// A card number's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brand {
    /// Stripe's word for it.
    pub(super) word: &'static str,
    /// The word in a link's list of blocked brands, if it can be blocked.
    pub(super) block_word: Option<&'static str>,
    /// How a buyer calls it.
    pub(super) name: &'static str,
    /// How many digits a number has.
    digits: &'static [usize],
    /// How many digits the security code has.
    pub(super) cvc_digits: usize,
}

const DECLINED: &str = "Your card was declined.";

/// Numbers that are declined, with the error code, the decline code and the message.
const DECLINES: &[(&str, &str, &str, &str)] = &[
    ("4000000000000002", "card_declined", "generic_decline", DECLINED),
    (
        "4000000000009995",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    ("4000000000009987", "card_declined", "lost_card", DECLINED),
    ("4000000000009979", "card_declined", "stolen_card", DECLINED),
    ("4000000000000069", "expired_card", "", "Your card has expired."),
    ("4000000000000127", "incorrect_cvc", "", "Your card's security code is incorrect."),
    (
        "4000000000000119",
        "processing_error",
        "",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    (
        "4000000000006975",
        "card_declined",
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its \
         amount limit.",
    ),
    ("4100000000000019", "card_declined", "fraudulent", DECLINED),
    ("4000008400001629", "card_declined", "generic_decline", DECLINED),
    ("4000008400001280", "card_declined", "generic_decline", DECLINED),
    (
        "4000008260003178",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
];

/// Numbers whose bank first asks the buyer to prove who they are.
const CHALLENGED: &[&str] = &[
    "4000002500003155",
    "4000002760003184",
    "4000003800000446",
    "4000000000003220",
    "4000008400000027",
    "4000008400001629",
    "4000008260003178",
];

/// Numbers that simply work.
const APPROVED: &[&str] = &[
    "4242424242424242",
    "4000056655665556",
    "5555555555554444",
    "2223003122003222",
    "5200828282828210",
    "5105105105105100",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "3056930009020004",
    "36227206271667",
    "3566002020360505",
    "6200000000000005",
    "4000000000000077",
    "4000003720000278",
    "4000000000000341",
    "4000000000009235",
    "4000000000003055",
    "4000000032200000",
    "4000000000000259",
    "4000000000002685",
    "4000000000001976",
    "4000000000005423",
    "4000000000007726",
    "4000000000005126",
];

const VISA: Brand =
    Brand { word: "visa", block_word: Some("visa"), name: "Visa", digits: &[16], cvc_digits: 3 };

// === impl Card ===

impl Card {
    /// Its network.
    pub(super) fn brand(&self) -> Brand {
        brand(&self.number)
    }

    /// The digits that may be shown.
    pub(super) fn last4(&self) -> &str {
        self.number.get(self.number.len().saturating_sub(4)..).unwrap_or_default()
    }

    /// Whether the bank first asks the buyer to prove who they are.
    pub(super) fn is_challenged(&self) -> bool {
        CHALLENGED.contains(&self.number.as_str())
    }

    /// What follows a payment by it, if anything does.
    pub(super) fn aftermath(&self) -> Option<Aftermath> {
        aftermath::aftermath(&self.number)
    }

    /// What the bank says to a later payment, when the buyer is not there.
    pub(super) fn later_verdict(&self) -> Verdict {
        match self.aftermath() {
            Some(Aftermath::LaterDeclined(reason)) => Verdict::Declined(Decline {
                code: "card_declined",
                reason: Some(reason),
                message: DECLINED,
            }),
            _ => self.verdict(),
        }
    }

    /// What the bank says in the end.
    pub(super) fn verdict(&self) -> Verdict {
        let known = DECLINES.iter().find(|(number, ..)| *number == self.number);
        if let Some((_, code, reason, message)) = known {
            let reason = (!reason.is_empty()).then_some(*reason);
            return Verdict::Declined(Decline { code, reason, message });
        }
        let number = self.number.as_str();
        if APPROVED.contains(&number) || CHALLENGED.contains(&number) {
            return Verdict::Approved;
        }
        Verdict::Declined(Decline {
            code: "card_declined",
            reason: Some("test_mode_live_card"),
            message: "Your card was declined. Your request was in test mode, but used a non test \
                      card. For a list of valid test cards, visit: \
                      https://stripe.com/docs/testing.",
        })
    }
}

/// A buyer who could not prove who they are.
pub(super) const UNAUTHENTICATED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    reason: None,
    message: "We are unable to authenticate your payment method. Please choose a different payment \
              method and try again.",
};

/// Checks a number as it was typed; the answer is its digits, or what to tell the buyer.
pub(super) fn check_number(typed: &str) -> Result<String, &'static str> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if digits.is_empty() {
        return Err("Enter your card number.");
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("Your card number is invalid.");
    }
    let lengths = brand(&digits).digits;
    if lengths.iter().all(|length| digits.len() < *length) {
        return Err("Your card number is incomplete.");
    }
    if !lengths.contains(&digits.len()) || !passes_luhn(&digits) {
        return Err("Your card number is invalid.");
    }
    Ok(digits)
}

/// Checks an expiry such as `12/34` against today's year and month.
pub(super) fn check_expiry(typed: &str, today: (i64, i64)) -> Result<(i64, i64), &'static str> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let split = if typed.contains('/') {
        typed.split_once('/').map(|(month, year)| (month.trim(), year.trim()))
    } else {
        digits.split_at_checked(2)
    };
    let incomplete = "Your card's expiration date is incomplete.";
    let (month, year) = split.ok_or(incomplete)?;
    if !matches!(year.len(), 2 | 4) {
        return Err(incomplete);
    }
    let month: i64 = month.parse().map_err(|_| incomplete)?;
    let year: i64 = year.parse().map_err(|_| incomplete)?;
    if !(1..=12).contains(&month) {
        return Err("Your card's expiration month is invalid.");
    }
    let year = if year < 100 { 2000 + year } else { year };
    if year > today.0 + 50 {
        return Err("Your card's expiration year is invalid.");
    }
    if year < today.0 {
        return Err("Your card's expiration year is in the past.");
    }
    if (year, month) < today {
        return Err("Your card's expiration date is in the past.");
    }
    Ok((month, year))
}

/// Checks a security code for a card of that number.
pub(super) fn check_cvc(typed: &str, number: &str) -> Result<(), &'static str> {
    let typed = typed.trim();
    let digits_only = typed.bytes().all(|byte| byte.is_ascii_digit());
    if digits_only && typed.len() == brand(number).cvc_digits {
        return Ok(());
    }
    if !digits_only || typed.len() > brand(number).cvc_digits {
        return Err("Your card's security code is invalid.");
    }
    Err("Your card's security code is incomplete.")
}

/// The network of a number, by its first digits.
pub(super) fn brand(number: &str) -> Brand {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| number.starts_with(prefix));
    let of =
        |word, block_word, name, digits| Brand { word, block_word, name, digits, cvc_digits: 3 };
    if begins(&["34", "37"]) {
        let amex = of("amex", Some("american_express"), "American Express", &[15]);
        Brand { cvc_digits: 4, ..amex }
    } else if begins(&["51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"]) {
        of("mastercard", Some("mastercard"), "Mastercard", &[16])
    } else if begins(&["60", "64", "65"]) {
        of("discover", Some("discover_global_network"), "Discover", &[16])
    } else if begins(&["30", "36", "38", "39"]) {
        of("diners", Some("discover_global_network"), "Diners Club", &[14, 16])
    } else if begins(&["35"]) {
        of("jcb", Some("discover_global_network"), "JCB", &[16])
    } else if begins(&["62"]) {
        of("unionpay", Some("discover_global_network"), "UnionPay", &[16])
    } else {
        VISA
    }
}

fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.saturating_sub(b'0'));
            match (at % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: &str) -> Card {
        Card { number: number.to_owned(), exp_month: 12, exp_year: 2034 }
    }

    fn check(number: &str, expected: &str) {
        let card = card(number);
        let challenge = if card.is_challenged() { "challenge, " } else { "" };
        let seen = match card.verdict() {
            Verdict::Approved => "approved",
            Verdict::Declined(decline) => decline.reason.unwrap_or(decline.code),
        };
        assert_eq!(format!("{challenge}{seen}"), expected);
    }

    #[test]
    fn each_number_has_its_outcome() {
        check("4242424242424242", "approved");
        check("4000000000000002", "generic_decline");
        check("4000000000009995", "insufficient_funds");
        check("4000000000000069", "expired_card");
        check("4000002500003155", "challenge, approved");
        check("4000008260003178", "challenge, insufficient_funds");
    }

    #[test]
    fn a_card_that_could_be_real_is_declined() {
        check("4539578763621486", "test_mode_live_card");
    }

    #[test]
    fn every_listed_number_is_well_formed() {
        let declines = DECLINES.iter().map(|(number, ..)| *number);
        for number in declines.chain(CHALLENGED.iter().copied()).chain(APPROVED.iter().copied()) {
            assert_eq!(check_number(number), Ok(number.to_owned()));
        }
    }

    #[test]
    fn numbers_are_checked_before_any_bank_is_asked() {
        assert_eq!(check_number("4242 4242 4242 4241"), Err("Your card number is invalid."));
        assert_eq!(check_number("4242"), Err("Your card number is incomplete."));
        assert_eq!(check_number("4242 x"), Err("Your card number is invalid."));
        assert_eq!(check_number("3782 822463 10005"), Ok("378282246310005".to_owned()));
    }

    #[test]
    fn an_expiry_lies_ahead() {
        let today = (2030, 6);
        assert_eq!(check_expiry("06 / 30", today), Ok((6, 2030)));
        assert_eq!(check_expiry("0630", today), Ok((6, 2030)));
        assert_eq!(
            check_expiry("05/30", today),
            Err("Your card's expiration date is in the past.")
        );
        assert_eq!(check_expiry("13/34", today), Err("Your card's expiration month is invalid."));
        assert_eq!(check_expiry("12/95", today), Err("Your card's expiration year is invalid."));
        assert_eq!(check_expiry("12", today), Err("Your card's expiration date is incomplete."));
    }

    #[test]
    fn a_security_code_has_the_length_of_its_brand() {
        assert_eq!(check_cvc("123", "4242424242424242"), Ok(()));
        assert_eq!(check_cvc("1234", "378282246310005"), Ok(()));
        let short = check_cvc("99", "4242424242424242");
        assert_eq!(short, Err("Your card's security code is incomplete."));
    }
}
