//! The true program, started for one test, and what a test needs around it.
//!
//! [`Paylink`] is the service, built as `paylink serve` builds it and bound to
//! ports of its own; [`Stripe`] is a sandbox that outlives it, behind a [`Gate`]
//! which a test can shut. [`Program`] is the binary, for what only a process has.

pub mod authority;
mod buyer;
#[allow(dead_code, reason = "other test binaries use the other part")]
pub mod cluster;
mod collector;
mod folder;
mod gate;
mod guarded;
mod issuer;
mod program;
mod published;
mod start;
mod stripe;
mod tls_files;
mod told;
mod watch;
mod webhook;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use paylink::app::Addresses;
use paylink::pb;
use paylink::pb::catalog_service_client::CatalogServiceClient;
use paylink::pb::discount_service_client::DiscountServiceClient;
use paylink::pb::order_service_client::OrderServiceClient;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;
use paylink::pb::shipping_rate_service_client::ShippingRateServiceClient;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

pub use self::buyer::Page;
pub use self::collector::{Collector, attribute};
pub use self::folder::Folder;
pub use self::gate::{Answers, Gate};
pub use self::guarded::{Certified, Guarded, OPERATOR, POLICY, first, with_token};
pub use self::issuer::Issuer;
pub use self::program::Program;
pub use self::published::Published;
pub use self::start::Start;
pub use self::stripe::Stripe;
pub use self::tls_files::TlsFiles;
pub use self::told::{code_of, request_id, retry_delay, violations};
pub use self::watch::Watch;
pub use self::webhook::{Hook, event, now_secs};

/// How long anything may take that a test waits for. Only a broken promise takes it.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// How long to leave alone what is asked again.
const POLL: Duration = Duration::from_millis(10);

/// The way to a gRPC server. Unlike tonic's channel it leaves deadlines to the
/// server, so that a test sees what the server says about them.
pub type Wire = Client<HttpConnector, Body>;

/// A running service.
#[derive(Debug)]
pub struct Paylink {
    /// Its Stripe.
    pub stripe: Stripe,
    /// Where it can be reached.
    pub addresses: Addresses,
    start: Start,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    wire: Wire,
}

/// Makes a way to a gRPC server.
pub fn wire() -> Wire {
    let mut connector = HttpConnector::new();
    // Half of the calls would wait for an acknowledgement of what came before.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
}

/// Gives what is waited for, within [`WAIT_MAX`].
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, what).await.expect("it comes in time")
}

/// Asks again and again until the answer is yes, within [`WAIT_MAX`].
pub async fn until(is_so: impl AsyncFn() -> bool) {
    within(async {
        while !is_so().await {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

/// A line item that needs nothing to exist before it: a poster for 25.00 USD.
pub fn poster() -> pb::LineItem {
    let product =
        pb::line_item::price_data::ProductData { name: "Poster".to_owned(), ..Default::default() };
    let data = pb::line_item::PriceData {
        currency: "usd".to_owned(),
        product_data: Some(product),
        unit_amount: Some(2500),
        ..Default::default()
    };
    pb::LineItem { price_data: Some(data), quantity: Some(1), ..Default::default() }
}

/// A request for a link that sells a poster.
pub fn poster_request() -> pb::CreatePaymentLinkRequest {
    let link = pb::PaymentLink { line_items: vec![poster()], ..Default::default() };
    pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() }
}

// === impl Paylink ===

impl Paylink {
    /// Starts a service with a Stripe of its own, once it is awaited.
    pub fn start() -> Start {
        Start::default()
    }

    /// Asks it to stop, as a signal does. What is under way goes on.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it, and waits until it has. Its Stripe stays.
    pub async fn stop(self) -> Stripe {
        self.ask_to_stop();
        within(self.running).await.unwrap().expect("it stops without an error");
        self.stripe
    }

    /// Stops it and starts it again: other ports, the same storage and Stripe.
    pub async fn restart(self) -> Self {
        let start = self.start.clone();
        start.before(self.stop().await).await
    }

    /// The catalogue.
    pub fn catalog(&self) -> CatalogServiceClient<Wire> {
        CatalogServiceClient::with_origin(self.wire.clone(), self.origin())
    }

    /// The coupons and promotion codes.
    pub fn discounts(&self) -> DiscountServiceClient<Wire> {
        DiscountServiceClient::with_origin(self.wire.clone(), self.origin())
    }

    /// The shipping rates.
    pub fn shipping(&self) -> ShippingRateServiceClient<Wire> {
        ShippingRateServiceClient::with_origin(self.wire.clone(), self.origin())
    }

    /// The payment links.
    pub fn links(&self) -> PaymentLinkServiceClient<Wire> {
        PaymentLinkServiceClient::with_origin(self.wire.clone(), self.origin())
    }

    /// The orders.
    pub fn orders(&self) -> OrderServiceClient<Wire> {
        OrderServiceClient::with_origin(self.wire.clone(), self.origin())
    }

    /// The payments.
    pub fn payments(&self) -> PaymentServiceClient<Wire> {
        PaymentServiceClient::with_origin(self.wire.clone(), self.origin())
    }

    /// The way to its gRPC services, for other clients.
    pub fn wire(&self) -> Wire {
        self.wire.clone()
    }

    /// Where its gRPC services are.
    pub fn origin(&self) -> http::Uri {
        origin(self.addresses.grpc)
    }

    /// Makes a link that sells a poster.
    pub async fn link(&self) -> pb::PaymentLink {
        self.links().create_payment_link(poster_request()).await.unwrap().into_inner()
    }

    /// Makes a link that sells a poster and is otherwise like that.
    pub async fn link_like(&self, like: pb::PaymentLink) -> pb::PaymentLink {
        let link = pb::PaymentLink { line_items: vec![poster()], ..like };
        let request =
            pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
        self.links().create_payment_link(request).await.unwrap().into_inner()
    }

    /// Gets a link as Stripe shows it now.
    pub async fn link_now(&self, id: &str) -> pb::PaymentLink {
        let mut request = tonic::Request::new(pb::GetPaymentLinkRequest { id: id.to_owned() });
        request.metadata_mut().insert("cache-control", "no-cache".parse().unwrap());
        self.links().get_payment_link(request).await.unwrap().into_inner()
    }

    /// Gets a payment.
    pub async fn payment(&self, id: &str) -> Result<pb::Payment, tonic::Status> {
        let request = pb::GetPaymentRequest { id: id.to_owned() };
        self.payments().get_payment(request).await.map(tonic::Response::into_inner)
    }

    /// Makes a payment of a poster with a card, and waits until it is told.
    pub async fn paid_with(&self, card: &str) -> pb::Payment {
        let mut watch = self
            .try_watch(pb::WatchPaymentsRequest { from_now: true, ..Default::default() })
            .await
            .unwrap();
        watch.heartbeat().await;
        Page::open(&self.link().await.url).await.pay(card).await;
        watch.payment().await
    }

    /// Watches all payments from a position on; from the start without one.
    pub async fn watch(&self, position: &str) -> Watch {
        let position = position.to_owned();
        self.try_watch(pb::WatchPaymentsRequest { position, ..Default::default() }).await.unwrap()
    }

    /// Watches payments, or says why not.
    pub async fn try_watch(
        &self,
        request: pb::WatchPaymentsRequest,
    ) -> Result<Watch, tonic::Status> {
        Ok(Watch::new(self.payments().watch_payments(request).await?.into_inner()))
    }
}

/// The URI of a server on this machine.
pub fn origin(address: SocketAddr) -> http::Uri {
    format!("http://{address}").parse().unwrap()
}
