//! Holds the contract against the facts of Stripe's published description, in
//! both directions: nothing is missing, and nothing is invented.
//!
//! The facts are data: `src/sandbox/params/facts.txt` (what endpoints take) and
//! `objects.txt` beside this file (what objects have), both written by
//! `scripts/stripe-facts`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a table that cannot be read must fail")]

mod answers;
mod facts;
mod money;
mod parameters;
mod round_trip;
#[expect(dead_code, clippy::indexing_slicing, reason = "made for tests beside the code, too")]
#[path = "../../src/pb/sample.rs"]
mod sample;

// What the samples are made by.
use paylink::pb::plan;
