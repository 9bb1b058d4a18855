//! What Stripe shows of a payment by a method that is neither a card nor a bank account.

use serde_json::{Map, Value, json};

/// Each method with the members of its details in a charge, of those that a payment method keeps,
/// and where a refund goes: a word of `destination_details`, empty where these tell nothing.
const DETAILS: &[(&str, &str, &str, &str)] = &[
    ("affirm", "transaction_id", "", "affirm"),
    ("afterpay_clearpay", "order_id reference", "", "afterpay_clearpay"),
    ("alipay", "fingerprint transaction_id", "", "alipay"),
    ("alma", "transaction_id", "", "alma"),
    (
        "bancontact",
        "bank_code bank_name bic generated_sepa_debit generated_sepa_debit_mandate iban_last4 \
         preferred_language verified_name",
        "",
        "eu_bank_transfer",
    ),
    ("billie", "transaction_id", "", ""),
    ("bizum", "transaction_id", "", ""),
    ("blik", "buyer_id", "", "blik"),
    ("boleto", "tax_id", "tax_id", "br_bank_transfer"),
    ("cashapp", "buyer_id cashtag transaction_id", "buyer_id cashtag", "cashapp"),
    ("eps", "bank verified_name", "bank", "eps"),
    ("fpx", "bank transaction_id", "bank", ""),
    ("giropay", "bank_code bank_name bic verified_name", "", "giropay"),
    ("grabpay", "transaction_id", "", "grabpay"),
    (
        "ideal",
        "bank bic generated_sepa_debit generated_sepa_debit_mandate iban_last4 transaction_id \
         verified_name",
        "bank bic",
        "eu_bank_transfer",
    ),
    ("klarna", "payer_details payment_method_category preferred_locale", "dob", "klarna"),
    ("konbini", "store", "", "jp_bank_transfer"),
    ("link", "country", "email", "card"),
    ("mb_way", "", "", "mb_way"),
    ("mobilepay", "card", "", ""),
    ("multibanco", "entity reference", "", "multibanco"),
    ("oxxo", "number", "", "mx_bank_transfer"),
    ("p24", "bank reference verified_name", "bank", "p24"),
    ("pay_by_bank", "", "", "gb_bank_transfer"),
    ("paynow", "reference", "", "paynow"),
    (
        "paypal",
        "country payer_email payer_id payer_name seller_protection transaction_id",
        "country payer_email payer_id",
        "paypal",
    ),
    ("payto", "bsb_number last4 pay_id", "bsb_number last4 pay_id", "au_bank_transfer"),
    ("pix", "bank_transaction_id", "", "pix"),
    ("promptpay", "reference", "", "th_bank_transfer"),
    ("satispay", "transaction_id", "", ""),
    (
        "sofort",
        "bank_code bank_name bic country generated_sepa_debit generated_sepa_debit_mandate \
         iban_last4 preferred_language verified_name",
        "country",
        "sofort",
    ),
    ("sunbit", "transaction_id", "", ""),
    ("swish", "fingerprint payment_reference verified_phone_last4", "", "swish"),
    ("twint", "", "", "twint"),
    ("upi", "vpa", "vpa", ""),
    ("wechat_pay", "fingerprint transaction_id", "", "wechat_pay"),
    ("zip", "", "", "zip"),
];

/// Where a refund of a debit goes.
const DEBITS: &[(&str, &str)] = &[
    ("au_becs_debit", "au_bank_transfer"),
    ("bacs_debit", "gb_bank_transfer"),
    ("sepa_debit", "eu_bank_transfer"),
    ("us_bank_account", "us_bank_transfer"),
];

/// What a charge shows.
pub(super) fn in_charge(method: &str, email: &str) -> Value {
    let (_, members, ..) = of(method);
    members_of(method, members, email)
}

/// What a payment method keeps.
pub(super) fn in_payment_method(method: &str, email: &str) -> Value {
    let (_, _, members, _) = of(method);
    members_of(method, members, email)
}

/// What a refund tells about where it goes, if it tells.
pub(in crate::sandbox) fn destination(method: &str, captured: bool) -> Option<Value> {
    let debit =
        DEBITS.iter().find(|(word, _)| *word == method).map(|(_, destination)| *destination);
    let word = match method {
        "card" => "card",
        method => debit.unwrap_or(of(method).3),
    };
    let told = match word {
        "" => return None,
        "card" => json!({
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": if captured { "refund" } else { "reversal" },
        }),
        "paypal" => json!({ "network_decline_code": null }),
        "blik" | "swish" => json!({
            "network_decline_code": null,
            "reference": null,
            "reference_status": "pending",
        }),
        word if word.ends_with("_bank_transfer") && word != "au_bank_transfer" => referred(),
        "mb_way" | "multibanco" | "p24" => referred(),
        _ => json!({}),
    };
    Some(json!({ "type": word, (word): told }))
}

fn referred() -> Value {
    json!({ "reference": null, "reference_status": "pending" })
}

fn of(method: &str) -> (&'static str, &'static str, &'static str, &'static str) {
    let found = DETAILS.iter().find(|(word, ..)| *word == method);
    found.copied().unwrap_or_default()
}

fn members_of(method: &str, members: &str, email: &str) -> Value {
    let value = |member: &str| match (method, member) {
        ("boleto", "tax_id") => "000.000.000-00".into(),
        ("fpx", "bank") => "maybank2u".into(),
        ("link", "email") | ("paypal", "payer_email") => email.into(),
        ("klarna", "payment_method_category") => "pay_later".into(),
        _ => Value::Null,
    };
    let shown = members.split_whitespace().map(|member| (member.to_owned(), value(member)));
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, METHODS};
    use super::*;

    #[test]
    fn every_method_but_cards_and_debits_has_its_details() {
        for method in METHODS {
            let listed = DETAILS.iter().any(|(word, ..)| *word == method.word);
            let told_here = matches!(method.kind, Kind::Voucher | Kind::Elsewhere);
            assert_eq!(listed, told_here, "{}", method.word);
        }
    }

    #[test]
    fn a_refund_goes_back_the_way_it_came() {
        let check = |method: &str, expected: &str| {
            let told = destination(method, true).unwrap_or_default();
            assert_eq!(told["type"].as_str().unwrap_or_default(), expected, "{method}");
            assert!(expected.is_empty() || told[expected].is_object(), "{method}");
        };
        check("card", "card");
        check("us_bank_account", "us_bank_transfer");
        check("sepa_debit", "eu_bank_transfer");
        check("klarna", "klarna");
        check("upi", "");
    }
}
