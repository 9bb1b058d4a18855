//! `SandboxService`: by it tests pay, move the clock, make things go wrong and look back.
//!
//! It is served beside Stripe's API on the same port, with reflection, and is the only part of the
//! sandbox that knows of gRPC. Its messages are no part of the service's contract.

mod faults;
mod listing;
mod pay;
pub mod pb;

use std::sync::Arc;

use axum::Router;
use prost_types::Timestamp;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::store::State;
use super::{Shared, expire_due, objects, passage, snapshot};
use pb::sandbox_service_server::{SandboxService, SandboxServiceServer};

/// Why the services cannot describe themselves.
pub type ReflectionError = tonic_reflection::server::Error;

/// The largest message, in bytes: a snapshot of a large state.
const MESSAGE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The furthest that the clock is moved at once, in seconds.
const ADVANCE_S_MAX: i64 = 10 * 366 * 24 * 60 * 60;

/// The service and its description.
pub(super) fn routes(shared: &Arc<Shared>) -> Result<Router, ReflectionError> {
    let control = SandboxServiceServer::new(Control { shared: Arc::clone(shared) })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
    };
    let routes = Routes::new(control)
        .add_service(described().build_v1()?)
        .add_service(described().build_v1alpha()?);
    // What is no method is an address of Stripe's API, so the fallback is left to that.
    Ok(routes.prepare().into_axum_router().reset_fallback())
}

#[derive(Debug)]
struct Control {
    shared: Arc<Shared>,
}

type Answer<T> = Result<Response<T>, Status>;

// === impl Control ===

#[tonic::async_trait]
impl SandboxService for Control {
    async fn pay_payment_link(
        &self,
        request: Request<pb::PayPaymentLinkRequest>,
    ) -> Answer<pb::PayPaymentLinkResponse> {
        let order = request.into_inner();
        let paid = self.shared.with(|state| {
            expire_due(state);
            let has = |state: &State| pay::find(state, &order.payment_link).is_ok();
            state.where_is(has, |state| pay::pay(state, &order))
        });
        paid.map(Response::new)
    }

    async fn advance_clock(
        &self,
        request: Request<pb::AdvanceClockRequest>,
    ) -> Answer<pb::AdvanceClockResponse> {
        let wanted = request.into_inner().duration.unwrap_or_default();
        let within = (0..=ADVANCE_S_MAX).contains(&wanted.seconds) && wanted.nanos >= 0;
        if !within {
            return Err(Status::invalid_argument("duration: between zero and ten years"));
        }
        let ms = wanted.seconds * 1000 + i64::from(wanted.nanos / 1_000_000);
        let before = self.shared.look(|state| state.events_made());
        passage::advance(&self.shared, ms).await;
        let (after, now_ms) = self.shared.look(|state| (state.events_made(), state.clock.now_ms()));
        let events = i32::try_from(after.saturating_sub(before)).unwrap_or(i32::MAX);
        Ok(Response::new(pb::AdvanceClockResponse { time: Some(moment(now_ms)), events }))
    }

    async fn reset(&self, _: Request<pb::ResetRequest>) -> Answer<pb::ResetResponse> {
        self.shared.replace(self.shared.config.blank(&self.shared.url));
        Ok(Response::new(pb::ResetResponse {}))
    }

    async fn snapshot(&self, _: Request<pb::SnapshotRequest>) -> Answer<pb::SnapshotResponse> {
        let snapshot = self.shared.read(snapshot::save);
        let snapshot = snapshot.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(pb::SnapshotResponse { snapshot }))
    }

    async fn restore(&self, request: Request<pb::RestoreRequest>) -> Answer<pb::RestoreResponse> {
        snapshot::restore(&self.shared, &request.into_inner().snapshot)
            .map_err(|error| Status::invalid_argument(format!("snapshot: {error}")))?;
        Ok(Response::new(pb::RestoreResponse {}))
    }

    async fn seed(&self, request: Request<pb::SeedRequest>) -> Answer<pb::SeedResponse> {
        let made = objects::make(&self.shared, &request.into_inner().objects)
            .map_err(|error| Status::invalid_argument(format!("objects: {error}")))?;
        let objects = made.iter().map(ToString::to_string).collect();
        Ok(Response::new(pb::SeedResponse { objects }))
    }

    async fn inject_fault(&self, request: Request<pb::InjectFaultRequest>) -> Answer<pb::Fault> {
        let wanted = request.into_inner().fault.unwrap_or_default();
        self.shared.with(|state| faults::inject(state, &wanted)).map(Response::new)
    }

    async fn list_faults(
        &self,
        _: Request<pb::ListFaultsRequest>,
    ) -> Answer<pb::ListFaultsResponse> {
        let faults =
            self.shared.look(|state| state.faults.rules().iter().map(faults::told).collect());
        Ok(Response::new(pb::ListFaultsResponse { faults }))
    }

    async fn clear_faults(
        &self,
        request: Request<pb::ClearFaultsRequest>,
    ) -> Answer<pb::ClearFaultsResponse> {
        let id = request.into_inner().id;
        let id = (!id.is_empty()).then_some(id.as_str());
        let cleared = self.shared.with(|state| state.faults.clear(id));
        if let (0, Some(id)) = (cleared, id) {
            return Err(Status::not_found(format!("there is no fault {id}")));
        }
        let cleared = i32::try_from(cleared).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ClearFaultsResponse { cleared }))
    }

    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Answer<pb::ListDeliveriesResponse> {
        let wanted = request.into_inner();
        let config = &self.shared.config;
        self.shared.look(|state| listing::deliveries(state, config, &wanted)).map(Response::new)
    }

    async fn list_requests(
        &self,
        request: Request<pb::ListRequestsRequest>,
    ) -> Answer<pb::ListRequestsResponse> {
        let wanted = request.into_inner();
        self.shared.look(|state| listing::requests(state, &wanted)).map(Response::new)
    }
}

fn moment(unix_ms: i64) -> Timestamp {
    let nanos = i32::try_from(unix_ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Timestamp { seconds: unix_ms.div_euclid(1000), nanos }
}
