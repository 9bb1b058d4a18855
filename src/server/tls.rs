//! TLS of a listener: version 1.3 alone, with certificates from files that are
//! followed while they change.
//!
//! A connection is judged by the files of the moment when it is made, and again when
//! the authorities or the lists of revoked certificates change: who would no longer
//! be let in is asked to leave. Sessions are not resumed, since a resumed one would
//! be judged by what was true when it began.

mod expiry;
mod files;
mod follow;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::files::{Contents, Files};

/// How a listener's connections are encrypted, and who may make them. Without a
/// certificate they are not encrypted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A PEM file with the listener's certificate, and behind it those that lead to
    /// an authority which clients know. Switches TLS on.
    pub certificate_path: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    pub key_path: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// A PEM file with the authorities of clients' certificates.
    pub client_ca_path: Option<PathBuf>,
    /// A PEM file with lists of revoked certificates, one of each authority: with
    /// such a file, a certificate whose authority has no list in it is refused.
    pub client_crl_path: Option<PathBuf>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Nobody comes in without one.
    Required,
    /// Whoever shows one is held to it; who does not comes in as nobody.
    Optional,
    /// None is asked for.
    Off,
}

/// Where connections without TLS are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plaintext {
    /// From this machine alone.
    Loopback,
    /// From anywhere: for networks that encrypt by themselves, and for nothing else.
    Anywhere,
}

/// A setting of TLS, or a file that one names, is not usable.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {cause}")]
pub struct Error {
    key: &'static str,
    cause: Cause,
}

/// The files of one listener, as they were when they last made sense.
#[derive(Debug)]
pub(super) struct Tls {
    listener: &'static str,
    files: Files,
    rules: Rules,
    /// Of the files that it was opened with.
    opened: [u8; 32],
    current: watch::Sender<Current>,
}

/// What a client was let in by, and whether it still would be.
#[derive(Debug)]
pub(super) struct Trust {
    chain: Vec<CertificateDer<'static>>,
    current: watch::Receiver<Current>,
}

/// What does not change while the files do.
#[derive(Debug, Clone, Copy)]
struct Rules {
    clients: ClientCertificates,
    /// What may be spoken, as ALPN names it, best first.
    protocols: &'static [&'static [u8]],
    /// Whether a client must have agreed on one of these.
    agreed: bool,
}

#[derive(Debug, Clone)]
struct Current {
    config: Arc<ServerConfig>,
    /// Judges what clients show, where they are asked.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("must be set where {0} is")]
    Missing(&'static str),
    #[error("must be set unless {0} is \"off\"")]
    NoAuthority(&'static str),
    #[error("has no effect where {0} is \"off\"")]
    NoEffect(&'static str),
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the file is larger than {} bytes", files::BYTES_MAX)]
    TooLarge,
    #[error("the file is not PEM of what it should hold: {0}")]
    Malformed(#[from] rustls::pki_types::pem::Error),
    #[error("the file holds nothing of the kind")]
    Empty,
    #[error("not usable: {0}")]
    Refused(#[from] rustls::Error),
    #[error("not usable: {0}")]
    RefusedClients(#[from] VerifierBuilderError),
}

// === impl Config ===

impl Config {
    /// Whether clients are asked for certificates.
    #[must_use]
    pub fn sees_certificates(&self) -> bool {
        self.certificate_path.is_some() && self.client_certificates != ClientCertificates::Off
    }

    /// Reads the files, where there are any, and tells until when each is good, in
    /// Unix seconds; or what is wrong with them.
    pub fn examine(&self) -> Result<Vec<(&'static str, i64)>, Error> {
        let Some(files) = Files::of(self)? else { return Ok(Vec::new()) };
        let contents = files.read()?;
        let rules = Rules { clients: self.client_certificates, protocols: &[], agreed: false };
        rules.apply(&contents)?;
        Ok(expiry::ends(&contents))
    }

    /// Reads the files, where there are any. `protocols` is what is spoken, as ALPN
    /// names it, best first; `agreed` says that nothing is spoken that was not agreed on.
    pub(super) fn open(
        &self,
        listener: &'static str,
        protocols: &'static [&'static [u8]],
        agreed: bool,
    ) -> Result<Option<Tls>, Error> {
        let Some(files) = Files::of(self)? else { return Ok(None) };
        let rules = Rules { clients: self.client_certificates, protocols, agreed };
        let contents = files.read()?;
        let current = watch::Sender::new(rules.apply(&contents)?);
        expiry::report(listener, &contents);
        Ok(Some(Tls { listener, files, rules, opened: contents.digest(), current }))
    }
}

// === impl Tls ===

impl Tls {
    /// Shakes hands. Gives the connection, and the client's certificate in DER where
    /// it has shown one, with what tells whether it is still good.
    pub(super) async fn accept(
        &self,
        socket: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<(Arc<[u8]>, Trust)>)> {
        let current = self.current.subscribe();
        let config = current.borrow().config.clone();
        let stream = TlsAcceptor::from(config).accept(socket).await?;
        let (_, session) = stream.get_ref();
        if self.rules.agreed && session.alpn_protocol().is_none() {
            return Err(io::Error::other("the client has not said what it speaks"));
        }
        let shown = session.peer_certificates().and_then(|chain| {
            let certificate = Arc::from(chain.first()?.as_ref());
            let chain = chain.iter().map(|certificate| certificate.clone().into_owned());
            Some((certificate, Trust { chain: chain.collect(), current }))
        });
        Ok((stream, shown))
    }
}

// === impl Trust ===

impl Trust {
    /// Waits until the client would no longer be let in, for as long as it takes.
    pub(super) async fn lost(&mut self) {
        while self.current.changed().await.is_ok() {
            let verifier = self.current.borrow_and_update().verifier.clone();
            let (Some(verifier), Some((own, others))) = (verifier, self.chain.split_first()) else {
                continue;
            };
            if verifier.verify_client_cert(own, others, UnixTime::now()).is_err() {
                return;
            }
        }
        // The listener is gone, and changes nothing any more.
        std::future::pending::<()>().await;
    }
}

// === impl Rules ===

impl Rules {
    /// Makes of the files what connections are accepted by.
    fn apply(self, contents: &Contents) -> Result<Current, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let of = |key: &'static str| {
            move |error: rustls::Error| Error { key, cause: Cause::Refused(error) }
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(of("tls.certificate_path"))?;
        let verifier = self.verifier(contents, provider)?;
        let builder = match verifier.clone() {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        // A key that does not fit the certificate is found here.
        let mut config = builder
            .with_single_cert(contents.chain()?, contents.key()?)
            .map_err(of("tls.certificate_path"))?;
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Current { config: Arc::new(config), verifier })
    }

    fn verifier(
        self,
        contents: &Contents,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
        let key = "tls.client_ca_path";
        if self.clients == ClientCertificates::Off {
            return Ok(None);
        }
        let mut authorities = RootCertStore::empty();
        for authority in contents.authorities()? {
            authorities.add(authority).map_err(|error| Error { key, cause: error.into() })?;
        }
        let authorities = Arc::new(authorities);
        let builder = WebPkiClientVerifier::builder_with_provider(authorities, provider);
        let builder = builder.with_crls(contents.revoked()?);
        let builder = match self.clients {
            ClientCertificates::Optional => builder.allow_unauthenticated(),
            _ => builder,
        };
        let verifier = builder.build().map_err(|error| Error { key, cause: error.into() })?;
        Ok(Some(verifier))
    }
}
