//! The pages, each with what it shows.

use askama::Template;

use super::fields::Section;
use super::summary::Summary;

/// The page on which a buyer pays.
#[derive(Debug, Template)]
#[template(path = "pay.html")]
pub(super) struct Pay {
    /// The session, by its identifier.
    pub(super) session: String,
    /// The order.
    pub(super) summary: Summary,
    /// What the buyer fills in.
    pub(super) sections: Vec<Section>,
    /// Why the payment did not go through, if it was tried.
    pub(super) failure: Option<String>,
    /// What the button says.
    pub(super) button: String,
    /// The link's text beside the button.
    pub(super) beside_button: Option<String>,
    /// The link's text below the button.
    pub(super) below_button: Option<String>,
}

/// The page on which a buyer proves to their bank who they are.
#[derive(Debug, Template)]
#[template(path = "challenge.html")]
pub(super) struct Challenge {
    /// The session, by its identifier.
    pub(super) session: String,
    /// What is due.
    pub(super) total: String,
    /// The end of the card's number.
    pub(super) last4: String,
}

/// The page after a payment.
#[derive(Debug, Template)]
#[template(path = "done.html")]
pub(super) struct Done {
    /// The order.
    pub(super) summary: Summary,
    /// The link's own text.
    pub(super) message: Option<String>,
    /// Where the receipt would go.
    pub(super) email: Option<String>,
}

/// A page that only says something.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
pub(super) struct Notice {
    /// The heading.
    pub(super) title: String,
    /// What it says.
    pub(super) text: String,
}
