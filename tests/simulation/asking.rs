//! What callers ask for, and what they are told.

use std::time::Duration;

use paylink::caller::Caller;
use paylink::contract;
use paylink::operations::{Error, Operations};
use paylink::pb;
use uuid::Uuid;

/// How long a caller waits for a replica.
const CALLER_TIME: Duration = Duration::from_secs(10);

/// What a caller was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Told {
    /// The link.
    Link(String),
    /// An error, with where the write stands.
    Error {
        /// Where the write stands; empty where nothing is said.
        state: String,
    },
    /// Nothing: the connection was lost.
    Nothing,
}

/// The request of a number. Every tenth asks for what Stripe refuses.
pub fn request(number: u64) -> pb::CreatePaymentLinkRequest {
    let product =
        pb::line_item::price_data::ProductData { name: "Poster".to_owned(), ..Default::default() };
    let data = pb::line_item::PriceData {
        currency: "usd".to_owned(),
        product_data: Some(product),
        unit_amount: Some(2500),
        ..Default::default()
    };
    let item = if is_refused(number) {
        pb::LineItem { price: "price_none".to_owned(), quantity: Some(1), ..Default::default() }
    } else {
        pb::LineItem { price_data: Some(data), quantity: Some(1), ..Default::default() }
    };
    let link = pb::PaymentLink {
        line_items: vec![item],
        metadata: [("order".to_owned(), number.to_string())].into(),
        ..Default::default()
    };
    pb::CreatePaymentLinkRequest {
        payment_link: Some(link),
        request_id: Uuid::from_u128(u128::from(number) + 1).to_string(),
        ..Default::default()
    }
}

/// Whether Stripe refuses the request of a number.
pub fn is_refused(number: u64) -> bool {
    number % 10 == 9
}

/// Asks the service for the request of a number.
pub async fn ask(operations: &Operations, number: u64) -> Told {
    let draft = contract::check(&request(number)).pass().unwrap();
    let caller = Caller::itself(CALLER_TIME);
    match operations.create::<pb::PaymentLink>(&draft, &caller).await {
        Ok(link) => Told::Link(link.id),
        Err(error) => {
            let state = match error {
                Error::Stripe { state, .. } | Error::Deadline { state } => state.as_str(),
                Error::Pending => "unknown",
                _ => "",
            };
            Told::Error { state: state.to_owned() }
        }
    }
}

// === impl Told ===

impl Told {
    /// Writes it down for the network.
    pub fn to_text(&self) -> String {
        match self {
            Told::Link(id) => format!("link {id}"),
            Told::Error { state } => format!("error {state}"),
            Told::Nothing => String::new(),
        }
    }

    /// Reads it from the network.
    pub fn of_text(text: &str) -> Self {
        match text.split_once(' ') {
            Some(("link", id)) => Told::Link(id.to_owned()),
            Some(("error", state)) => Told::Error { state: state.to_owned() },
            _ => Told::Nothing,
        }
    }
}
