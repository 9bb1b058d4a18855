//! The methods that the faults are tried on, as a caller sees them.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use paylink::caller::{Caller, Notes};
use paylink::catalog::Catalog;
use paylink::clock::Clock;
use paylink::config::{Profile, Sources};
use paylink::endings::Endings;
use paylink::links::Links;
use paylink::operations::Operations;
use paylink::pb;
use paylink::pb::catalog_service_server::CatalogService as _;
use paylink::pb::payment_link_service_server::PaymentLinkService as _;
use paylink::storage::Storage;
use tokio::time::Instant;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::memory::Kept;
use crate::upstream::Upstream;

/// The settings that differ from the defaults: what is kept could hide a fault.
const SETTINGS: [(&str, &str); 2] =
    [("PAYLINK__STRIPE__API_KEY", "sk_test_sandbox"), ("PAYLINK__STRIPE__CACHE_AGE_MS", "0")];

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    CreateProduct,
    DeleteProduct,
    ListProducts,
    CreatePaymentLink,
    UpdatePaymentLink,
    GetPaymentLink,
}

/// The service, but for its listeners.
#[derive(Debug)]
pub struct Service {
    catalog: Catalog,
    links: Links,
}

/// What is there before a method is called.
#[derive(Debug, Clone)]
pub struct Known {
    product: String,
    link: String,
}

// === impl Method ===

impl Method {
    pub const ALL: [Method; 6] = [
        Method::CreateProduct,
        Method::DeleteProduct,
        Method::ListProducts,
        Method::CreatePaymentLink,
        Method::UpdatePaymentLink,
        Method::GetPaymentLink,
    ];

    pub fn is_write(self) -> bool {
        !matches!(self, Method::ListProducts | Method::GetPaymentLink)
    }
}

/// Where links are found again. Its own thread has a time that goes on while that of
/// a test is paused.
static INDEX: LazyLock<Storage> = LazyLock::new(|| {
    let (opened, storage) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let environment = vec![
                ("PAYLINK__STORAGE__URL".to_owned(), "sqlite::memory:".to_owned()),
                ("PAYLINK__STRIPE__API_KEY".to_owned(), "sk_test_1".to_owned()),
            ];
            let sources = Sources { profile: Profile::Serve, file: None, environment };
            let storage = sources.storage().unwrap().open().await.unwrap();
            opened.send(storage).unwrap();
            std::future::pending::<()>().await;
        });
    });
    storage.recv().unwrap()
});

// === impl Service ===

impl Service {
    /// A new service, which has seen nothing go wrong.
    pub fn before(upstream: &Upstream) -> Self {
        let environment = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sources = Sources { profile: Profile::Serve, file: None, environment };
        let config = sources.load().unwrap();
        let stripe = config.stripe.client_over(upstream.transport());
        let memory = Arc::new(Kept::default());
        let clock = Clock::from(1_800_000_000_000);
        let writes = Operations::new(&config.writes, memory, stripe.clone(), clock.clone());
        let endings = Endings::new(
            &config.endings,
            INDEX.clone(),
            stripe.clone(),
            writes.clone(),
            clock.clone(),
        );
        Self {
            catalog: Catalog::new(stripe.clone(), writes.clone()),
            links: Links::new(&config.links, stripe, writes, INDEX.clone(), endings, clock),
        }
    }

    /// Makes a product and a link.
    pub async fn prepare(&self) -> Known {
        let product = pb::Product { name: "Poster".into(), ..Default::default() };
        let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
        let product = self.catalog.create_product(Request::new(request)).await.unwrap();
        let link = self.links.create_payment_link(Request::new(poster(Uuid::new_v4()))).await;
        Known { product: product.into_inner().id, link: link.unwrap().into_inner().id }
    }

    /// Calls a method, and gives the id in the answer, if there is one.
    pub async fn call(
        &self,
        method: Method,
        known: &Known,
        id: Uuid,
        time: Duration,
    ) -> Result<String, Status> {
        let request_id = id.to_string();
        let (product, link) = (known.product.clone(), known.link.clone());
        Ok(match method {
            Method::CreateProduct => {
                let product = Some(pb::Product { name: "Print".into(), ..Default::default() });
                let request =
                    pb::CreateProductRequest { product, request_id, ..Default::default() };
                self.catalog.create_product(within(time, request)).await?.into_inner().id
            }
            Method::DeleteProduct => {
                let request = pb::DeleteProductRequest { id: product, request_id };
                self.catalog.delete_product(within(time, request)).await?;
                String::new()
            }
            Method::ListProducts => {
                let request = pb::ListProductsRequest::default();
                self.catalog.list_products(within(time, request)).await?;
                String::new()
            }
            Method::CreatePaymentLink => {
                let request = within(time, poster(id));
                self.links.create_payment_link(request).await?.into_inner().id
            }
            Method::UpdatePaymentLink => {
                let changed = pb::PaymentLink {
                    id: link,
                    inactive_message: "Sold".into(),
                    ..Default::default()
                };
                let request = pb::UpdatePaymentLinkRequest {
                    payment_link: Some(changed),
                    request_id,
                    ..Default::default()
                };
                self.links.update_payment_link(within(time, request)).await?.into_inner().id
            }
            Method::GetPaymentLink => {
                let request = pb::GetPaymentLinkRequest { id: link };
                self.links.get_payment_link(within(time, request)).await?.into_inner().id
            }
        })
    }
}

/// A request of a caller who waits for so long.
fn within<T>(time: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller::new(Instant::now() + time, Notes::default()));
    request
}

/// A link that needs nothing to exist before it.
fn poster(id: Uuid) -> pb::CreatePaymentLinkRequest {
    let product =
        pb::line_item::price_data::ProductData { name: "Poster".into(), ..Default::default() };
    let data = pb::line_item::PriceData {
        currency: "usd".into(),
        product_data: Some(product),
        unit_amount: Some(2500),
        ..Default::default()
    };
    let item = pb::LineItem { price_data: Some(data), quantity: Some(1), ..Default::default() };
    let link = pb::PaymentLink { line_items: vec![item], ..Default::default() };
    pb::CreatePaymentLinkRequest {
        payment_link: Some(link),
        request_id: id.to_string(),
        ..Default::default()
    }
}
