//! A gRPC service over Stripe Payment Links, with a sandbox Stripe inside.
//!
//! `ARCHITECTURE.md` is the map. The modules stand in layers; each imports what
//! stands on a lower line, nothing above and nothing beside:
//!
//! 1. `verbs`: what the program can be told to do
//! 2. `app`: builds, runs and stops every part
//! 3. `config`: composes and loads the configuration
//! 4. `server`: the way in
//! 5. `audit`, `catalog`, `discounts`, `doctor`, `links`, `orders`, `payments`, `shipping`:
//!    the slices
//! 6. `error`: every failure as a status
//! 7. `endings`: links whose time has come
//! 8. `operations`: writes with a certain outcome
//! 9. `stripe`: the way out; `storage`: the memory
//! 10. `contract`: what requests must satisfy
//! 11. `caller`, `clock`, `dice`, `kept`, `planted`, `telemetry`, `pb`: leaves
//!
//! `sandbox` imports nothing of ours, and only `app`, `config` and `verbs` import it.

pub mod app;
pub mod audit;
pub mod auth;
pub mod caller;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod contract;
pub mod dice;
pub mod discounts;
pub mod doctor;
pub mod endings;
pub mod error;
pub mod kept;
pub mod links;
pub mod operations;
pub mod orders;
pub mod payments;
pub mod pb;
pub mod planted;
pub mod sandbox;
pub mod server;
pub mod shipping;
pub mod storage;
pub mod stripe;
pub mod telemetry;
pub mod verbs;
