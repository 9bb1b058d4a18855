//! What is waiting to be delivered, by the time at which it is next due.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Events on their way to their receivers.
#[derive(Debug)]
pub(in crate::sandbox) struct Outbox {
    url: Option<String>,
    waiting: BTreeMap<(Instant, u64), Parcel>,
    next: u64,
    capacity: usize,
    wake: Arc<Notify>,
}

/// One event for one receiver, and how often it has been tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Parcel {
    /// The event, by its identifier.
    pub(in crate::sandbox) event: String,
    /// The registered endpoint that it is for, by its identifier; none for the configured receiver.
    pub(in crate::sandbox) endpoint: Option<String>,
    /// How many times it was sent in vain.
    pub(in crate::sandbox) attempts: u32,
}

// === impl Outbox ===

impl Outbox {
    /// An outbox that holds so many events at most, for a webhook that may become known later.
    pub(in crate::sandbox) fn new(url: Option<String>, capacity: usize) -> Self {
        let (waiting, wake) = (BTreeMap::new(), Arc::new(Notify::new()));
        Self { url, waiting, next: 0, capacity, wake }
    }

    /// Where events go.
    pub(in crate::sandbox) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Sends events there from now on, those that are waiting too.
    pub(in crate::sandbox) fn set_url(&mut self, url: String) {
        self.url = Some(url);
        self.wake.notify_one();
    }

    /// Whether anybody listens.
    pub(in crate::sandbox) fn wants_events(&self) -> bool {
        self.url.is_some()
    }

    /// What is notified when there may be something to do.
    pub(in crate::sandbox) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Adds a new delivery. When the outbox is full, the one that is due first is given up.
    pub(in crate::sandbox) fn push(&mut self, parcel: Parcel) {
        self.put_back(parcel, Instant::now());
        if self.waiting.len() > self.capacity
            && let Some((_, parcel)) = self.waiting.pop_first()
        {
            tracing::warn!(event.id = parcel.event, "webhook given up: too many are waiting");
        }
        self.wake.notify_one();
    }

    /// Puts an event back until it is due.
    pub(in crate::sandbox) fn put_back(&mut self, parcel: Parcel, due: Instant) {
        self.waiting.insert((due, self.next), parcel);
        self.next += 1;
    }

    /// Takes the event that is due longest.
    pub(in crate::sandbox) fn take_due(&mut self, now: Instant) -> Option<Parcel> {
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the next event is due.
    pub(in crate::sandbox) fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn events_leave_in_the_order_in_which_they_are_due() {
        let mut outbox = Outbox::new(Some("http://x".into()), 9);
        let now = Instant::now();
        let parcel = |event: &str| Parcel { event: event.into(), endpoint: None, attempts: 0 };
        outbox.put_back(parcel("late"), now + Duration::from_secs(9));
        outbox.put_back(parcel("one"), now);
        outbox.put_back(parcel("two"), now);
        assert_eq!(outbox.take_due(now), Some(parcel("one")));
        assert_eq!(outbox.take_due(now), Some(parcel("two")));
        assert_eq!(outbox.take_due(now), None);
        assert_eq!(outbox.next_due(), Some(now + Duration::from_secs(9)));
    }

    #[test]
    fn a_full_outbox_gives_up_the_first() {
        let mut outbox = Outbox::new(Some("http://x".into()), 1);
        for event in ["one", "two"] {
            outbox.push(Parcel { event: event.into(), endpoint: None, attempts: 0 });
        }
        let later = Instant::now() + Duration::from_secs(1);
        assert_eq!(outbox.take_due(later).map(|parcel| parcel.event), Some("two".into()));
        assert_eq!(outbox.take_due(later), None);
    }
}
