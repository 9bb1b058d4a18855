//! A bounded number of places, in all and for each of those who share them. A place is
//! one of whatever is bounded: a call, a connection, a byte.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places. Clones share them.
#[derive(Debug)]
pub(super) struct Places<K: Eq + Hash>(Arc<Counted<K>>);

/// One place or more, until they are dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    places: Places<K>,
    holder: Option<K>,
    count: usize,
}

/// Whose limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// There is no place left.
    All,
    /// The one who asks has as many as one may have.
    Holder,
}

#[derive(Debug)]
struct Counted<K> {
    max: usize,
    max_of_holder: usize,
    taken: Mutex<Taken<K>>,
}

/// Who holds no place is not listed, so there are never more holders than places.
#[derive(Debug)]
struct Taken<K> {
    all: usize,
    of_holder: HashMap<K, usize>,
}

// === impl Places ===

impl<K: Eq + Hash> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Clone + Eq + Hash> Places<K> {
    pub(super) fn new(max: usize, max_of_holder: usize) -> Self {
        let taken = Mutex::new(Taken { all: 0, of_holder: HashMap::new() });
        Self(Arc::new(Counted { max, max_of_holder, taken }))
    }

    /// Takes a place, or says whose limit is reached. Nobody in particular is held
    /// to the limit of all alone.
    pub(super) fn enter(&self, holder: Option<K>) -> Result<Place<K>, Full> {
        let mut place = Place { places: self.clone(), holder, count: 0 };
        place.take(1)?;
        Ok(place)
    }
}

impl<K: Eq + Hash> Places<K> {
    /// Nothing under the lock can leave half a count behind.
    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl<K: Clone + Eq + Hash> Place<K> {
    /// Takes so many further places, all or none of them.
    pub(super) fn take(&mut self, count: usize) -> Result<(), Full> {
        let Counted { max, max_of_holder, .. } = *self.places.0;
        let mut taken = self.places.taken();
        if count > max.saturating_sub(taken.all) {
            return Err(Full::All);
        }
        if let Some(holder) = &self.holder {
            let of_holder = taken.of_holder.get(holder).copied().unwrap_or_default();
            if count > max_of_holder.saturating_sub(of_holder) {
                return Err(Full::Holder);
            }
            taken.of_holder.insert(holder.clone(), of_holder + count);
        }
        taken.all += count;
        drop(taken);
        self.count += count;
        Ok(())
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= self.count;
        let Some(holder) = &self.holder else { return };
        match taken.of_holder.get_mut(holder) {
            Some(count) if *count > self.count => *count -= self.count,
            _ => drop(taken.of_holder.remove(holder)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_for_one_before_they_run_out_for_all() {
        let places = Places::new(3, 2);
        let mine = [places.enter(Some(1)).unwrap(), places.enter(Some(1)).unwrap()];
        assert_eq!(places.enter(Some(1)).unwrap_err(), Full::Holder);
        let other = places.enter(Some(2)).unwrap();
        assert_eq!(places.enter(Some(3)).unwrap_err(), Full::All);
        assert_eq!(places.enter(None).unwrap_err(), Full::All);
        drop(other);
        assert_eq!(places.enter(Some(1)).unwrap_err(), Full::Holder);
        drop(mine);
        assert!(places.enter(Some(1)).is_ok());
    }

    #[test]
    fn of_several_places_all_are_taken_or_none() {
        let places = Places::new(10, 6);
        let mut mine = places.enter(Some(1)).unwrap();
        assert_eq!(mine.take(6).unwrap_err(), Full::Holder);
        mine.take(5).unwrap();
        let mut other = places.enter(Some(2)).unwrap();
        assert_eq!(other.take(4).unwrap_err(), Full::All);
        other.take(3).unwrap();
        assert_eq!(places.enter(None).unwrap_err(), Full::All);
        drop(mine);
        assert!(places.enter(Some(1)).unwrap().take(5).is_ok());
    }

    #[test]
    fn who_holds_nothing_is_forgotten() {
        let places = Places::new(3, 2);
        drop([places.enter(Some("a")), places.enter(Some("a")), places.enter(None)]);
        let taken = places.taken();
        assert_eq!((taken.all, taken.of_holder.len()), (0, 0));
    }
}
