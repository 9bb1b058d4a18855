//! The files of a listener's TLS, and what stands in them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

use super::{Cause, ClientCertificates, Config, Error};

/// How large a file may be. Lists of revoked certificates can be long.
pub(super) const BYTES_MAX: usize = 16 << 20;

const CERTIFICATE: &str = "tls.certificate_path";
const KEY: &str = "tls.key_path";
const CLIENTS: &str = "tls.client_certificates";
const CLIENT_CA: &str = "tls.client_ca_path";
const CLIENT_CRL: &str = "tls.client_crl_path";

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_crl: Option<PathBuf>,
}

/// What they held when they were read.
#[derive(Debug)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: SecretSlice<u8>,
    client_ca: Option<Vec<u8>>,
    client_crl: Option<Vec<u8>>,
}

// === impl Files ===

impl Files {
    /// Finds the files that are named, or none; settings that contradict each other
    /// are refused.
    pub(super) fn of(config: &Config) -> Result<Option<Self>, Error> {
        let Config { certificate_path, key_path, client_ca_path, client_crl_path, .. } = config;
        let Some(certificate) = certificate_path.clone() else {
            let others =
                [(key_path, KEY), (client_ca_path, CLIENT_CA), (client_crl_path, CLIENT_CRL)];
            return match others.iter().find(|(path, _)| path.is_some()) {
                Some((_, other)) => Err(Error { key: CERTIFICATE, cause: Cause::Missing(other) }),
                None => Ok(None),
            };
        };
        let key = key_path.clone();
        let key = key.ok_or(Error { key: KEY, cause: Cause::Missing(CERTIFICATE) })?;
        let client_ca = client_ca_path.clone();
        let client_crl = client_crl_path.clone();
        let off = config.client_certificates == ClientCertificates::Off;
        if off && (client_ca.is_some() || client_crl.is_some()) {
            let key = if client_ca.is_some() { CLIENT_CA } else { CLIENT_CRL };
            return Err(Error { key, cause: Cause::NoEffect(CLIENTS) });
        }
        if !off && client_ca.is_none() {
            return Err(Error { key: CLIENT_CA, cause: Cause::NoAuthority(CLIENTS) });
        }
        Ok(Some(Self { certificate, key, client_ca, client_crl }))
    }

    /// Reads them all.
    pub(super) fn read(&self) -> Result<Contents, Error> {
        let optional = |path: &Option<PathBuf>, key| {
            path.as_ref().map(|path| read(path).map_err(|cause| Error { key, cause })).transpose()
        };
        Ok(Contents {
            certificate: read(&self.certificate)
                .map_err(|cause| Error { key: CERTIFICATE, cause })?,
            key: read(&self.key).map_err(|cause| Error { key: KEY, cause })?.into(),
            client_ca: optional(&self.client_ca, CLIENT_CA)?,
            client_crl: optional(&self.client_crl, CLIENT_CRL)?,
        })
    }
}

// === impl Contents ===

impl Contents {
    /// The listener's certificate, and those that lead from it to an authority.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        all(&self.certificate, CERTIFICATE)
    }

    /// Its private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key.expose_secret())
            .map_err(|error| Error { key: KEY, cause: error.into() })
    }

    /// The authorities of clients' certificates.
    pub(super) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        all(self.client_ca.as_deref().unwrap_or_default(), CLIENT_CA)
    }

    /// The lists of revoked certificates; none where no file was named.
    pub(super) fn revoked(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
        self.client_crl.as_ref().map_or(Ok(Vec::new()), |pem| all(pem, CLIENT_CRL))
    }

    /// Identifies everything, so that a change shows.
    pub(super) fn digest(&self) -> [u8; 32] {
        let parts = [
            Some(self.certificate.as_slice()),
            Some(self.key.expose_secret()),
            self.client_ca.as_deref(),
            self.client_crl.as_deref(),
        ];
        // Each part's own digest, so that what moves from one to the next shows.
        let digests = parts.map(|part| part.map(|part| <[u8; 32]>::from(Sha256::digest(part))));
        Sha256::digest(digests.map(Option::unwrap_or_default).as_flattened()).into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    let room = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path)?.take(room.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > BYTES_MAX { Err(Cause::TooLarge) } else { Ok(bytes) }
}

/// Reads everything of one kind, of which there must be something.
fn all<T: PemObject>(pem: &[u8], key: &'static str) -> Result<Vec<T>, Error> {
    let found = T::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| Error { key, cause: error.into() })?;
    if found.is_empty() { Err(Error { key, cause: Cause::Empty }) } else { Ok(found) }
}
