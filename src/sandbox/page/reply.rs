//! The answers of the pages: markup, headers, redirects.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::super::checkout::Session;
use super::super::money;
use super::super::object::Members;
use super::super::store::State;
use super::fields::{self, Section};
use super::{summary, view};

/// Nothing but the sandbox's own style and script, and pictures from wherever products have them.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' \
                      http: https: data:; base-uri 'none'; frame-ancestors 'none'";

/// The payment page, with what was entered and what came of it.
pub(super) fn pay(
    state: &State,
    session: &Session,
    sections: Option<Vec<Section>>,
    failure: Option<String>,
) -> Response {
    let due = session.due();
    let sections = sections.unwrap_or_else(|| fields::of(session, due));
    let wrong =
        sections.iter().flat_map(|section| &section.fields).any(|field| field.error.is_some());
    let wrong = wrong || session.promotion.error.is_some();
    let status = match (&failure, wrong) {
        (Some(_), _) => StatusCode::PAYMENT_REQUIRED,
        (None, true) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, false) => StatusCode::OK,
    };
    let page = view::Pay {
        session: session.object.at("id").as_str().unwrap_or_default().to_owned(),
        summary: summary::of(state, session),
        sections,
        failure,
        button: button(session, due),
        beside_button: fields::text(&session.object, "submit"),
        below_button: fields::text(&session.object, "after_submit"),
    };
    // A browser holds the redirect that follows a form to the same rule as the form itself, and the
    // seller's page may redirect further; so only a page without redirect can name its own origin.
    let form_action = if session.redirects { "" } else { "; form-action 'self'" };
    render(status, &page, form_action)
}

/// The page of the buyer's bank.
pub(super) fn challenge(session: &Session, last4: &str) -> Response {
    let page = view::Challenge {
        session: session.object.at("id").as_str().unwrap_or_default().to_owned(),
        total: money::format(session.due(), session.currency()),
        last4: last4.to_owned(),
    };
    let form_action = if session.redirects { "" } else { "; form-action 'self'" };
    render(StatusCode::OK, &page, form_action)
}

/// The page after a payment.
pub(super) fn done(state: &State, session: &Session) -> Response {
    let email = session.object.pointer("/customer_details/email").and_then(Value::as_str);
    let message = session.link(state).and_then(|link| {
        link.object.pointer("/after_completion/hosted_confirmation/custom_message")
    });
    let page = view::Done {
        summary: summary::of(state, session),
        message: message.and_then(Value::as_str).map(str::to_owned),
        email: email.map(str::to_owned),
    };
    render(StatusCode::OK, &page, "; form-action 'self'")
}

/// The page of a link that is switched off. Its status tells programs that nothing is sold here.
pub(super) fn inactive(link: &Value) -> Response {
    let text = link.at("inactive_message").as_str().unwrap_or(
        "The seller has deactivated this payment link. Contact them if you have any questions.",
    );
    notice(StatusCode::GONE, "This link is no longer active", text)
}

/// The page of a session that ended unpaid.
pub(super) fn expired() -> Response {
    let text = "Open the payment link again to start over. You have not been charged.";
    notice(StatusCode::GONE, "This checkout session has expired", text)
}

/// The page of an address at which there is nothing.
pub(super) fn not_found() -> Response {
    let text = "Check the address for typing errors, or ask the seller for a new link.";
    notice(StatusCode::NOT_FOUND, "We could not find this page", text)
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

fn notice(status: StatusCode, title: &str, text: &str) -> Response {
    let page = view::Notice { title: title.to_owned(), text: text.to_owned() };
    render(status, &page, "; form-action 'none'")
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

fn button(session: &Session, due: i64) -> String {
    let object = &session.object;
    let amount = money::format(due, session.currency());
    let subscribes = object.at("mode") == "subscription";
    match object.at("submit_type").as_str() {
        _ if session.visit.trial_days.is_some() => "Start trial".to_owned(),
        Some("book") => "Book".to_owned(),
        Some("donate") => format!("Donate {amount}"),
        Some("subscribe") => "Subscribe".to_owned(),
        Some("pay") => format!("Pay {amount}"),
        _ if subscribes => "Subscribe".to_owned(),
        _ if due == 0 => "Complete order".to_owned(),
        _ => format!("Pay {amount}"),
    }
}
