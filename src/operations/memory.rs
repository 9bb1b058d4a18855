//! Where operations are kept: storage, or a disk that a test can pull.

use std::fmt::Debug;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::storage::{Error, Operation, OperationCount, OperationState, Storage};

/// What operations need of the memory. What was answered is safe: it survives
/// the process and the power.
pub trait Memory: Debug + Send + Sync {
    /// Whether other processes work on the same operations at the same time.
    fn is_shared(&self) -> bool;

    /// Keeps an operation, unless there is one of its key: then gives that one.
    fn insert(&self, new: Operation) -> BoxFuture<'_, Result<Option<Operation>, Error>>;

    /// Gives the operation of a key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Operation>, Error>>;

    /// Changes an operation, if nobody else has since it was read. Says whether
    /// it did. Its version is then one higher.
    fn put(&self, changed: Operation) -> BoxFuture<'_, Result<bool, Error>>;

    /// Gives operations in a state that are due, the longest due first.
    fn due(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Operation>, Error>>;

    /// Gives operations that got a second key and were asked for since then.
    fn renewed(&self, since_ms: i64) -> BoxFuture<'_, Result<Vec<Operation>, Error>>;

    /// Erases operations in a state that are due, and says how many.
    fn erase(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, Error>>;

    /// Counts the operations that have no result yet.
    fn count_open(&self) -> BoxFuture<'_, Result<Vec<OperationCount>, Error>>;
}

// === impl Storage ===

impl Memory for Storage {
    fn is_shared(&self) -> bool {
        Storage::is_shared(self)
    }

    fn insert(&self, new: Operation) -> BoxFuture<'_, Result<Option<Operation>, Error>> {
        self.insert_operation(new).boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Operation>, Error>> {
        self.operation(key).boxed()
    }

    fn put(&self, changed: Operation) -> BoxFuture<'_, Result<bool, Error>> {
        self.put_operation(changed).boxed()
    }

    fn due(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Operation>, Error>> {
        self.due_operations(state, now_ms, limit).boxed()
    }

    fn renewed(&self, since_ms: i64) -> BoxFuture<'_, Result<Vec<Operation>, Error>> {
        self.renewed_operations(since_ms).boxed()
    }

    fn erase(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, Error>> {
        self.erase_operations(state, now_ms, limit).boxed()
    }

    fn count_open(&self) -> BoxFuture<'_, Result<Vec<OperationCount>, Error>> {
        self.count_open_operations().boxed()
    }
}
