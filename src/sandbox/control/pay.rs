//! A buyer without a browser: what they say becomes the values of the page's form, and everything
//! that the page checks is checked.

use std::collections::HashMap;

use tonic::Status;

use super::super::cards;
use super::super::checkout::{self, Outcome, Visit};
use super::super::methods;
use super::super::object::Members;
use super::super::page::{self, Refused};
use super::super::payment_links::{self, Link};
use super::super::store::State;
use super::pb;
use pb::pay_payment_link_request::{Address, Authentication};
use pb::pay_payment_link_response::Outcome as Told;

/// What a buyer says who was not told what to say.
const EMAIL: &str = "buyer@example.com";
const NAME: &str = "Jenny Rosen";
const PHONE: &str = "+1 555 010 0100";
const CARD: &str = "pm_card_visa";
/// Later than the furthest that a clock is moved at once.
const EXPIRY_YEARS_AHEAD: i64 = 30;

/// Pays a link of a state that is up to its clock.
pub(super) fn pay(
    state: &mut State,
    order: &pb::PayPaymentLinkRequest,
) -> Result<pb::PayPaymentLinkResponse, Status> {
    let (link, query) = find(state, &order.payment_link)?;
    if link.object.at("active") != true {
        return Err(Status::failed_precondition("payment_link: it is not active"));
    }
    let number = number(order)?;
    let id = checkout::open(state, &link, Visit::parse(&query));
    let values = values(state, &id, order, &number)?;
    let outcome = page::enter(state, &id, values).map_err(refused)?;
    let proves = order.authentication() != Authentication::Fail;
    let outcome = match outcome {
        Outcome::Challenged => checkout::answer_challenge(state, &id, proves),
        outcome => outcome,
    };
    tell(state, &id, outcome)
}

/// The link of that identifier or address, and what follows a question mark in it.
pub(super) fn find(state: &State, named: &str) -> Result<(Link, String), Status> {
    let (address, query) = named.split_once('?').unwrap_or((named, ""));
    let token = address.rsplit('/').next().unwrap_or_default();
    let link = state.links.get(named).or_else(|| payment_links::at(state, token));
    let link = link.filter(|link| link.is_priced(state));
    let link = link.ok_or_else(|| Status::not_found("payment_link: there is no such link"))?;
    Ok((link.clone(), query.to_owned()))
}

fn number(order: &pb::PayPaymentLinkRequest) -> Result<String, Status> {
    let card = or(&order.card, CARD);
    if card.starts_with("pm_") {
        let number = cards::named(card);
        let unknown = || Status::invalid_argument(format!("card: there is no test card {card}"));
        return number.map(str::to_owned).ok_or_else(unknown);
    }
    Ok(card.to_owned())
}

/// The values of the form. Those of fields that the page does not have are passed over.
fn values(
    state: &State,
    id: &str,
    order: &pb::PayPaymentLinkRequest,
    number: &str,
) -> Result<HashMap<String, String>, Status> {
    let mut values = HashMap::new();
    let mut set = |name: &str, value: &str| values.insert(name.to_owned(), value.to_owned());
    let year = page::today(state).0 + EXPIRY_YEARS_AHEAD;
    let cvc = "1234".get(..cards::brand(number).cvc_digits).unwrap_or_default();
    // The address of the link may have settled it.
    let settled = state.sessions.get(id).is_some_and(|session| session.visit.email.is_some());
    if !settled || !order.email.is_empty() {
        set("email", or(&order.email, EMAIL));
    }
    set("phone", or(&order.phone, PHONE));
    for name in ["card_name", "shipping_name", "individual_name", "business_name"] {
        set(name, or(&order.name, NAME));
    }
    for (name, value) in methods::good_accounts(or(&order.name, NAME)) {
        set(&name, &value);
    }
    set("card_number", number);
    set("card_expiry", or(&order.card_expiry, &format!("12/{year}")));
    set("card_cvc", or(&order.card_cvc, cvc));
    set("terms", "on");
    let billing = order.billing_address.clone().unwrap_or_else(home);
    let shipping = order.shipping_address.as_ref().unwrap_or(&billing);
    for (prefix, address) in [("billing", &billing), ("shipping", shipping)] {
        for (name, value) in parts(address).into_iter().filter(|(_, value)| !value.is_empty()) {
            set(&format!("{prefix}_{name}"), value);
        }
    }
    for (key, answer) in &order.custom_fields {
        set(&format!("custom_{key}"), answer);
    }
    for (name, value) in
        [("promotion_code", &order.promotion_code), ("shipping_rate", &order.shipping_rate)]
    {
        if !value.is_empty() {
            set(name, value);
        }
    }
    choose(state, id, order, &mut set)?;
    for (name, value) in &order.page_fields {
        set(name, value);
    }
    Ok(values)
}

/// The values of the fields by which a buyer chooses quantities and amounts.
fn choose(
    state: &State,
    id: &str,
    order: &pb::PayPaymentLinkRequest,
    set: &mut impl FnMut(&str, &str) -> Option<String>,
) -> Result<(), Status> {
    let Some(session) = state.sessions.get(id) else { return Ok(()) };
    for (at, item) in order.items.iter().enumerate() {
        let sells = |line: &&super::super::line_items::Line| {
            let product = line.product(state).map(|product| product.at("id"));
            line.price == item.item || product.is_some_and(|id| *id == *item.item)
        };
        // A line of the link has another identifier in each session; its place is the same.
        let of_link = session
            .link(state)
            .and_then(|link| link.lines.iter().position(|line| line.id == item.item))
            .and_then(|place| session.lines.get(place));
        let line = of_link.or_else(|| session.lines.iter().find(sells)).ok_or_else(|| {
            Status::invalid_argument(format!("items[{at}].item: the link does not offer it"))
        })?;
        if let Some(quantity) = item.quantity {
            set(&format!("quantity_{}", line.id), &quantity.to_string());
        } else if let Some(offered) = line.offered {
            set(&format!("quantity_{}", line.id), &offered.to_string());
        }
        if let Some(amount) = item.amount {
            let entered = page::typed(session, amount);
            set(&format!("amount_{}", line.id), &entered);
        }
    }
    Ok(())
}

fn home() -> Address {
    Address {
        // The page begins with the home country, or with one that the link allows.
        country: String::new(),
        line1: "510 Townsend Street".to_owned(),
        line2: String::new(),
        city: "San Francisco".to_owned(),
        state: "CA".to_owned(),
        postal_code: "94103".to_owned(),
    }
}

fn parts(address: &Address) -> [(&'static str, &str); 6] {
    [
        ("country", address.country.as_str()),
        ("line1", &address.line1),
        ("line2", &address.line2),
        ("city", &address.city),
        ("state", &address.state),
        ("postal_code", &address.postal_code),
    ]
}

fn refused(refused: Refused) -> Status {
    match refused {
        Refused::Closed => Status::failed_precondition("payment_link: it can no longer be paid"),
        Refused::Entry(wrong) => {
            let lines = wrong.iter().map(|(name, what)| format!("{name}: {what}"));
            Status::invalid_argument(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn tell(state: &State, id: &str, outcome: Outcome) -> Result<pb::PayPaymentLinkResponse, Status> {
    let (told, decline) = match outcome {
        Outcome::Complete => (Told::Complete, None),
        Outcome::Declined(decline) => (Told::Declined, Some(decline)),
        Outcome::Challenged | Outcome::Closed => return Err(refused(Refused::Closed)),
    };
    let session = state.sessions.named(id).map_err(|error| Status::internal(error.message))?;
    let text = |name: &str| session.object.at(name).as_str().unwrap_or_default().to_owned();
    let text_of = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(pb::PayPaymentLinkResponse {
        session: id.to_owned(),
        outcome: told.into(),
        code: text_of(decline.map(|decline| decline.code)),
        decline_code: text_of(decline.and_then(|decline| decline.reason)),
        message: text_of(decline.map(|decline| decline.message)),
        payment_status: text("payment_status"),
        payment_intent: session.intent.clone().unwrap_or_default(),
        amount_total: session.due(),
        currency: text("currency"),
    })
}

fn or<'a>(given: &'a str, otherwise: &'a str) -> &'a str {
    if given.is_empty() { otherwise } else { given }
}
