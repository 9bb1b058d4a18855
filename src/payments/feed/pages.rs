//! The pages of the feed, read once for all who are at the same place.
//!
//! A change wakes every watcher, and most of them stand at the feed's end. The
//! first few read what is new; those after them find it here.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::storage::{self, Page, PageLimit, Place, Storage};

/// After how many bytes of payments a page ends.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// How many pages are read at the same time; further watchers wait.
const READS_MAX: usize = 4;

/// The pages. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    storage: Storage,
    limit: PageLimit,
    reads: Arc<Semaphore>,
    newest: Arc<Mutex<Option<Newest>>>,
}

/// The newest page that was read.
#[derive(Debug)]
struct Newest {
    after: Place,
    page: Arc<Page>,
}

// === impl Pages ===

impl Pages {
    pub(super) fn new(storage: Storage, changes_max: u32) -> Self {
        Self {
            storage,
            limit: PageLimit { changes: changes_max, bytes: PAGE_BYTES_MAX },
            reads: Arc::new(Semaphore::new(READS_MAX)),
            newest: Arc::default(),
        }
    }

    /// Gives the page after a place; with a link, of its payments alone.
    pub(super) async fn after(
        &self,
        place: Place,
        link: Option<&str>,
    ) -> Result<Arc<Page>, storage::Error> {
        if let Some(page) = self.known(place) {
            return Ok(page);
        }
        // In a task of its own: a stream whose caller has no room is not asked
        // to go on, and would keep its turn and a connection from all others.
        let (pages, link) = (self.clone(), link.map(str::to_owned));
        let read = tokio::spawn(async move { pages.read(place, link.as_deref()).await });
        // It ends early only with the process.
        read.await.unwrap_or(Err(storage::Error::Closed))
    }

    async fn read(&self, place: Place, link: Option<&str>) -> Result<Arc<Page>, storage::Error> {
        // Never closed, so this only waits.
        let _turn = self.reads.acquire().await;
        if let Some(page) = self.known(place) {
            return Ok(page);
        }
        let page = Arc::new(self.storage.feed_after(place, link, self.limit).await?);
        if link.is_none() && !page.changes.is_empty() {
            self.keep(place, &page);
        }
        Ok(page)
    }

    /// What was read after a place. It stays true: what comes later comes after it.
    fn known(&self, place: Place) -> Option<Arc<Page>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|newest| newest.after == place).map(|newest| newest.page.clone())
    }

    fn keep(&self, place: Place, page: &Arc<Page>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = newest
            .as_ref()
            .is_none_or(|newest| newest.page.through.sequence <= page.through.sequence);
        if is_newer {
            *newest = Some(Newest { after: place, page: page.clone() });
        }
    }
}
