//! Operations in memory: only what carrying them out needs, and no resolver.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use paylink::operations::Memory;
use paylink::storage::{Error, Operation, OperationCount, OperationState};

/// The operations by their keys.
#[derive(Debug, Default)]
pub struct Kept(Mutex<HashMap<String, Operation>>);

type Told<'a, T> = BoxFuture<'a, Result<T, Error>>;

fn now<'a, T: Send + 'a>(value: T) -> Told<'a, T> {
    ready(Ok(value)).boxed()
}

impl Memory for Kept {
    fn is_shared(&self) -> bool {
        false
    }

    fn insert(&self, new: Operation) -> Told<'_, Option<Operation>> {
        let mut kept = self.0.lock().unwrap();
        let known = kept.get(&new.key).cloned();
        kept.entry(new.key.clone()).or_insert(new);
        now(known)
    }

    fn get<'a>(&'a self, key: &'a str) -> Told<'a, Option<Operation>> {
        now(self.0.lock().unwrap().get(key).cloned())
    }

    fn put(&self, changed: Operation) -> Told<'_, bool> {
        let mut kept = self.0.lock().unwrap();
        let is_same = kept.get(&changed.key).is_some_and(|known| known.version == changed.version);
        if is_same {
            let version = changed.version + 1;
            kept.insert(changed.key.clone(), Operation { version, ..changed });
        }
        now(is_same)
    }

    fn due(&self, _: OperationState, _: i64, _: u32) -> Told<'_, Vec<Operation>> {
        now(Vec::new())
    }

    fn renewed(&self, _: i64) -> Told<'_, Vec<Operation>> {
        now(Vec::new())
    }

    fn erase(&self, _: OperationState, _: i64, _: u32) -> Told<'_, u64> {
        now(0)
    }

    fn count_open(&self) -> Told<'_, Vec<OperationCount>> {
        now(Vec::new())
    }
}
