//! The answers of the pages: markup, headers, redirects.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::super::checkout::Session;
use super::super::methods::{self, Means};
use super::super::object::Members;
use super::super::store::State;
use super::entry::Entry;
use super::fields::Section;
use super::summary::Trouble;
use super::view::Ending;
use super::words::Words;
use super::{asks, summary, view};

/// Nothing but the sandbox's own style and script, and pictures from wherever products have them.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' \
                      http: https: data:; base-uri 'none'; frame-ancestors 'none'";

/// The payment page, with what was entered and what came of it.
pub(super) fn pay(
    state: &State,
    session: &Session,
    sections: Option<Vec<Section>>,
    trouble: Option<Trouble>,
) -> Response {
    let words = Words::of(session);
    let sections = sections.unwrap_or_else(|| {
        let mut sections = asks::of(session);
        Entry::of(session.entered.clone()).restore(&mut sections);
        sections
    });
    let mut summary = summary::of(state, session);
    let (of_line, failure) = match trouble {
        Some(Trouble { line: Some(line), text }) => (Some((line, text)), None),
        Some(Trouble { line: None, text }) => (None, Some(text)),
        None => (None, None),
    };
    let mut wrong = session.promotion.error.is_some() || of_line.is_some();
    if let Some((line, text)) = of_line
        && let Some(item) = summary.items.iter_mut().find(|item| item.id == line)
        && let Some(chosen) = &mut item.chosen
    {
        chosen.error = Some(text);
    }
    wrong |= sections.iter().flat_map(Section::asked).any(|field| field.error.is_some());
    let status = match (&failure, wrong) {
        (Some(_), _) => StatusCode::PAYMENT_REQUIRED,
        (None, true) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, false) => StatusCode::OK,
    };
    let page = view::Pay {
        words,
        session: session.object.at("id").as_str().unwrap_or_default().to_owned(),
        summary,
        sections,
        failure,
        wrong,
        button: button(session, words),
        beside_button: asks::text(&session.object, "submit"),
        below_button: asks::text(&session.object, "after_submit"),
        agreement: agreement(state, session, words),
    };
    render(status, &page, form_action(session))
}

/// The page of the buyer's bank, or of the method that they chose.
pub(super) fn challenge(session: &Session, means: &Means) -> Response {
    let words = Words::of(session);
    let total = words.amount(session.due(), session.currency());
    let method = methods::named(means.word()).map_or("", |method| words.say(method.name));
    let by_card = means.card().is_some();
    let page = view::Challenge {
        words,
        session: session.object.at("id").as_str().unwrap_or_default().to_owned(),
        text: if by_card {
            words.fill(BANK, &[&total, means.last4()])
        } else {
            words.fill("You pay {} with {}.", &[&total, method])
        },
        stands_for: if by_card {
            words.say("This page stands in for the 3-D Secure page of a bank.").to_owned()
        } else {
            words.fill("This page stands in for the one of {}.", &[method])
        },
        by_card,
    };
    render(StatusCode::OK, &page, form_action(session))
}

const BANK: &str = "Your bank wants to know that it is you who pays {} with the card ending in {}.";

/// The page after a payment.
pub(super) fn done(state: &State, session: &Session) -> Response {
    let email = session.object.pointer("/customer_details/email").and_then(Value::as_str);
    let message = session.link(state).and_then(|link| {
        link.object.pointer("/after_completion/hosted_confirmation/custom_message")
    });
    let page = view::Done {
        words: Words::of(session),
        summary: summary::of(state, session),
        message: message.and_then(Value::as_str).map(str::to_owned),
        email: email.map(str::to_owned),
        ending: ending(state, session),
    };
    render(StatusCode::OK, &page, "; form-action 'self'")
}

/// The page of a link that is switched off. Its status tells programs that nothing is sold here.
pub(super) fn inactive(link: &Value, words: Words) -> Response {
    let usual = words.say(
        "The seller has deactivated this payment link. Contact them if you have any questions.",
    );
    let text = link.at("inactive_message").as_str().unwrap_or(usual);
    notice(StatusCode::GONE, "This link is no longer active", text, words)
}

/// The page of a session that ended unpaid.
pub(super) fn expired(words: Words) -> Response {
    let text = "Open the payment link again to start over. You have not been charged.";
    notice(StatusCode::GONE, "This checkout session has expired", words.say(text), words)
}

/// The page of an address at which there is nothing.
pub(super) fn not_found() -> Response {
    let text = "Check the address for typing errors, or ask the seller for a new link.";
    notice(StatusCode::NOT_FOUND, "We could not find this page", text, Words::English)
}

/// What a buyer agrees to.
pub(super) fn terms(words: Words) -> Response {
    let text = words.say("This page stands in for those of the seller.");
    notice(StatusCode::OK, "Terms of Service and Privacy Policy", text, words)
}

/// Leads to another page with a plain GET.
pub(super) fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return not_found();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert("location", location);
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// A file that never changes while the program runs.
pub(super) fn asset(kind: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("max-age=60"));
    response
}

fn notice(status: StatusCode, title: &str, text: &str, words: Words) -> Response {
    let title = words.say(title).to_owned();
    let page = view::Notice { words, title, text: text.to_owned() };
    render(status, &page, "; form-action 'none'")
}

/// A browser holds the redirect that follows a form to the same rule as the form itself, and the
/// seller's page may redirect further; so only a page without redirect can name its own origin.
fn form_action(session: &Session) -> &'static str {
    if session.redirects { "" } else { "; form-action 'self'" }
}

fn render(status: StatusCode, page: &impl Template, form_action: &str) -> Response {
    let Ok(markup) = page.render() else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let mut response = Response::new(Body::from(markup));
    *response.status_mut() = status;
    let policy = format!("{POLICY}{form_action}");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy.as_str()),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn button(session: &Session, words: Words) -> String {
    let (object, due) = (&session.object, session.due());
    let amount = words.amount(due, session.currency());
    let subscribes = object.at("mode") == "subscription";
    let said = |text: &str| words.say(text).to_owned();
    match object.at("submit_type").as_str() {
        _ if session.visit.trial_days.is_some() => said("Start trial"),
        Some("book") => said("Book"),
        Some("donate") => words.fill("Donate {}", &[&amount]),
        Some("subscribe") => said("Subscribe"),
        Some("pay") => words.fill("Pay {}", &[&amount]),
        _ if subscribes => said("Subscribe"),
        _ if due == 0 => said("Complete order"),
        _ => words.fill("Pay {}", &[&amount]),
    }
}

/// What a buyer agrees to by paying with something that is used again, unless the link hides it.
fn agreement(state: &State, session: &Session, words: Words) -> Option<String> {
    let position = "/consent_collection/payment_method_reuse_agreement/position";
    if session.object.pointer(position).is_some_and(|position| position == "hidden") {
        return None;
    }
    if session.object.at("mode") == "subscription" {
        return Some(words.say(RENEWS).to_owned());
    }
    let link = session.link(state)?;
    let again = link.object.pointer("/payment_intent_data/setup_future_usage")?;
    let said = words.say("By paying, you allow the seller to charge this payment method again.");
    again.is_string().then(|| said.to_owned())
}

const RENEWS: &str = "By subscribing, you allow the seller to charge you now and at every \
                      renewal, until you cancel.";

fn ending(state: &State, session: &Session) -> Ending {
    if session.is_underway() {
        return Ending::Underway;
    }
    let intent = session.intent.as_deref().and_then(|id| state.intents.get(id));
    let failed = intent.is_some_and(|intent| intent.at("status") == "requires_payment_method");
    match (failed, session.object.at("mode") == "subscription") {
        (true, _) => Ending::Failed,
        (false, true) => Ending::Subscribed,
        (false, false) => Ending::Paid,
    }
}
