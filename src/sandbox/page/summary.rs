//! What is bought and what it costs, as the page shows it.

use serde_json::Value;

use super::super::checkout::Session;
use super::super::line_items::Line;
use super::super::object::Members;
use super::super::store::State;
use super::super::{money, prices};
use super::offers::{self, Code, Rate};
use super::words::Words;

/// The order of a session.
#[derive(Debug)]
pub(super) struct Summary {
    /// The lines in order.
    pub(super) items: Vec<Item>,
    /// The optional items, added or not.
    pub(super) extras: Vec<Item>,
    /// The ways of shipping.
    pub(super) rates: Vec<Rate>,
    /// The box for a promotion code, if the link has one.
    pub(super) code: Option<Code>,
    /// What the lines come to.
    pub(super) subtotal: String,
    /// What is added to that and taken off, each with its name.
    pub(super) sums: Vec<(String, String)>,
    /// What is due now.
    pub(super) total: String,
    /// What the buyer is about to do.
    pub(super) heading: String,
    /// What that costs, at a glance.
    pub(super) headline: String,
    /// What comes later, if anything recurs.
    pub(super) later: Option<String>,
    /// Whether the buyer can change anything.
    pub(super) adjustable: bool,
}

/// One line of the order.
#[derive(Debug)]
pub(super) struct Item {
    /// The line, by its identifier.
    pub(super) id: String,
    /// The product's name.
    pub(super) name: String,
    /// The product's description.
    pub(super) description: Option<String>,
    /// The product's first picture.
    pub(super) image: Option<String>,
    /// The beginning of the name, where there is no picture.
    pub(super) initial: String,
    /// What the line costs.
    pub(super) amount: String,
    /// What one of it costs, where there are several.
    pub(super) each: Option<String>,
    /// How many.
    pub(super) quantity: i64,
    /// How many are added at first, if the item is optional.
    pub(super) offered: Option<i64>,
    /// Between what the buyer may choose.
    pub(super) range: Option<(i64, i64)>,
    /// The amount that the buyer chose, in major units, where the choice is theirs.
    pub(super) chosen: Option<Chosen>,
}

/// An amount of the buyer's choice.
#[derive(Debug)]
pub(super) struct Chosen {
    /// What it is now, as a form field takes it.
    pub(super) value: String,
    /// What it may be.
    pub(super) hint: Option<String>,
    /// The currency's code in capital letters.
    pub(super) currency: String,
    /// What is wrong with it.
    pub(super) error: Option<String>,
}

/// What is wrong with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The line whose amount is wrong, by its identifier, if it is one line's.
    pub(super) line: Option<String>,
    /// What the buyer is told.
    pub(super) text: String,
}

// === impl Item ===

impl Item {
    /// Whether there is nothing but a name to show.
    pub(super) fn is_plain(&self) -> bool {
        self.description.is_none()
            && self.quantity == 1
            && self.range.is_none()
            && self.chosen.is_none()
    }
}

/// Sums a session up.
pub(super) fn of(state: &State, session: &Session) -> Summary {
    let words = Words::of(session);
    let all = session.lines.iter().map(|line| item(state, line, words));
    let (extras, items): (Vec<Item>, Vec<Item>) = all.partition(|item| item.offered.is_some());
    let (rates, code) = (offers::rates(state, session), offers::code(session));
    let adjustable = items.iter().any(|item| item.range.is_some() || item.chosen.is_some())
        || !extras.is_empty()
        || rates.len() > 1;
    let subtotal = session.object.at("amount_subtotal").as_i64().unwrap_or_default();
    Summary {
        items,
        extras,
        rates,
        code,
        subtotal: words.amount(subtotal, session.currency()),
        sums: offers::sums(state, session),
        total: words.amount(session.due(), session.currency()),
        heading: heading(state, session, words),
        headline: match session.visit.trial_days {
            Some(1) => words.say("One day free").to_owned(),
            Some(days) => words.fill("{} days free", &[&days.to_string()]),
            None => words.amount(session.due(), session.currency()),
        },
        later: later(state, session, words),
        adjustable,
    }
}

/// What is wrong with what the buyer chose, and nothing if they can pay it.
pub(super) fn trouble(state: &State, session: &Session) -> Option<Trouble> {
    let (currency, words) = (session.currency(), Words::of(session));
    let due = session.due();
    let said = |text: &str, amount| words.fill(text, &[&words.amount(amount, currency)]);
    for line in &session.lines {
        let (Some(chosen), Some(custom)) = (line.chosen_amount, custom_amount(state, line)) else {
            continue;
        };
        let floor =
            custom.at("minimum").as_i64().unwrap_or_else(|| money::minimum_charge(currency));
        if chosen < floor {
            let text = said("Choose at least {}.", floor);
            return Some(Trouble { line: Some(line.id.clone()), text });
        }
        if let Some(ceiling) = custom.at("maximum").as_i64().filter(|ceiling| chosen > *ceiling) {
            let text = said("Choose at most {}.", ceiling);
            return Some(Trouble { line: Some(line.id.clone()), text });
        }
    }
    let minimum = money::minimum_charge(currency);
    if session.bought().all(|line| line.quantity == 0) {
        let text = words.say("Choose at least one item.").to_owned();
        return Some(Trouble { line: None, text });
    }
    (due > 0 && due < minimum)
        .then(|| Trouble { line: None, text: said("The total must be at least {}.", minimum) })
}

fn item(state: &State, line: &Line, words: Words) -> Item {
    let product = line.product(state);
    let text = |name: &str| product.and_then(|product| product.at(name).as_str());
    let name = text("name").unwrap_or("Item").to_owned();
    let image =
        product.and_then(|product| product.at("images").get(0)?.as_str()).map(str::to_owned);
    let shown = Line { quantity: line.quantity.max(line.offered.map_or(0, |_| 1)), ..line.clone() };
    let amount = words.amount(shown.amount(state), &line.currency);
    let one = Line { quantity: 1, ..line.clone() };
    let each = words.amount(one.amount(state), &line.currency);
    let chosen = custom_amount(state, line).map(|custom| Chosen {
        value: words.typed(line.chosen_amount.unwrap_or_default(), &line.currency),
        hint: bounds(custom, &line.currency, words),
        currency: line.currency.to_uppercase(),
        error: None,
    });
    Item {
        id: line.id.clone(),
        initial: name.chars().take(1).flat_map(char::to_uppercase).collect(),
        name,
        description: text("description").map(str::to_owned),
        image,
        amount: match state.prices.get(&line.price) {
            Some(price) => recurring(&amount, price, words),
            None => amount,
        },
        each: (line.quantity != 1 || line.range().is_some())
            .then(|| words.fill("{} each", &[&each])),
        quantity: line.quantity,
        offered: line.offered,
        range: line.range(),
        chosen,
    }
}

fn custom_amount<'a>(state: &'a State, line: &Line) -> Option<&'a Value> {
    let price = prices::in_currency(state.prices.get(&line.price)?, &line.currency)?;
    Some(price.at("custom_unit_amount")).filter(|custom| custom.is_object())
}

fn bounds(custom: &Value, currency: &str, words: Words) -> Option<String> {
    let amount = |name: &str| custom.at(name).as_i64().map(|amount| words.amount(amount, currency));
    match (amount("minimum"), amount("maximum")) {
        (Some(low), Some(high)) => Some(words.fill("Between {} and {}", &[&low, &high])),
        (Some(low), None) => Some(words.fill("At least {}", &[&low])),
        (None, Some(high)) => Some(words.fill("At most {}", &[&high])),
        (None, None) => None,
    }
}

fn heading(state: &State, session: &Session, words: Words) -> String {
    let first = session.lines.first().and_then(|line| line.product(state));
    let name = first.and_then(|product| product.at("name").as_str()).unwrap_or_default();
    match session.visit.trial_days {
        Some(_) => words.fill("Try {}", &[name]),
        None if session.object.at("mode") == "subscription" => {
            words.fill("Subscribe to {}", &[name])
        }
        None => words.say("To pay now").to_owned(),
    }
}

/// What a subscription costs later, taxes included.
fn later(state: &State, session: &Session, words: Words) -> Option<String> {
    let recurs = |line: &&Line| {
        state.prices.get(&line.price).is_some_and(|price| price.at("type") == "recurring")
    };
    let lines = session.bought().filter(recurs);
    let first = lines.clone().next()?;
    let coupon = session.promotion.coupon(state);
    let lasting = coupon.is_some_and(|coupon| coupon.at("duration") != "once");
    let cost = |line: &Line| {
        let line = Line { discount: if lasting { line.discount } else { 0 }, ..line.clone() };
        let tax = if session.is_taxed() { line.tax_on(state).added() } else { 0 };
        line.amount(state).saturating_sub(line.discount).saturating_add(tax)
    };
    let amount = words.amount(lines.map(cost).fold(0, i64::saturating_add), session.currency());
    Some(words.fill("Then {}", &[&recurring(&amount, state.prices.get(&first.price)?, words)]))
}

/// An amount with how often it is due, if it recurs.
fn recurring(amount: &str, price: &Value, words: Words) -> String {
    let recurring = price.at("recurring");
    let unit = recurring.at("interval").as_str();
    let count = recurring.at("interval_count").as_i64().unwrap_or(1).to_string();
    match (unit, count.as_str()) {
        (Some("day"), "1") => words.fill("{} per day", &[amount]),
        (Some("week"), "1") => words.fill("{} per week", &[amount]),
        (Some("month"), "1") => words.fill("{} per month", &[amount]),
        (Some("year"), "1") => words.fill("{} per year", &[amount]),
        (Some("day"), count) => words.fill("{} every {} days", &[amount, count]),
        (Some("week"), count) => words.fill("{} every {} weeks", &[amount, count]),
        (Some("month"), count) => words.fill("{} every {} months", &[amount, count]),
        (Some("year"), count) => words.fill("{} every {} years", &[amount, count]),
        _ => amount.to_owned(),
    }
}
