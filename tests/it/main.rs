//! The whole program from outside: gRPC and HTTP in, a sandbox Stripe behind it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it expects fails by panicking"
)]

mod access;
mod accounts;
mod audit;
mod authorization;
mod bad_input;
mod batches;
mod calls;
mod canary;
mod capturing;
mod catalog;
mod clients;
mod consumers;
mod discounts;
mod discovery;
mod doctor;
mod drain;
mod ends;
mod finding;
mod fulfillment;
mod harness;
mod identity;
mod issuers;
mod keeping;
mod links;
mod orders;
mod outage;
mod owners;
mod payments;
mod program;
mod qr;
mod reconciliation;
mod refunds;
mod refusals;
mod relinking;
mod replacing;
mod sandbox;
mod searching;
mod secrets;
mod shares;
mod sharing;
mod shipping;
mod signals;
mod tls;
mod traces;
mod validating;
mod watching;
mod webhooks;
mod writes;

/// The files of tests that concern memory.
const ABOUT_MEMORY: [&str; 17] = [
    "accounts::",
    "audit::",
    "batches::",
    "capturing::",
    "consumers::",
    "drain::",
    "ends::",
    "finding::",
    "fulfillment::",
    "orders::",
    "outage::",
    "owners::",
    "payments::",
    "reconciliation::",
    "refunds::",
    "watching::",
    "webhooks::",
];

#[test]
fn all_about_memory_holds_on_postgresql_as_well() {
    harness::cluster::repeat(&ABOUT_MEMORY, &[]);
}
