//! Answers that are kept for a short time.

use std::collections::VecDeque;
use std::collections::hash_map::{DefaultHasher, HashMap};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::stripe::call::{Answer, Place};

/// The resources that are read again and again: what is for sale, and where.
const ROUTES: [&str; 3] = ["/v1/products/{id}", "/v1/prices/{id}", "/v1/payment_links/{id}"];
/// The largest answer that is kept, in bytes. Full links take a tenth of it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How many counters of changes the paths share. Two paths of one counter keep
/// each other from being kept at times, and nothing worse.
const COUNTERS: usize = 1024;

/// The kept answers.
#[derive(Debug)]
pub(super) struct Kept {
    age: Duration,
    items_max: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    answers: HashMap<String, (u64, Answer)>,
    /// The paths in the order in which they were put here, which is that in
    /// which they become too old.
    order: VecDeque<(Instant, u64, String)>,
    put: u64,
    /// How often something has changed, for the paths of each counter.
    versions: Vec<u64>,
}

// === impl Kept ===

impl Kept {
    pub(super) fn new(age: Duration, items_max: usize) -> Self {
        let shelf = Shelf {
            answers: HashMap::new(),
            order: VecDeque::new(),
            put: 0,
            versions: vec![0; COUNTERS],
        };
        Self { age, items_max, shelf: Mutex::new(shelf) }
    }

    /// Gives what is kept of a place.
    pub(super) fn get(&self, place: &Place) -> Option<Answer> {
        if !self.is_kept(place) {
            return None;
        }
        let mut held = self.shelf();
        held.clear_until(Instant::now());
        held.answers.get(&place.path).map(|(_, answer)| answer.clone())
    }

    /// Gives the version of a place whose answers are kept.
    pub(super) fn version(&self, place: &Place) -> Option<u64> {
        self.is_kept(place).then(|| *self.shelf().version(&place.path))
    }

    /// Keeps an answer, unless something has changed since that version.
    pub(super) fn keep(&self, path: String, version: u64, answer: Answer) {
        let mut held = self.shelf();
        if *held.version(&path) == version {
            held.put(path, answer, Instant::now() + self.age, self.items_max);
        }
    }

    /// Drops what is kept of a path, and gives the new version.
    pub(super) fn change(&self, path: &str) -> u64 {
        let mut held = self.shelf();
        held.answers.remove(path);
        let version = held.version(path);
        *version += 1;
        *version
    }

    /// Ends a change that began at that version. Its answer is kept if nothing
    /// else has changed meanwhile: of two changes at a time nobody knows here
    /// which was the last.
    pub(super) fn changed(&self, path: String, version: u64, resource: Option<Answer>) {
        let mut held = self.shelf();
        held.answers.remove(&path);
        let now = held.version(&path);
        let is_alone = *now == version;
        *now += 1;
        let is_kept = self.items_max > 0 && !self.age.is_zero();
        if let (true, Some(answer)) = (is_alone && is_kept, resource) {
            held.put(path, answer, Instant::now() + self.age, self.items_max);
        }
    }

    fn is_kept(&self, place: &Place) -> bool {
        let is_on = self.items_max > 0 && !self.age.is_zero();
        // A search of the same route has a longer path.
        is_on && ROUTES.contains(&place.route)
    }

    /// Nothing under the lock can leave half a shelf behind.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Shelf ===

impl Shelf {
    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash are as good")]
    fn version(&mut self, path: &str) -> &mut u64 {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        &mut self.versions[hasher.finish() as usize % COUNTERS]
    }

    fn put(&mut self, path: String, answer: Answer, end: Instant, items_max: usize) {
        if answer.body.len() > ANSWER_BYTES_MAX {
            return;
        }
        // What was dropped early still stands in the order.
        while self.order.len() >= items_max {
            self.drop_first();
        }
        self.put += 1;
        self.answers.insert(path.clone(), (self.put, answer));
        self.order.push_back((end, self.put, path));
    }

    fn clear_until(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(end, ..)| *end <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some((_, put, path)) = self.order.pop_front() else { return };
        if self.answers.get(&path).is_some_and(|(newest, _)| *newest == put) {
            self.answers.remove(&path);
        }
    }
}
