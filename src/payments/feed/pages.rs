//! The pages of the feed, read once for all who are at the same place.
//!
//! A change wakes every watcher, and most of them stand at the feed's end. The
//! first few read what is new; those after them find it here. So do watchers who
//! catch up together, or are stuck at one place: a page that one of them has is
//! held once for all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Semaphore;

use crate::storage::{self, Page, PageLimit, Place, Storage};

/// After how many bytes of payments a page ends.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// How many pages are read at the same time; further watchers wait.
const READS_MAX: usize = 4;
/// After how many pages those are looked for that nobody has any more.
const HELD_MAX: usize = 256;

/// The pages. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    storage: Storage,
    limit: PageLimit,
    reads: Arc<Semaphore>,
    shelf: Arc<Mutex<Shelf>>,
}

/// The pages that were read and are still there.
#[derive(Debug, Default)]
struct Shelf {
    /// The newest, which is kept though nobody may have it at the moment.
    newest: Option<Arc<Page>>,
    /// Those that watchers have, with the place that each comes after, by its sequence.
    held: HashMap<i64, (Place, Weak<Page>)>,
}

// === impl Pages ===

impl Pages {
    pub(super) fn new(storage: Storage, changes_max: u32) -> Self {
        Self {
            storage,
            limit: PageLimit { changes: changes_max, bytes: PAGE_BYTES_MAX },
            reads: Arc::new(Semaphore::new(READS_MAX)),
            shelf: Arc::default(),
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
            self.shelf().keep(place, &page);
        }
        Ok(page)
    }

    /// What was read after a place. It stays true: what comes later comes after it.
    fn known(&self, place: Place) -> Option<Arc<Page>> {
        self.shelf().known(place)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Shelf ===

impl Shelf {
    fn known(&self, place: Place) -> Option<Arc<Page>> {
        let (after, page) = self.held.get(&place.sequence)?;
        page.upgrade().filter(|_| *after == place)
    }

    fn keep(&mut self, place: Place, page: &Arc<Page>) {
        if self.held.len() >= HELD_MAX {
            self.held.retain(|_, (_, page)| page.strong_count() > 0);
        }
        self.held.insert(place.sequence, (place, Arc::downgrade(page)));
        let newest = self.newest.as_ref().map_or(0, |newest| newest.through.sequence);
        if newest <= page.through.sequence {
            self.newest = Some(page.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: [u8; 32] = [7; 32];

    fn place(sequence: i64) -> Place {
        Place { sequence, hash: HASH }
    }

    fn page(through: i64) -> Arc<Page> {
        Arc::new(Page { changes: Vec::new(), through: place(through) })
    }

    #[test]
    fn a_page_is_there_for_as_long_as_somebody_has_it() {
        let mut shelf = Shelf::default();
        let (old, new) = (page(2), page(4));
        shelf.keep(place(0), &old);
        shelf.keep(place(2), &new);
        assert!(Arc::ptr_eq(&shelf.known(place(0)).unwrap(), &old));
        drop((old, new));
        assert!(shelf.known(place(0)).is_none());
        assert!(shelf.known(place(2)).is_some(), "the newest is kept");
        let elsewhere = Place { hash: [8; 32], ..place(2) };
        assert!(shelf.known(elsewhere).is_none(), "of another history");
    }

    #[test]
    fn pages_that_nobody_has_are_forgotten() {
        let mut shelf = Shelf::default();
        for sequence in 0..1_000 {
            shelf.keep(place(sequence), &page(sequence + 1));
            assert!(shelf.held.len() <= HELD_MAX);
        }
    }
}
