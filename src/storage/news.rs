//! Word among replicas: a batch that brings something others wait for says so
//! with its commit, and they need not look for it.
//!
//! It is a shortcut and no promise: who waits looks by itself now and then, for
//! whatever was said while the connection was down.

use std::sync::Arc;
use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Error;

/// The channel, which all installations in one database share.
const CHANNEL: &str = "paylink";
/// How long to leave a server alone that cannot be listened to.
const PAUSE: Duration = Duration::from_secs(1);

/// What one process says, and hears of the others.
#[derive(Debug)]
pub(super) struct News {
    /// Names the installation and this process.
    signature: String,
    epoch: Arc<str>,
    /// Changes whenever another replica has written something.
    heard: watch::Sender<()>,
}

// === impl News ===

impl News {
    pub(super) fn new(epoch: Arc<str>, process: &str, heard: watch::Sender<()>) -> Self {
        Self { signature: format!("{epoch} {process}"), epoch, heard }
    }

    /// Tells the other replicas, once the transaction is committed.
    pub(super) async fn tell(&self, connection: &mut AnyConnection) -> Result<(), Error> {
        let tell = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&self.signature);
        tell.execute(connection).await?;
        Ok(())
    }

    /// Listens for as long as there is a memory.
    pub(super) async fn listen(self: Arc<Self>, url: String) {
        loop {
            match self.listen_once(&url).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::info!(%error, "Other replicas cannot be heard for now");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn listen_once(&self, url: &str) -> sqlx::Result<()> {
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        // What was said before is not known.
        self.heard.send_replace(());
        loop {
            let word = tokio::select! {
                () = self.heard.closed() => return Ok(()),
                word = listener.try_recv() => word?,
            };
            if word.as_ref().is_none_or(|word| self.is_from_another(word)) {
                self.heard.send_replace(());
            }
        }
    }

    fn is_from_another(&self, word: &PgNotification) -> bool {
        word.payload() != self.signature && word.payload().starts_with(&*self.epoch)
    }
}
