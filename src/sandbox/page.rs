//! The hosted pages: what a buyer sees from opening a link to having paid.
//!
//! Everything works without JavaScript: forms are posted, checked here, and shown again with what
//! was entered and what is wrong with it. The script only adds comfort.

mod asks;
mod entry;
mod fields;
mod headless;
mod offers;
mod payment;
mod reply;
mod summary;
mod tax_ids;
mod view;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Shared;
use super::checkout::{self, Closed, Outcome, Payer, Session, Visit};
use super::object::Members;
use super::payment_links;
use super::store::State;
use entry::Entry;
use fields::Section;
pub(super) use headless::{Refused, enter};
use summary::Trouble;
use words::Words;

type Web = Extract<Arc<Shared>>;

/// The addresses of the pages.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        // A program that only looks whether the link answers begins no session.
        .route("/b/{token}", get(visit).head(|| async { StatusCode::OK }))
        .route("/c/pay/{session}", get(show).post(submit))
        .route("/c/pay/{session}/challenge", get(challenge).post(answer))
        .route("/c/terms", get(|| async { reply::terms(Words::English) }))
        .route(
            "/c/page.css",
            get(|| async { reply::asset("text/css", include_str!("page/page.css")) }),
        )
        .route(
            "/c/page.js",
            get(|| async { reply::asset("text/javascript", include_str!("page/page.js")) }),
        )
}

/// Opening a link begins a session, and leads to its own page, so that a reload begins no other.
async fn visit(
    Extract(shared): Web,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let visit = Visit::parse(&query.unwrap_or_default());
    let has = |state: &State| payment_links::at(state, &token).is_some();
    let open = |state: &mut State| {
        let link = payment_links::at(state, &token).filter(|link| link.is_priced(state));
        let Some(link) = link.cloned() else {
            return reply::not_found();
        };
        if link.object.at("active") != true {
            let words = Words::tagged(visit.locale.as_deref().unwrap_or_default());
            return reply::inactive(&link.object, words);
        }
        let session = checkout::open(state, &link, visit);
        reply::see_other(&format!("/c/pay/{session}"))
    };
    shared.with(|state| state.where_is(has, open))
}

async fn show(Extract(shared): Web, Path(id): Path<String>) -> Response {
    with_session(&shared, &id, |state| match checkout::standing(state, &id) {
        Err(closed) => explain(state, &id, closed),
        Ok(session) => reply::pay(state, session, None, None),
    })
}

async fn submit(Extract(shared): Web, Path(id): Path<String>, body: Bytes) -> Response {
    let entry = Entry::parse(&body);
    with_session(&shared, &id, |state| {
        let Filled { session, mut sections, payer, right, trouble } = match fill(state, &id, &entry)
        {
            Err(closed) => return explain(state, &id, closed),
            Ok(filled) => filled,
        };
        if entry.get("action") == "update" {
            for field in sections.iter_mut().flat_map(Section::asked_mut) {
                field.error = None;
            }
            // What is wrong with the amount of a line is said beside it at once.
            let trouble = trouble.filter(|trouble| trouble.line.is_some());
            return reply::pay(state, &session, Some(sections), trouble);
        }
        if !right || trouble.is_some() || session.promotion.error.is_some() {
            return reply::pay(state, &session, Some(sections), trouble);
        }
        pay(state, &id, payer, sections)
    })
}

/// Works in the account that has a session, on a state that is up to its clock.
fn with_session<T>(shared: &Shared, id: &str, work: impl FnOnce(&mut State) -> T) -> T {
    shared.with(|state| {
        super::expire_due(state);
        state.where_is(|state| state.sessions.get(id).is_some(), work)
    })
}

/// A page as it was filled in.
struct Filled {
    session: Session,
    sections: Vec<Section>,
    payer: Payer,
    right: bool,
    trouble: Option<Trouble>,
}

/// Fills a page in; what the buyer chose is kept in the session.
fn fill(state: &mut State, id: &str, entry: &Entry) -> Result<Filled, Closed> {
    let mut session = checkout::standing(state, id)?.clone();
    session.choose(state, &entry.choices(&session));
    let today = today(state);
    let mut sections = asks::of(&session);
    let right = entry.fill(&mut sections, today, Words::of(&session));
    let payer = entry.payer(&session, &sections, today);
    session.entered = entry.kept(&sections);
    if let Some(kept) = state.sessions.get_mut(id) {
        kept.clone_from(&session);
    }
    let trouble = summary::trouble(state, &session);
    Ok(Filled { session, sections, payer, right, trouble })
}

fn pay(state: &mut State, id: &str, payer: Payer, sections: Vec<Section>) -> Response {
    match checkout::pay(state, id, payer) {
        Outcome::Challenged => reply::see_other(&format!("/c/pay/{id}/challenge")),
        outcome => land(state, id, outcome, Some(sections)),
    }
}

async fn challenge(Extract(shared): Web, Path(id): Path<String>) -> Response {
    with_session(&shared, &id, |state| match checkout::standing(state, &id) {
        Err(closed) => explain(state, &id, closed),
        Ok(session) => match &session.challenge {
            Some(charging) => reply::challenge(session, charging.means()),
            None => reply::see_other(&format!("/c/pay/{id}")),
        },
    })
}

async fn answer(Extract(shared): Web, Path(id): Path<String>, body: Bytes) -> Response {
    let proved = Entry::parse(&body).get("answer") == "complete";
    with_session(&shared, &id, |state| {
        let outcome = checkout::answer_challenge(state, &id, proved);
        land(state, &id, outcome, None)
    })
}

/// Leads the buyer to where a payment left them.
fn land(state: &State, id: &str, outcome: Outcome, sections: Option<Vec<Section>>) -> Response {
    match (outcome, state.sessions.get(id)) {
        (_, None) => reply::not_found(),
        (Outcome::Complete, Some(session)) => match after_redirect(session) {
            Some(url) => reply::see_other(&url),
            None => reply::see_other(&format!("/c/pay/{id}")),
        },
        (Outcome::Declined(decline), Some(session)) => {
            let text = Words::of(session).say(decline.message).to_owned();
            reply::pay(state, session, sections, Some(Trouble { line: None, text }))
        }
        (Outcome::Challenged | Outcome::Closed, Some(_)) => match checkout::standing(state, id) {
            Err(closed) => explain(state, id, closed),
            Ok(_) => reply::see_other(&format!("/c/pay/{id}")),
        },
    }
}

/// The page that says why a session cannot be paid.
fn explain(state: &State, id: &str, closed: Closed) -> Response {
    let Some(session) = state.sessions.get(id) else { return reply::not_found() };
    match (closed, session.link(state)) {
        (Closed::Complete, _) => reply::done(state, session),
        (Closed::Expired, _) => reply::expired(Words::of(session)),
        (Closed::Inactive, Some(link)) => reply::inactive(&link.object, Words::of(session)),
        (Closed::Inactive | Closed::Unknown, _) => reply::not_found(),
    }
}

/// Where the seller wants the buyer to go, with the session's identifier and the visit's sources.
fn after_redirect(session: &Session) -> Option<String> {
    if !session.redirects {
        return None;
    }
    let id = session.object.at("id").as_str()?;
    let url = session.object.at("success_url").as_str()?.replace("{CHECKOUT_SESSION_ID}", id);
    if session.visit.sources.is_empty() {
        return Some(url);
    }
    let sources = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&session.visit.sources)
        .finish();
    let (address, fragment) = match url.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (url.as_str(), String::new()),
    };
    let joint = if address.contains('?') { '&' } else { '?' };
    Some(format!("{address}{joint}{sources}{fragment}"))
}

/// An amount of minor units as a buyer types it into the page of a session.
pub(super) fn typed(session: &Session, amount: i64) -> String {
    Words::of(session).typed(amount, session.currency())
}

/// The year and month on the sandbox's clock.
pub(super) fn today(state: &State) -> (i64, i64) {
    let now = Timestamp::from_second(state.clock.now()).unwrap_or_default();
    let date = now.to_zoned(TimeZone::UTC).date();
    (i64::from(date.year()), i64::from(date.month()))
}
