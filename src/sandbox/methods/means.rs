//! What a buyer pays with, and how that goes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::cards::{Aftermath, Card, Decline, UNAUTHENTICATED, Verdict};
use super::accounts::{Course, LATER_S, SOON_S, course};
use super::{Kind, named, shown};

/// What a buyer pays with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) enum Means {
    /// A card.
    Card(Card),
    /// Anything else.
    Account(Account),
}

/// A bank account, or whatever a method knows its buyers by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Account {
    /// Stripe's word for the method.
    pub(in crate::sandbox) method: String,
    /// The number at the bank; the buyer's e-mail address where there is no account.
    pub(in crate::sandbox) number: String,
    /// The bank's own number; empty where the other one says it.
    pub(in crate::sandbox) bank: String,
}

/// A buyer who turned back on the page of another method.
const NOT_CONFIRMED: Decline = Decline {
    code: "payment_intent_payment_attempt_failed",
    reason: None,
    message: "The payment was not confirmed. Try again, or pay in another way.",
};

// === impl Means ===

impl Means {
    /// Stripe's word for the method.
    pub(in crate::sandbox) fn word(&self) -> &str {
        match self {
            Self::Card(_) => "card",
            Self::Account(account) => &account.method,
        }
    }

    /// The card, if it is one.
    pub(in crate::sandbox) fn card(&self) -> Option<&Card> {
        match self {
            Self::Card(card) => Some(card),
            Self::Account(_) => None,
        }
    }

    /// Whether the buyer is first led to another page: their bank's, or the method's.
    pub(in crate::sandbox) fn is_challenged(&self) -> bool {
        match self {
            Self::Card(card) => card.is_challenged(),
            Self::Account(account) => {
                named(&account.method).is_some_and(|method| method.kind == Kind::Elsewhere)
            }
        }
    }

    /// What a payment fails with if the buyer turns back there.
    pub(in crate::sandbox) fn refusal(&self) -> Decline {
        match self {
            Self::Card(_) => UNAUTHENTICATED,
            Self::Account(_) => NOT_CONFIRMED,
        }
    }

    /// What is said at once.
    pub(in crate::sandbox) fn verdict(&self) -> Verdict {
        match self {
            Self::Card(card) => card.verdict(),
            Self::Account(_) => Verdict::Approved,
        }
    }

    /// What is said to a later payment, when the buyer is not there. Banks take no time over
    /// these: what a debit would come to is said at once.
    pub(in crate::sandbox) fn later_verdict(&self) -> Verdict {
        match (self, self.delay()) {
            (Self::Card(card), _) => card.later_verdict(),
            (_, Some(Course::Bounces(_, decline))) => Verdict::Declined(decline),
            _ => Verdict::Approved,
        }
    }

    /// How a payment goes that takes its time; none if it is settled at once.
    pub(in crate::sandbox) fn delay(&self) -> Option<Course> {
        let Self::Account(account) = self else { return None };
        match named(&account.method)?.kind {
            Kind::Debit(_) => Some(course(&account.method, &account.number)),
            Kind::Voucher => Some(voucher_course(&account.number)),
            Kind::Card | Kind::Elsewhere => None,
        }
    }

    /// What follows a payment by it, if anything does.
    pub(in crate::sandbox) fn aftermath(&self) -> Option<Aftermath> {
        match (self, self.delay()) {
            (Self::Card(card), _) => card.aftermath(),
            (_, Some(Course::Disputed(_))) => Some(Aftermath::Chargeback("fraudulent")),
            _ => None,
        }
    }

    /// The digits that may be shown.
    pub(in crate::sandbox) fn last4(&self) -> &str {
        match self {
            Self::Card(card) => card.last4(),
            Self::Account(account) => {
                let number = account.number.as_str();
                number.get(number.len().saturating_sub(4)..).unwrap_or_default()
            }
        }
    }

    /// What Stripe shows of it in a charge; of a card, what it shows in a payment method too.
    pub(in crate::sandbox) fn shown(&self) -> Value {
        match self {
            Self::Card(card) => json!({
                "brand": card.brand().word,
                "country": "US",
                "exp_month": card.exp_month,
                "exp_year": card.exp_year,
                "fingerprint": format!("sandbox{}", card.last4()),
                "funding": "credit",
                "last4": card.last4(),
            }),
            Self::Account(account) => account.details(),
        }
    }

    /// What Stripe shows of it in a payment method.
    pub(in crate::sandbox) fn kept(&self) -> Value {
        match self {
            Self::Account(account) if self.is_debit() => json!({
                "fingerprint": account.fingerprint(),
                "last4": self.last4(),
            }),
            Self::Account(account) => shown::in_payment_method(&account.method, &account.number),
            Self::Card(_) => self.shown(),
        }
    }

    fn is_debit(&self) -> bool {
        named(self.word()).is_some_and(|method| matches!(method.kind, Kind::Debit(_)))
    }
}

// === impl Account ===

impl Account {
    /// What Stripe shows of it in a charge.
    fn details(&self) -> Value {
        let last4 = self.number.get(self.number.len().saturating_sub(4)..).unwrap_or_default();
        let mut details = json!({ "fingerprint": self.fingerprint(), "last4": last4 });
        let own = match self.method.as_str() {
            "us_bank_account" => json!({
                "account_holder_type": "individual",
                "account_type": "checking",
                "bank_name": "SANDBOX BANK",
                "payment_reference": null,
                "routing_number": self.bank,
            }),
            "sepa_debit" => json!({
                "bank_code": self.number.get(4..12),
                "branch_code": null,
                "country": self.number.get(..2),
            }),
            "bacs_debit" => json!({ "sort_code": self.bank }),
            "au_becs_debit" => json!({ "bsb_number": self.bank }),
            method => return shown::in_charge(method, &self.number),
        };
        super::super::object::overlay(&mut details, &own);
        details
    }

    fn fingerprint(&self) -> String {
        let last4 = self.number.get(self.number.len().saturating_sub(4)..).unwrap_or_default();
        format!("sandbox{last4}")
    }
}

/// How a voucher goes, by the buyer's e-mail address, as Stripe's test mode has it.
fn voucher_course(email: &str) -> Course {
    const EXPIRED: Decline = Decline {
        code: "payment_intent_payment_attempt_expired",
        reason: None,
        message: "The voucher was not paid in time.",
    };
    let before_at = email.split('@').next().unwrap_or_default();
    match before_at {
        name if name.ends_with("expire_immediately") => Course::Bounces(0, EXPIRED),
        name if name.ends_with("expire_with_delay") => Course::Bounces(LATER_S, EXPIRED),
        name if name.ends_with("succeed_immediately") => Course::Settles(0),
        name if name.ends_with("fill_never") => Course::Bounces(3 * 24 * 60 * 60, EXPIRED),
        _ => Course::Settles(SOON_S),
    }
}
