//! Ways to pay: cards, bank debits, vouchers, and methods whose buyers confirm on another page.
//!
//! A link names its methods by Stripe's words. Each does on the sandbox's page what its kind does:
//! the money comes at once, or days later, or not at all.

mod accounts;
mod means;
mod shown;

pub(super) use accounts::{Course, check_iban, check_number};
pub(super) use means::{Account, Means};
pub(super) use shown::destination;

/// A way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    /// Stripe's word for it.
    pub(super) word: &'static str,
    /// What buyers call it.
    pub(super) name: &'static str,
    /// How it goes.
    pub(super) kind: Kind,
    /// The currencies that it takes, with spaces between them; empty for all.
    currencies: &'static str,
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

const fn method(word: &'static str, name: &'static str, kind: Kind) -> Method {
    Method { word, name, kind, currencies: "" }
}

const fn elsewhere(word: &'static str, name: &'static str) -> Method {
    method(word, name, Kind::Elsewhere)
}

const fn voucher(word: &'static str, name: &'static str) -> Method {
    method(word, name, Kind::Voucher)
}

/// Every method that a link can name.
const METHODS: &[Method] = &[
    method("card", "Card", Kind::Card),
    method("us_bank_account", "US bank account", Kind::Debit(US)).takes("usd"),
    method("sepa_debit", "SEPA Direct Debit", Kind::Debit(SEPA)).takes("eur"),
    method("bacs_debit", "Bacs Direct Debit", Kind::Debit(BACS)).takes("gbp"),
    method("au_becs_debit", "BECS Direct Debit", Kind::Debit(BECS)).takes("aud"),
    voucher("boleto", "Boleto").takes("brl"),
    voucher("konbini", "Konbini").takes("jpy"),
    voucher("multibanco", "Multibanco").takes("eur"),
    voucher("oxxo", "OXXO").takes("mxn"),
    elsewhere("affirm", "Affirm").takes("usd cad"),
    elsewhere("afterpay_clearpay", "Afterpay / Clearpay").takes("aud cad eur gbp nzd usd"),
    elsewhere("alipay", "Alipay").takes("aud cad cny eur gbp hkd jpy myr nzd sgd usd"),
    elsewhere("alma", "Alma").takes("eur"),
    elsewhere("bancontact", "Bancontact").takes("eur"),
    elsewhere("billie", "Billie").takes("eur gbp sek"),
    elsewhere("bizum", "Bizum").takes("eur"),
    elsewhere("blik", "BLIK").takes("pln"),
    elsewhere("cashapp", "Cash App Pay").takes("usd"),
    elsewhere("eps", "EPS").takes("eur"),
    elsewhere("fpx", "FPX").takes("myr"),
    elsewhere("giropay", "giropay").takes("eur"),
    elsewhere("grabpay", "GrabPay").takes("myr sgd"),
    elsewhere("ideal", "iDEAL").takes("eur"),
    elsewhere("klarna", "Klarna").takes("aud cad chf czk dkk eur gbp nok nzd pln ron sek usd"),
    elsewhere("link", "Link"),
    elsewhere("mb_way", "MB WAY").takes("eur"),
    elsewhere("mobilepay", "MobilePay").takes("dkk eur nok sek"),
    elsewhere("p24", "Przelewy24").takes("eur pln"),
    elsewhere("pay_by_bank", "Pay by Bank").takes("eur gbp"),
    elsewhere("paynow", "PayNow").takes("sgd"),
    elsewhere("paypal", "PayPal").takes("aud cad chf czk dkk eur gbp hkd nok nzd pln sek sgd usd"),
    elsewhere("payto", "PayTo").takes("aud"),
    elsewhere("pix", "Pix").takes("brl"),
    elsewhere("promptpay", "PromptPay").takes("thb"),
    elsewhere("satispay", "Satispay").takes("eur"),
    elsewhere("sofort", "Sofort").takes("eur"),
    elsewhere("sunbit", "Sunbit").takes("usd"),
    elsewhere("swish", "Swish").takes("sek"),
    elsewhere("twint", "TWINT").takes("chf"),
    elsewhere("upi", "UPI").takes("inr"),
    elsewhere("wechat_pay", "WeChat Pay")
        .takes("aud cad chf cny dkk eur gbp hkd jpy nok sek sgd usd"),
    elsewhere("zip", "Zip").takes("aud usd"),
];

/// The method of that word.
pub(super) fn named(word: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.word == word)
}

/// Stripe's words for all methods.
#[cfg(test)]
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|method| method.word)
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
    const fn takes(self, currencies: &'static str) -> Self {
        Self { currencies, ..self }
    }

    /// The currencies that it takes, if `currency` is not one of them.
    pub(super) fn refuses(&self, currency: &str) -> Option<Vec<&'static str>> {
        let taken: Vec<_> = self.currencies.split_whitespace().collect();
        (!taken.is_empty() && !taken.contains(&currency)).then_some(taken)
    }

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
