//! A gRPC service over Stripe Payment Links, with a sandbox Stripe inside.
//!
//! `ARCHITECTURE.md` is the map. The modules stand in layers; each may import
//! what stands below it here, nothing above and nothing beside.

pub mod caller;
pub mod catalog;
pub mod contract;
pub mod error;
pub mod links;
pub mod pb;
pub mod server;
pub mod storage;
pub mod stripe;
pub mod telemetry;
