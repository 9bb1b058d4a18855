//! Ways to pay: cards, bank debits, vouchers, and methods whose buyers confirm on another page.
//!
//! A link names its methods by Stripe's words. Each does on the sandbox's page what its kind does:
//! the money comes at once, or days later, or not at all.

mod accounts;
mod means;

pub(super) use accounts::{Course, check_iban, check_number};
pub(super) use means::{Account, Means};

/// A way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    /// Stripe's word for it.
    pub(super) word: &'static str,
    /// What buyers call it.
    pub(super) name: &'static str,
    /// How it goes.
    pub(super) kind: Kind,
}

/// How a payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By a card, whose bank answers at once.
    Card,
    /// By a bank account, whose bank answers later.
    Debit(&'static [Detail]),
    /// By a slip that is paid somewhere else, later.
    Voucher,
    /// By a confirmation on another page, which settles it at once.
    Elsewhere,
}

/// One thing to know of a bank account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Detail {
    /// Stripe's word for it.
    pub(super) word: &'static str,
    /// What the buyer reads.
    pub(super) label: &'static str,
    /// How many digits it has, at least and at most; none for an IBAN.
    pub(super) digits: Option<(usize, usize)>,
    /// That of a test account that can pay.
    pub(super) good: &'static str,
}

const fn digits(
    word: &'static str,
    label: &'static str,
    (min, max): (usize, usize),
    good: &'static str,
) -> Detail {
    Detail { word, label, digits: Some((min, max)), good }
}

const US: &[Detail] = &[
    digits("routing_number", "Routing number", (9, 9), "110000000"),
    digits("account_number", "Account number", (4, 17), "000123456789"),
];
const SEPA: &[Detail] =
    &[Detail { word: "iban", label: "IBAN", digits: None, good: "DE89370400440532013000" }];
const BACS: &[Detail] = &[
    digits("sort_code", "Sort code", (6, 6), "108800"),
    digits("account_number", "Account number", (8, 8), "00012345"),
];
const BECS: &[Detail] = &[
    digits("bsb_number", "BSB number", (6, 6), "000000"),
    digits("account_number", "Account number", (4, 9), "000123456"),
];

const fn elsewhere(word: &'static str, name: &'static str) -> Method {
    Method { word, name, kind: Kind::Elsewhere }
}

const fn voucher(word: &'static str, name: &'static str) -> Method {
    Method { word, name, kind: Kind::Voucher }
}

/// Every method that a link can name.
const METHODS: &[Method] = &[
    Method { word: "card", name: "Card", kind: Kind::Card },
    Method { word: "us_bank_account", name: "US bank account", kind: Kind::Debit(US) },
    Method { word: "sepa_debit", name: "SEPA Direct Debit", kind: Kind::Debit(SEPA) },
    Method { word: "bacs_debit", name: "Bacs Direct Debit", kind: Kind::Debit(BACS) },
    Method { word: "au_becs_debit", name: "BECS Direct Debit", kind: Kind::Debit(BECS) },
    voucher("boleto", "Boleto"),
    voucher("konbini", "Konbini"),
    voucher("multibanco", "Multibanco"),
    voucher("oxxo", "OXXO"),
    elsewhere("affirm", "Affirm"),
    elsewhere("afterpay_clearpay", "Afterpay / Clearpay"),
    elsewhere("alipay", "Alipay"),
    elsewhere("alma", "Alma"),
    elsewhere("bancontact", "Bancontact"),
    elsewhere("billie", "Billie"),
    elsewhere("bizum", "Bizum"),
    elsewhere("blik", "BLIK"),
    elsewhere("cashapp", "Cash App Pay"),
    elsewhere("eps", "EPS"),
    elsewhere("fpx", "FPX"),
    elsewhere("giropay", "giropay"),
    elsewhere("grabpay", "GrabPay"),
    elsewhere("ideal", "iDEAL"),
    elsewhere("klarna", "Klarna"),
    elsewhere("link", "Link"),
    elsewhere("mb_way", "MB WAY"),
    elsewhere("mobilepay", "MobilePay"),
    elsewhere("p24", "Przelewy24"),
    elsewhere("pay_by_bank", "Pay by Bank"),
    elsewhere("paynow", "PayNow"),
    elsewhere("paypal", "PayPal"),
    elsewhere("payto", "PayTo"),
    elsewhere("pix", "Pix"),
    elsewhere("promptpay", "PromptPay"),
    elsewhere("satispay", "Satispay"),
    elsewhere("sofort", "Sofort"),
    elsewhere("sunbit", "Sunbit"),
    elsewhere("swish", "Swish"),
    elsewhere("twint", "TWINT"),
    elsewhere("upi", "UPI"),
    elsewhere("wechat_pay", "WeChat Pay"),
    elsewhere("zip", "Zip"),
];

/// The method of that word.
pub(super) fn named(word: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.word == word)
}

/// Every field of every bank account, with the value of a test account that can pay.
pub(super) fn good_accounts(holder: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for method in METHODS {
        if let Kind::Debit(details) = method.kind {
            let values = details.iter().map(|detail| (detail.word, detail.good));
            let named = values.chain([("name", holder)]);
            fields.extend(named.map(|(word, value)| (method.field(word), value.to_owned())));
        }
    }
    fields
}

// === impl Method ===

impl Method {
    /// The name of a field on the page that only this method has.
    pub(super) fn field(&self, detail: &str) -> String {
        format!("{}_{detail}", self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_published_list_is_known() {
        let facts = include_str!("params/facts.txt").lines();
        let listed = facts.filter_map(|line| line.strip_prefix("set payment_method_types "));
        let mut listed: Vec<&str> = listed.flat_map(str::split_whitespace).collect();
        let mut known: Vec<&str> = METHODS.iter().map(|method| method.word).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, listed);
    }

    #[test]
    fn every_account_that_can_pay_is_well_formed() {
        for method in METHODS {
            let Kind::Debit(details) = method.kind else { continue };
            for detail in details {
                let checked = match detail.digits {
                    Some(_) => check_number(method.word, detail.word, detail.good),
                    None => check_iban(detail.good).map(drop),
                };
                assert_eq!(checked, Ok(()), "{} {}", method.word, detail.word);
            }
        }
    }
}
