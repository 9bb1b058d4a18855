//! The filter of the log, which a file can change while the program runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 4096;

/// Reads a filter. What the exporter says of itself stays out of what it exports,
/// unless it is asked for by name.
pub(super) fn parse(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text.trim())
}

/// Calls `change` with each filter that a file holds, for ever: with the
/// configured one where there is no file, or nothing in it.
///
/// The file system decides who may change it, which no port of ours could do
/// better; and a cluster can mount it.
pub(super) async fn follow(
    path: PathBuf,
    configured: String,
    mut change: impl FnMut(EnvFilter) + Send,
) {
    let mut known = configured.clone();
    loop {
        let found = read(&path).await.unwrap_or_else(|| configured.clone());
        if found != known {
            match parse(&found) {
                Ok(filter) => {
                    change(filter);
                    tracing::info!(filter = found, "The log is filtered anew");
                }
                Err(error) => {
                    tracing::error!(%error, "The filter in the file is broken; the last one stays");
                }
            }
            known = found;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.ok()?;
    file.take(BYTES_MAX).read_to_string(&mut text).await.ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
