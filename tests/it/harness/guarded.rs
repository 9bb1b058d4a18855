//! A service that lets in only who is permitted, and callers for it.

use std::path::PathBuf;

use bytes::Bytes;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::authority::{Client, Identity};
use super::issuer::{AUDIENCE, Issuer};
use super::{Folder, Paylink, Start, TlsFiles, within};

/// Two shops, who works for them, and who looks after all.
pub const POLICY: &str = r#"
[[rule]]
identities = ["https://id.example|reader", "spiffe://prod.example/reader"]
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
identities = ["https://id.example|operator", "spiffe://prod.example/operator"]
permissions = ["*"]
all_owners = true

[[rule]]
identities = ["system:serviceaccount:shop:*"]
permissions = ["payments.read", "payments.fulfill"]
owner = "shop"
"#;

/// The operator, as certificates name it.
pub const OPERATOR: &str = "spiffe://prod.example/operator";

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

/// The service where certificates say who calls, and what it is made of.
pub struct Certified {
    /// The service.
    pub paylink: Paylink,
    /// Its TLS.
    pub files: TlsFiles,
    /// A certificate of the operator's that was taken back.
    pub revoked: Identity,
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
            .with("PAYLINK__AUTH__POLICY_PATH", &policy)
            .with("PAYLINK__AUTH__RELOAD_MS", "20")
            .with("PAYLINK__AUTH__ISSUERS__ID__ISSUER", "https://id.example")
            .with("PAYLINK__AUTH__ISSUERS__ID__AUDIENCE", AUDIENCE)
            .with("PAYLINK__AUTH__ISSUERS__ID__JWKS_PATH", &keys)
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__ISSUER", "https://cluster.example")
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__AUDIENCE", AUDIENCE)
            .with("PAYLINK__AUTH__ISSUERS__CLUSTER__JWKS_PATH", &cluster_keys)
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
        let grpc = Grpc::with_origin(self.paylink.wire(), self.paylink.origin());
        first(grpc, method, token).await
    }
}

// === impl Certified ===

impl Certified {
    /// Starts a service that asks for certificates of one trust domain.
    pub async fn start() -> Self {
        let files = TlsFiles::new();
        let revoked = files.theirs.issue_to(&[OPERATOR]);
        files.trust(&files.theirs.pem(), &files.theirs.revoking(&[&revoked]));
        let policy = files.folder.write("policy.toml", POLICY);
        let paylink = files
            .start()
            .with("PAYLINK__AUTH__REQUIRE", "certificate")
            .with("PAYLINK__AUTH__TRUST_DOMAINS", "prod.example")
            .with("PAYLINK__AUTH__POLICY_PATH", policy.to_str().unwrap())
            // All callers come from one address, bad ones and good ones.
            .with("PAYLINK__CONNECTIONS__PENALTY_MS", "0")
            .with("PAYLINK__CONNECTIONS__STAY_MS_MIN", "0")
            .await;
        Self { paylink, files, revoked }
    }

    /// A way to it for who shows a certificate, or none.
    pub fn channel(&self, shown: Option<&Identity>) -> Channel {
        Client::new(self.paylink.addresses.grpc, &self.files.ours, shown).channel()
    }
}

/// A request that carries a token.
pub fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Calls a method with an empty message, and says what comes of it first.
pub async fn first<S>(mut grpc: Grpc<S>, method: &str, token: Option<&str>) -> Result<(), Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = token.map_or_else(|| Request::new(()), |token| with_token((), token));
    let path = format!("/{method}").parse().unwrap();
    // Of a stream too, what comes first shows whether it was let in.
    let asked = async {
        grpc.ready().await.map_err(|_| Status::unavailable("no connection"))?;
        let codec = ProstCodec::<(), ()>::default();
        grpc.server_streaming(request, path, codec).await?.into_inner().message().await
    };
    within(asked).await.map(drop)
}
