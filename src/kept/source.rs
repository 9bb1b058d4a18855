//! Where policies, keys and secrets stand: in a file, or published at a URL.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Certificate, Client, Url, redirect};
use tokio::io::AsyncReadExt as _;

/// The most that is read of a source, in bytes.
const BYTES_MAX: usize = 1024 * 1024;
/// How long a source is left alone that somebody has looked at for the
/// sake of what was missing. Calls with made-up keys must not become requests of ours.
const MISSING_PAUSE: Duration = Duration::from_secs(30);
/// How long a published source may take to answer.
const FETCH_TIME: Duration = Duration::from_secs(5);

/// A source, and how often to look at it.
#[derive(Debug)]
pub struct Source {
    from: Origin,
    interval: Duration,
    pause: Duration,
}

#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Url {
        client: Client,
        url: Url,
        /// The file of the token that the source asks of us.
        token: Option<PathBuf>,
    },
}

// === impl Source ===

impl Source {
    /// A file.
    #[must_use]
    pub fn file(path: PathBuf, interval: Duration) -> Self {
        Self { from: Origin::File(path), interval, pause: MISSING_PAUSE }
    }

    /// The same source, looked at each time that something is missing: for those of
    /// which no caller can make that up.
    #[must_use]
    pub fn eager(self) -> Self {
        Self { pause: Duration::ZERO, ..self }
    }

    /// What is published at a URL: by https, or on this machine. Other names that
    /// the answer leads to are not followed.
    pub async fn url(
        url: &str,
        ca: Option<&Path>,
        token: Option<PathBuf>,
        interval: Duration,
    ) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|_| "is not a URL")?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err("must be https, or http on this machine".into());
        }
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(FETCH_TIME)
            .pool_max_idle_per_host(0);
        if let Some(path) = ca {
            let pem = read(path).await.map_err(|error| format!("ca_path: {error}"))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|_| "ca_path: is not PEM")?;
            client = client.tls_certs_only(roots);
        }
        let client = client.build().map_err(|_| "cannot be fetched from here")?;
        Ok(Self { from: Origin::Url { client, url, token }, interval, pause: MISSING_PAUSE })
    }

    /// How often to look.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// How long to leave it alone after somebody has looked for what was missing.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Reads what is there now. The error says why, and nothing of what was read.
    pub(super) async fn bytes(&self) -> Result<Vec<u8>, String> {
        match &self.from {
            Origin::File(path) => read(path).await.map_err(|error| error.to_string()),
            Origin::Url { client, url, token } => fetch(client, url, token.as_deref()).await,
        }
    }
}

async fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > BYTES_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

async fn fetch(client: &Client, url: &Url, token: Option<&Path>) -> Result<Vec<u8>, String> {
    let mut request = client.get(url.clone());
    if let Some(path) = token {
        // Read each time, because it is replaced before it expires.
        let token = read(path).await.map_err(|error| format!("token_path: {error}"))?;
        let token = String::from_utf8_lossy(&token);
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
    }
    let unfetched = |error: reqwest::Error| error.without_url().to_string();
    let mut response = request.send().await.map_err(unfetched)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("the answer is {}", response.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unfetched)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > BYTES_MAX {
            return Err("the answer is too large".into());
        }
    }
    Ok(bytes)
}
