//! The state in a file: read at start, written whole in the background after it has changed.
//!
//! The file is replaced in one step, so it always holds a whole state. What happened since it was
//! last written is lost when the process is killed or the machine fails; a process that is asked to
//! stop writes everything first.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::{Error, Shared, snapshot};

/// Writing takes at most this part of the time: a large state is written less often.
const PAUSES_PER_WRITE: u32 = 9;

/// Takes over what the file holds. False if there is no file yet.
pub(super) fn load(shared: &Shared, path: &Path) -> Result<bool, Error> {
    let failed = |what: String| Error::Data { path: path.to_owned(), what };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let restored = snapshot::restore(shared, &text);
            restored.map(|()| true).map_err(|error| failed(error.to_string()))
        }
        // The first run; that the file can be written is found out now rather than later.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let begun = std::fs::write(beside(path), "");
            begun.map(|()| false).map_err(|error| failed(error.to_string()))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Writes the file after changes, for as long as it is polled.
pub(super) async fn keep(shared: &Shared) {
    let Some(path) = &shared.config.data else { return std::future::pending().await };
    let pause = Duration::from_millis(shared.config.data_write_ms);
    loop {
        shared.changes.notified().await;
        tokio::time::sleep(pause).await;
        let begun = Instant::now();
        if let Err(what) = write(shared, path).await {
            tracing::error!(path = %path.display(), what, "The state could not be written");
        }
        tokio::time::sleep(begun.elapsed() * PAUSES_PER_WRITE).await;
    }
}

/// Writes everything that has happened, if it is kept at all.
pub(super) async fn flush(shared: &Shared) -> Result<(), Error> {
    let Some(path) = &shared.config.data else { return Ok(()) };
    write(shared, path).await.map_err(|what| Error::Data { path: path.clone(), what })
}

async fn write(shared: &Shared, path: &Path) -> Result<(), String> {
    let text = shared.read(snapshot::save).map_err(|error| error.to_string())?;
    replace(path, text.as_bytes()).await.map_err(|error| error.to_string())
}

async fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path);
    let mut file = tokio::fs::File::create(&new).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&new, path).await?;
    // The new name is on disk when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tokio::fs::File::open(folder.unwrap_or(Path::new("."))).await?.sync_all().await
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
