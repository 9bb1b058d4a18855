//! Authorities that issue certificates, good and bad ones, and clients that show them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use tokio::net::TcpStream;
use tokio::sync::RwLock;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tonic::transport::{Channel, Endpoint};

/// The name that listeners of tests have.
pub const NAME: &str = "paylink.test";

/// Tells certificates apart, and authorities.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
    serial: u64,
}

/// What a client knows, shows and speaks. Each connection begins with what it is then.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    config: Arc<RwLock<Arc<ClientConfig>>>,
}

// === impl Authority ===

impl Authority {
    /// Makes an authority of a name of its own.
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Issues a certificate that is good for years.
    pub fn issue(&self) -> Identity {
        self.issue_to(&[])
    }

    /// Issues such a certificate to who has these URIs.
    pub fn issue_to(&self, uris: &[&str]) -> Identity {
        self.issue_for(2020, 2120, uris)
    }

    /// Issues a certificate that is good from the beginning of a year to that of another.
    pub fn issue_for(&self, from: i32, to: i32, uris: &[&str]) -> Identity {
        let serial = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
        params.subject_alt_names.extend(uris.iter().map(uri));
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { certificate, key: key.serialize_pem(), serial }
    }

    /// Lists, in PEM, what it takes back.
    pub fn revoking(&self, identities: &[&Identity]) -> String {
        let at = date_time_ymd(2025, 1, 1);
        let revoked = identities.iter().map(|identity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial),
            revocation_time: at,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: at,
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(NUMBER.fetch_add(1, Ordering::Relaxed)),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

// === impl Client ===

impl Client {
    /// A client that knows an authority, and shows a certificate if it has one.
    pub fn new(address: SocketAddr, authority: &Authority, shown: Option<&Identity>) -> Self {
        let config = config(authority, shown, &[&TLS13], &[b"h2"]);
        Self { address, config: Arc::new(RwLock::new(Arc::new(config))) }
    }

    /// The same client, speaking something else.
    pub fn speaking(
        address: SocketAddr,
        authority: &Authority,
        shown: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> Self {
        let config = config(authority, shown, versions, protocols);
        Self { address, config: Arc::new(RwLock::new(Arc::new(config))) }
    }

    /// Knows and shows something else in all connections to come. Waits for those
    /// that are being made.
    pub async fn change(&self, authority: &Authority, shown: &Identity) {
        *self.config.write().await = Arc::new(config(authority, Some(shown), &[&TLS13], &[b"h2"]));
    }

    /// Shakes hands.
    pub async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.config.read().await;
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(config.clone()).connect(name, socket).await
    }

    /// A way to the gRPC services, which connects when it is used and as often as needed.
    pub fn channel(&self) -> Channel {
        let client = self.clone();
        let connector = tower::service_fn(move |_| {
            let client = client.clone();
            async move { client.connect().await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect_with_connector_lazy(connector)
    }
}

fn config(
    authority: &Authority,
    shown: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key, .. }) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}
