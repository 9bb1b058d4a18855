//! The gRPC services, and the layers around every method.

use std::net::SocketAddr;

use axum::{Router, middleware};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_http::catch_panic::CatchPanicLayer;

use super::listener::{Entrance, Speaks};
use super::tls::{self, Plaintext};
use super::{audit, authorize, deadline, observe, panic, request_id, shed, streams};
use crate::audit::AuditLog;
use crate::auth::Auth;
use crate::catalog::Catalog;
use crate::discounts::Discounts;
use crate::doctor::Doctor;
use crate::links::Links;
use crate::orders::Orders;
use crate::payments::Payments;
use crate::pb;
use crate::pb::audit_service_server::AuditServiceServer;
use crate::pb::catalog_service_server::CatalogServiceServer;
use crate::pb::diagnostics_service_server::DiagnosticsServiceServer;
use crate::pb::discount_service_server::DiscountServiceServer;
use crate::pb::order_service_server::OrderServiceServer;
use crate::pb::payment_link_service_server::PaymentLinkServiceServer;
use crate::pb::payment_service_server::PaymentServiceServer;
use crate::pb::shipping_rate_service_server::ShippingRateServiceServer;
use crate::shipping::ShippingRates;
use crate::stripe;

/// The largest message to health and reflection, in bytes: it holds a name. Anyone may send
/// one to health, so what many of them have begun to send must be little.
const NAMING_BYTES_MAX: usize = 1_024;

/// How gRPC is served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where connections without TLS are accepted.
    pub plaintext: Plaintext,
    /// TLS.
    pub tls: tls::Config,
    /// The largest request that is read, in bytes.
    pub request_bytes_max: usize,
    /// The largest answer that is sent, in bytes.
    pub response_bytes_max: usize,
    /// How many unary calls are under way at the same time; further ones are refused.
    pub in_flight_max: usize,
    /// How many of them are one caller's, who is known by its identity, or by
    /// its address where callers have none.
    pub in_flight_max_of_caller: usize,
    /// How many streams are open at the same time; further ones are refused.
    pub open_streams_max: usize,
    /// How many of them are one caller's.
    pub open_streams_max_of_caller: usize,
    /// How many streams that do work, as `BatchCreatePaymentLinks`, are open at the same
    /// time; they have places of their own.
    pub open_batches_max: usize,
    /// How many of them are one caller's.
    pub open_batches_max_of_caller: usize,
    /// How long a unary call may take that has no deadline of its own, in milliseconds.
    pub timeout_ms_default: u64,
    /// How long a unary call may take at most, in milliseconds.
    pub timeout_ms_max: u64,
}

/// The reflection data cannot be read. It is compiled in, and tested.
pub type ReflectionError = tonic_reflection::server::Error;

/// The slices.
#[derive(Debug)]
pub struct Services {
    /// The records of calls.
    pub audit: AuditLog,
    /// Products and prices.
    pub catalog: Catalog,
    /// Coupons and promotion codes.
    pub discounts: Discounts,
    /// How the service is set up.
    pub doctor: Doctor,
    /// Payment links.
    pub links: Links,
    /// Payments.
    pub payments: Payments,
    /// Orders.
    pub orders: Orders,
    /// Shipping rates.
    pub shipping: ShippingRates,
}

// === impl Config ===

impl Config {
    /// What is to be listened on.
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance {
            name: "grpc",
            address: self.listen,
            speaks: Speaks::Http2,
            plaintext: self.plaintext,
            tls: Some(self.tls.clone()),
            connections_max_of_address: None,
        }
    }
}

/// Puts a slice behind the generated server of its service, within the bounds
/// of messages.
macro_rules! bounded {
    ($server:ident, $slice:expr, $config:expr) => {
        $server::new($slice)
            .max_decoding_message_size($config.request_bytes_max)
            .max_encoding_message_size($config.response_bytes_max)
    };
}

/// Routes every method.
///
/// Whatever comes out has a `paylink-request-id`; an error is a `google.rpc.Status`
/// with details; and nothing outlasts its deadline or the drain.
pub fn routes(
    config: &Config,
    services: Services,
    auth: Auth,
    stripe: stripe::Client,
    health: HealthReporter,
    drain: CancellationToken,
    records: audit::Audit,
) -> Result<Router, ReflectionError> {
    let health = HealthServer::new(HealthService::from_health_reporter(health))
        .max_decoding_message_size(NAMING_BYTES_MAX);
    let methods = Routes::new(health)
        .add_service(bounded!(AuditServiceServer, services.audit, config))
        .add_service(bounded!(CatalogServiceServer, services.catalog, config))
        .add_service(bounded!(DiagnosticsServiceServer, services.doctor, config))
        .add_service(bounded!(DiscountServiceServer, services.discounts, config))
        .add_service(bounded!(PaymentLinkServiceServer, services.links, config))
        .add_service(bounded!(OrderServiceServer, services.orders, config))
        .add_service(bounded!(PaymentServiceServer, services.payments, config))
        .add_service(bounded!(ShippingRateServiceServer, services.shipping, config))
        .add_service(reflection().build_v1()?.max_decoding_message_size(NAMING_BYTES_MAX))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(NAMING_BYTES_MAX))
        .prepare()
        .into_axum_router();

    let calls = shed::Calls::new(config);
    let limits = deadline::Limits::new(config.timeout_ms_default, config.timeout_ms_max);
    let gate = authorize::Gate { auth, stripe };
    // The innermost comes first.
    Ok(methods
        // Knows who calls, and is before any work that is done for a call.
        .layer(middleware::from_fn_with_state(calls, shed::admit))
        // Around every method, so that none is reached without a decision.
        .layer(middleware::from_fn_with_state(gate, authorize::call))
        // Outside all that can wait, which keys of tokens can be waited for too.
        .layer(middleware::from_fn_with_state(limits, deadline::enforce))
        // Outside the deadlines and proofs, which it reads, to end streams by them too.
        .layer(middleware::from_fn_with_state(drain, streams::end))
        // Around all that runs code of ours for one call.
        .layer(CatchPanicLayer::custom(panic::answer))
        // Outside everything that can fail, so that every error names its request.
        .layer(middleware::from_fn(request_id::name))
        // Outside everything that decides how a call ends, and how that is told.
        .layer(middleware::from_fn_with_state(records, audit::call))
        // Outermost, so that it sees what the caller sees.
        .layer(middleware::from_fn(observe::call)))
}

/// Describes our services, and the details that errors carry, to clients such
/// as grpcurl.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
