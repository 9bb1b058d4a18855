//! What is bought and what it costs, as the page shows it.

use serde_json::Value;

use super::super::checkout::Session;
use super::super::line_items::Line;
use super::super::object::Members;
use super::super::store::State;
use super::super::{money, prices};
use super::offers::{self, Code, Rate};

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
    let all = session.lines.iter().map(|line| item(state, line));
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
        subtotal: money::format(subtotal, session.currency()),
        sums: offers::sums(state, session),
        total: money::format(session.due(), session.currency()),
        later: later(state, session),
        adjustable,
    }
}

/// What is wrong with an amount that the buyer chose, line by line.
pub(super) fn amount_error(state: &State, session: &Session) -> Option<String> {
    let currency = session.currency();
    let due = session.due();
    for line in &session.lines {
        let (Some(chosen), Some(custom)) = (line.chosen_amount, custom_amount(state, line)) else {
            continue;
        };
        let floor =
            custom.at("minimum").as_i64().unwrap_or_else(|| money::minimum_charge(currency));
        if chosen < floor {
            return Some(format!("Choose at least {}.", money::format(floor, currency)));
        }
        if let Some(ceiling) = custom.at("maximum").as_i64().filter(|ceiling| chosen > *ceiling) {
            return Some(format!("Choose at most {}.", money::format(ceiling, currency)));
        }
    }
    let minimum = money::minimum_charge(currency);
    if session.bought().all(|line| line.quantity == 0) {
        return Some("Choose at least one item.".to_owned());
    }
    (due > 0 && due < minimum)
        .then(|| format!("The total must be at least {}.", money::format(minimum, currency)))
}

fn item(state: &State, line: &Line) -> Item {
    let product = line.product(state);
    let text = |name: &str| product.and_then(|product| product.at(name).as_str());
    let name = text("name").unwrap_or("Item").to_owned();
    let image =
        product.and_then(|product| product.at("images").get(0)?.as_str()).map(str::to_owned);
    let interval = state.prices.get(&line.price).and_then(interval);
    let shown = Line { quantity: line.quantity.max(line.offered.map_or(0, |_| 1)), ..line.clone() };
    let amount = money::format(shown.amount(state), &line.currency);
    let one = Line { quantity: 1, ..line.clone() };
    let each = money::format(one.amount(state), &line.currency);
    let chosen = custom_amount(state, line).map(|custom| Chosen {
        value: money::plain(line.chosen_amount.unwrap_or_default(), &line.currency),
        hint: bounds(custom, &line.currency),
        currency: line.currency.to_uppercase(),
    });
    Item {
        id: line.id.clone(),
        initial: name.chars().take(1).flat_map(char::to_uppercase).collect(),
        name,
        description: text("description").map(str::to_owned),
        image,
        amount: match &interval {
            Some(interval) => format!("{amount} {interval}"),
            None => amount,
        },
        each: (line.quantity != 1 || line.range().is_some()).then(|| format!("{each} each")),
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

fn bounds(custom: &Value, currency: &str) -> Option<String> {
    let amount =
        |name: &str| custom.at(name).as_i64().map(|amount| money::format(amount, currency));
    match (amount("minimum"), amount("maximum")) {
        (Some(low), Some(high)) => Some(format!("Between {low} and {high}")),
        (Some(low), None) => Some(format!("At least {low}")),
        (None, Some(high)) => Some(format!("At most {high}")),
        (None, None) => None,
    }
}

fn later(state: &State, session: &Session) -> Option<String> {
    let recurring = session.bought().filter(|line| {
        state.prices.get(&line.price).is_some_and(|price| price.at("type") == "recurring")
    });
    let first = recurring.clone().next()?;
    let coupon = session.promotion.coupon(state);
    let lasting = coupon.is_some_and(|coupon| coupon.at("duration") != "once");
    let amount = recurring
        .map(|line| line.amount(state) - if lasting { line.discount } else { 0 })
        .fold(0, i64::saturating_add);
    let amount = money::format(amount, session.currency());
    let interval = interval(state.prices.get(&first.price)?)?;
    Some(match session.visit.trial_days {
        Some(1) => format!("One day free, then {amount} {interval}"),
        Some(days) => format!("{days} days free, then {amount} {interval}"),
        None => format!("Then {amount} {interval}"),
    })
}

fn interval(price: &Value) -> Option<String> {
    let recurring = price.at("recurring");
    let unit = recurring.at("interval").as_str()?;
    Some(match recurring.at("interval_count").as_i64() {
        Some(count) if count > 1 => format!("every {count} {unit}s"),
        _ => format!("per {unit}"),
    })
}
