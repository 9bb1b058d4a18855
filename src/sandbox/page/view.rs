//! The pages, each with what it shows.

use askama::Template;

use super::fields::Section;
use super::summary::Summary;
use super::words::Words;

/// The page on which a buyer pays.
#[derive(Debug, Template)]
#[template(path = "pay.html")]
pub(super) struct Pay {
    /// The language.
    pub(super) words: Words,
    /// The session, by its identifier.
    pub(super) session: String,
    /// The order.
    pub(super) summary: Summary,
    /// What the buyer fills in.
    pub(super) sections: Vec<Section>,
    /// Why the payment did not go through, if it was tried.
    pub(super) failure: Option<String>,
    /// Whether something that was entered is wrong.
    pub(super) wrong: bool,
    /// What the button says.
    pub(super) button: String,
    /// The link's text beside the button.
    pub(super) beside_button: Option<String>,
    /// The link's text below the button.
    pub(super) below_button: Option<String>,
    /// What the buyer agrees to by pressing it.
    pub(super) agreement: Option<String>,
}

/// The page on which a buyer proves to their bank who they are, or confirms a payment elsewhere.
#[derive(Debug, Template)]
#[template(path = "challenge.html")]
pub(super) struct Challenge {
    /// The language.
    pub(super) words: Words,
    /// The session, by its identifier.
    pub(super) session: String,
    /// What is to be confirmed.
    pub(super) text: String,
    /// Whose page this is outside the sandbox.
    pub(super) stands_for: String,
    /// Whether it is the bank of a card that asks.
    pub(super) by_card: bool,
}

/// The page after a payment.
#[derive(Debug, Template)]
#[template(path = "done.html")]
pub(super) struct Done {
    /// The language.
    pub(super) words: Words,
    /// The order.
    pub(super) summary: Summary,
    /// The link's own text.
    pub(super) message: Option<String>,
    /// Where the receipt would go.
    pub(super) email: Option<String>,
    /// What came of the payment.
    pub(super) ending: Ending,
}

/// What came of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The money is there, or none was due.
    Paid,
    /// The same, and more is to come.
    Subscribed,
    /// The bank has yet to answer.
    Underway,
    /// The bank refused.
    Failed,
}

/// A page that only says something.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
pub(super) struct Notice {
    /// The language.
    pub(super) words: Words,
    /// The heading.
    pub(super) title: String,
    /// What it says.
    pub(super) text: String,
}
