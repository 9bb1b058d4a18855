//! Collections in a saved state: their objects in order of age.

use std::borrow::Cow;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Collection;

/// A collection as it is read.
#[derive(Deserialize)]
struct Saved<T> {
    noun: String,
    capacity: usize,
    objects: Vec<(String, T)>,
}

/// The objects of a collection as they are written, oldest first.
struct Objects<'a, T>(&'a Collection<T>);

// === impl Collection ===

impl<T: Serialize> Serialize for Collection<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut saved = to.serialize_struct("Collection", 3)?;
        saved.serialize_field("noun", &self.noun)?;
        saved.serialize_field("capacity", &self.capacity)?;
        saved.serialize_field("objects", &Objects(self))?;
        saved.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Collection<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Saved { noun, capacity, objects } = Saved::<T>::deserialize(from)?;
        let mut collection = Collection::new("", capacity);
        collection.noun = Cow::Owned(noun);
        for (id, held) in objects {
            collection.insert(&id, held);
        }
        Ok(collection)
    }
}

// === impl Objects ===

impl<T: Serialize> Serialize for Objects<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let ids = self.0.by_age.values();
        to.collect_seq(ids.filter_map(|id| Some((id, self.0.get(id)?))))
    }
}
