//! A service that lets in only who is permitted, and callers for it.

use std::path::PathBuf;

use prost::Message;
use tonic::client::Grpc;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::issuer::{AUDIENCE, Issuer};
use super::{Folder, Paylink, Start, within};

/// Two shops, who works for them, and who looks after all.
pub const POLICY: &str = r#"
[[rule]]
identities = ["https://id.example|reader"]
permissions = ["catalog.read", "discounts.read", "shipping.read", "links.read", "orders.read",
    "payments.read"]
owner = "shop"

[[rule]]
identities = ["https://id.example|shop"]
permissions = ["catalog.*", "links.*", "orders.*", "payments.read", "payments.fulfill",
    "payments.refund"]
owner = "shop"

[[rule]]
identities = ["https://id.example|crm"]
permissions = ["catalog.*", "links.*", "orders.*", "payments.*", "audit.read"]
owner = "crm"

[[rule]]
identities = ["https://id.example|operator"]
permissions = ["*"]
all_owners = true

[[rule]]
identities = ["system:serviceaccount:shop:*"]
permissions = ["payments.read", "payments.fulfill"]
owner = "shop"
"#;

/// The service, and what its policy and keys stand in.
#[derive(Debug)]
pub struct Guarded {
    /// The service.
    pub paylink: Paylink,
    /// The issuer of people's and services' tokens.
    pub issuer: Issuer,
    /// The issuer of service accounts' tokens.
    pub cluster: Issuer,
    folder: Folder,
}

// === impl Guarded ===

impl Guarded {
    /// Starts a service that asks for tokens.
    pub async fn start() -> Self {
        Self::start_as(Paylink::start()).await
    }

    /// Starts a service with other settings that asks for tokens.
    pub async fn start_as(start: Start) -> Self {
        let folder = Folder::new();
        let issuer = Issuer::new("https://id.example", "first");
        let cluster = Issuer::new("https://cluster.example", "one");
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let policy = path(folder.write("policy.toml", POLICY));
        let keys = path(folder.write("issuer.json", &issuer.keys()));
        let cluster_keys = path(folder.write("cluster.json", &cluster.keys()));
        let paylink = start
            .with("PAYLINK__AUTH__REQUIRE", "token")
            .with("PAYLINK__AUTH__POLICY", &policy)
            .with("PAYLINK__AUTH__RELOAD_MS", "20")
            .with("PAYLINK__AUTH__ISSUERS__ID__ISSUER", "https://id.example")
            .with("PAYLINK__AUTH__ISSUERS__ID__AUDIENCE", AUDIENCE)
            .with("PAYLINK__AUTH__ISSUERS__ID__JWKS_FILE", &keys)
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__ISSUER", "https://cluster.example")
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__AUDIENCE", AUDIENCE)
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__JWKS_FILE", &cluster_keys)
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__KUBERNETES", "true")
            .await;
        Self { paylink, issuer, cluster, folder }
    }

    /// A request by a subject of the issuer.
    pub fn by<T>(&self, subject: &str, message: T) -> Request<T> {
        with_token(message, &self.issuer.token(subject))
    }

    /// Replaces the policy.
    pub fn put_policy(&self, text: &str) {
        self.put("policy.toml", text);
    }

    /// Replaces the keys of the issuer.
    pub fn put_keys(&self, text: &str) {
        self.put("issuer.json", text);
    }

    /// Replaces a file at once, so that nobody reads half of it.
    fn put(&self, name: &str, text: &str) {
        let new = self.folder.write("new", text);
        std::fs::rename(new, self.folder.file(name)).unwrap();
    }

    /// Calls a method with an empty message, and says what comes of it first.
    pub async fn ask(&self, method: &str, token: Option<&str>) -> Result<(), Status> {
        let mut request = Request::new(());
        if let Some(token) = token {
            request = with_token((), token);
        }
        first(&self.paylink, method, request).await
    }
}

/// A request that carries a token.
pub fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

async fn first<T: Message + Default + 'static>(
    paylink: &Paylink,
    method: &str,
    request: Request<T>,
) -> Result<(), Status> {
    let mut grpc = Grpc::with_origin(paylink.wire(), paylink.origin());
    grpc.ready().await.unwrap();
    let path = format!("/{method}").parse().unwrap();
    // Of a stream too, what comes first shows whether it was let in.
    let asked = grpc.server_streaming(request, path, ProstCodec::<T, ()>::default());
    within(async { asked.await?.into_inner().message().await.map(drop) }).await
}
