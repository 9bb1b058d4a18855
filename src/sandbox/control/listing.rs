//! What was delivered and what was asked, page by page.

use tonic::Status;

use super::super::config::Config;
use super::super::delivery::{self, CONFIGURED, Delivery, Outcome};
use super::super::faults;
use super::super::journal::Asked;
use super::super::store::State;
use super::faults::effect_word;
use super::{moment, pb};

/// How many entries a page has when nothing is said.
const PAGE_SIZE_DEFAULT: usize = 100;
/// How many entries a page has at most.
const PAGE_SIZE_MAX: usize = 1000;

/// A page of deliveries.
pub(super) fn deliveries(
    state: &State,
    config: &Config,
    wanted: &pb::ListDeliveriesRequest,
) -> Result<pb::ListDeliveriesResponse, Status> {
    let (from, size) = place(&wanted.page_token, wanted.page_size)?;
    let any = wanted.state() == pb::delivery::State::Unspecified;
    let fits = |delivery: &Delivery| {
        (wanted.event.is_empty() || delivery.event == wanted.event)
            && (any || outcome(delivery.outcome) == wanted.state())
    };
    let mut found = state.outbox.deliveries(from).filter(|(_, delivery)| fits(delivery));
    let deliveries =
        found.by_ref().take(size).map(|(_, delivery)| told(state, config, delivery)).collect();
    let next_page_token = found.next().map(|(number, _)| number.to_string()).unwrap_or_default();
    Ok(pb::ListDeliveriesResponse { deliveries, next_page_token })
}

/// A page of requests.
pub(super) fn requests(
    state: &State,
    wanted: &pb::ListRequestsRequest,
) -> Result<pb::ListRequestsResponse, Status> {
    let (from, size) = place(&wanted.page_token, wanted.page_size)?;
    let fits = |asked: &Asked| {
        faults::matches(&wanted.method, &asked.method) && faults::matches(&wanted.path, &asked.path)
    };
    let mut found = state.journal.requests(from).filter(|(_, asked)| fits(asked));
    let requests = found.by_ref().take(size).map(|(_, asked)| request(asked)).collect();
    let next_page_token = found.next().map(|(number, _)| number.to_string()).unwrap_or_default();
    Ok(pb::ListRequestsResponse { requests, next_page_token })
}

/// Where a page begins, and how long it is.
fn place(token: &str, size: i32) -> Result<(u64, usize), Status> {
    let invalid = |what: &str| Status::invalid_argument(what.to_owned());
    let from = if token.is_empty() { Ok(0) } else { token.parse() };
    let from = from.map_err(|_| invalid("page_token: not one of a page before"))?;
    match usize::try_from(size).map_err(|_| invalid("page_size: below zero"))? {
        0 => Ok((from, PAGE_SIZE_DEFAULT)),
        size => Ok((from, size.min(PAGE_SIZE_MAX))),
    }
}

fn told(state: &State, config: &Config, delivery: &Delivery) -> pb::Delivery {
    let endpoint = delivery.endpoint.as_deref();
    let target = delivery::target(state, config, endpoint);
    pb::Delivery {
        event: delivery.event.clone(),
        r#type: delivery.kind.clone(),
        endpoint: endpoint.unwrap_or(CONFIGURED).to_owned(),
        url: target.map(|target| target.url).unwrap_or_default(),
        state: outcome(delivery.outcome).into(),
        attempts: i32::try_from(delivery.attempts).unwrap_or(i32::MAX),
        status: delivery.status.map(i32::from).unwrap_or_default(),
        error: delivery.error.clone(),
        create_time: Some(moment(delivery.created_ms)),
        attempt_time: delivery.attempted_ms.map(moment),
    }
}

fn outcome(outcome: Outcome) -> pb::delivery::State {
    match outcome {
        Outcome::Pending => pb::delivery::State::Pending,
        Outcome::Delivered => pb::delivery::State::Delivered,
        Outcome::GivenUp => pb::delivery::State::GivenUp,
        Outcome::Dropped => pb::delivery::State::Dropped,
    }
}

fn request(asked: &Asked) -> pb::Request {
    let fault = asked.struck.map(effect_word).unwrap_or_default();
    pb::Request {
        id: asked.id.clone(),
        time: Some(moment(asked.time_ms)),
        method: asked.method.clone(),
        path: asked.path.clone(),
        query: asked.query.clone(),
        body: asked.body.clone(),
        idempotency_key: asked.key.clone(),
        status: asked.status.map(i32::from).unwrap_or_default(),
        fault: fault.into(),
    }
}
