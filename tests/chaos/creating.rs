//! Links that are asked for while the service is killed, and how often each was made.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use paylink::pb;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::sandbox::Config;
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use uuid::Uuid;

use super::API_KEY;

/// How many ask at the same time. Stripe's rate limit for tests leaves room for few.
const CREATORS: usize = 4;
/// How long to wait where the service or Stripe has no room.
const PAUSE: Duration = Duration::from_millis(50);
/// The metadata of a link that names its request.
const REQUEST: &str = "request";

/// An account at a Stripe that outlives the service.
pub struct Account {
    /// Where it is.
    pub url: String,
}

/// What was asked for: each request with its link, once one was told of.
#[derive(Default)]
pub struct Links(Arc<Mutex<HashMap<String, Option<String>>>>);

// === impl Account ===

impl Account {
    /// Opens an empty account.
    pub async fn start() -> Self {
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            api_key: API_KEY.to_owned(),
            ..Config::default()
        };
        let sandbox = config.build().await.unwrap();
        let url = format!("http://{}", sandbox.local_addr());
        tokio::spawn(sandbox.run(std::future::pending()));
        Self { url }
    }

    /// Gives the request of every link that was ever made.
    pub async fn requests(&self) -> Vec<(String, String)> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let url = format!("{}/v1/payment_links?limit=100{after}", self.url);
            let answer = reqwest::Client::new().get(url).bearer_auth(API_KEY).send();
            let page: Value =
                serde_json::from_slice(&answer.await.unwrap().bytes().await.unwrap()).unwrap();
            for link in page["data"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                found.push((text(&link["metadata"][REQUEST]), text(&link["id"])));
                after = format!("&starting_after={}", text(&link["id"]));
            }
            if page["has_more"] != true {
                return found;
            }
        }
    }
}

// === impl Links ===

impl Links {
    /// Asks for links until the service is gone: first again for those that were
    /// not told of, and then for new ones.
    pub fn create_until_cut(&self, address: SocketAddr) -> Vec<JoinHandle<()>> {
        let known = self.0.lock().unwrap();
        let open = known.iter().filter(|(_, link)| link.is_none()).map(|(id, _)| id.clone());
        let open = Arc::new(Mutex::new(open.collect::<Vec<_>>()));
        let creators = (0..CREATORS).map(|_| {
            let (open, known) = (open.clone(), self.0.clone());
            tokio::spawn(async move {
                loop {
                    let next = open.lock().unwrap().pop();
                    let id = next.unwrap_or_else(|| Uuid::new_v4().to_string());
                    known.lock().unwrap().entry(id.clone()).or_default();
                    match create(address, &id).await {
                        Ok(link) => drop(known.lock().unwrap().insert(id, Some(link))),
                        Err(status) if is_cut(&status) => return,
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    }
                }
            })
        });
        creators.collect()
    }

    /// Asks for every link again, and holds the answers against what was told before
    /// and what is at Stripe. Gives how many were asked for, and how many of them had
    /// been told of.
    pub async fn check(self, address: SocketAddr, account: &Account) -> (usize, usize) {
        let known = std::mem::take(&mut *self.0.lock().unwrap());
        let mut made: HashMap<String, Vec<String>> = HashMap::new();
        for (id, told) in &known {
            let link = loop {
                match create(address, id).await {
                    Ok(link) => break link,
                    Err(status) => {
                        assert!(!is_cut(&status), "{status:?}");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            if let Some(told) = told {
                assert_eq!(*told, link, "a link that was told of is found again");
            }
            made.insert(id.clone(), vec![link]);
        }
        let mut at_stripe: HashMap<String, Vec<String>> = HashMap::new();
        for (id, link) in account.requests().await {
            at_stripe.entry(id).or_default().push(link);
        }
        assert_eq!(at_stripe, made, "each link is made once");
        (known.len(), known.values().flatten().count())
    }
}

async fn create(address: SocketAddr, id: &str) -> Result<String, Status> {
    let wire = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let origin = format!("http://{address}").parse().unwrap();
    let mut client = PaymentLinkServiceClient::with_origin(wire, origin);
    let answer = client.create_payment_link(request(id)).await?;
    Ok(answer.into_inner().id)
}

/// A request for a link that sells a poster, which names itself in the metadata.
pub fn request(id: &str) -> pb::CreatePaymentLinkRequest {
    use pb::line_item::{PriceData, price_data::ProductData};

    let product_data = Some(ProductData { name: "Poster".into(), ..Default::default() });
    let price_data = PriceData {
        currency: "usd".into(),
        unit_amount: Some(2_500),
        product_data,
        ..Default::default()
    };
    let price_data = Some(price_data);
    let item = pb::LineItem { price_data, quantity: Some(1), ..Default::default() };
    let metadata = [(REQUEST.to_owned(), id.to_owned())].into();
    let link = pb::PaymentLink { line_items: vec![item], metadata, ..Default::default() };
    pb::CreatePaymentLinkRequest {
        payment_link: Some(link),
        request_id: id.to_owned(),
        ..Default::default()
    }
}

/// Whether the connection was refused or cut, and not answered. What the service
/// says itself names a reason.
fn is_cut(status: &Status) -> bool {
    let is_bare = status.details().is_empty();
    is_bare && matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Unavailable)
}
