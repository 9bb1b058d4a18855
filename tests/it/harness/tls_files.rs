//! What a listener's TLS is made of, in files.

use super::authority::{Authority, Identity};
use super::{Folder, Paylink, Start};

/// The files, and who has issued what is in them.
pub struct TlsFiles {
    /// Where they are.
    pub folder: Folder,
    /// Issues what the listener shows.
    pub ours: Authority,
    /// Issues what clients show.
    pub theirs: Authority,
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Writes the files: a good certificate, one authority of clients, and an empty
    /// list of what it has taken back.
    pub fn new() -> Self {
        let files =
            Self { folder: Folder::new(), ours: Authority::new(), theirs: Authority::new() };
        files.show(&files.ours.issue());
        files.trust(&files.theirs.pem(), &files.theirs.revoking(&[]));
        files
    }

    /// Writes the listener's certificate and its key.
    pub fn show(&self, identity: &Identity) {
        self.folder.write("tls.crt", &identity.certificate);
        self.folder.write("tls.key", &identity.key);
    }

    /// Writes the authorities of clients, and what they have taken back.
    pub fn trust(&self, authorities: &str, revoked: &str) {
        self.folder.write("ca.crt", authorities);
        self.folder.write("ca.crl", revoked);
    }

    /// What the environment of a program says of it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.file(name).to_str().unwrap().to_owned();
        [
            ("PAYLINK__GRPC__TLS__CERTIFICATE_PATH", path("tls.crt")),
            ("PAYLINK__GRPC__TLS__KEY_PATH", path("tls.key")),
            ("PAYLINK__GRPC__TLS__CLIENT_CA_PATH", path("ca.crt")),
            ("PAYLINK__GRPC__TLS__CLIENT_CRL_PATH", path("ca.crl")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A service about to start that has them.
    pub fn start(&self) -> Start {
        let start = Paylink::start();
        self.environment().iter().fold(start, |start, (name, value)| start.with(name, value))
    }
}
