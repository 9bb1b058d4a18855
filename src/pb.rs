//! The contract in Rust: the messages and services of `proto/paylink/v1`, and
//! what their descriptors say about them.

pub mod plan;
#[cfg(test)]
pub(crate) mod sample;
pub mod time;
pub mod walk;

#[expect(
    clippy::all,
    clippy::pedantic,
    reason = "generated from proto/, where the documentation is checked by buf"
)]
mod v1 {
    tonic::include_proto!("paylink.v1");
    include!(concat!(env!("OUT_DIR"), "/redacted.rs"));
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub use v1::*;

/// The compiled `proto/` with everything it imports, comments and custom
/// options included: an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Keys of metadata that begin so are the service's own: callers may not use
/// them and do not see them.
pub const OWN_METADATA: &str = "pl_";

static METHODS: LazyLock<BTreeMap<String, plan::Method>> = LazyLock::new(plan::methods);

/// Gives the method that a request's path names, such as
/// `paylink.v1.CatalogService/CreateProduct`, if there is one.
#[must_use]
pub fn method_named(path: &str) -> Option<&'static str> {
    METHODS.get_key_value(path.trim_start_matches('/')).map(|(name, _)| name.as_str())
}

/// Tells whether a method answers with a stream.
#[must_use]
pub fn streams(method: &str) -> bool {
    METHODS.get(method).is_some_and(|method| method.streams)
}

/// Tells whether a method can change something, so that its calls are on record.
#[must_use]
pub fn mutates(method: &str) -> bool {
    METHODS.get(method).is_some_and(|method| method.mutates)
}

/// Gives the permission that a method asks of its callers.
#[must_use]
pub fn permission(method: &str) -> Option<&'static str> {
    METHODS.get(method).map(|method| method.permission.as_str())
}

/// Gives every permission that there is. Those of several methods come as often.
pub fn permissions() -> impl Iterator<Item = &'static str> {
    METHODS.values().map(|method| method.permission.as_str())
}

/// Names every service of ours.
pub fn service_names() -> impl Iterator<Item = &'static str> {
    let services = METHODS.keys().filter_map(|method| method.split_once('/'));
    let names: BTreeSet<&str> = services.map(|(service, _)| service).collect();
    names.into_iter().filter(|name| name.starts_with("paylink."))
}
