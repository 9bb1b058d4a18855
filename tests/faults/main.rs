//! Every way in which Stripe can fail, through the true layers and over a pretend
//! network: what callers are told, how often Stripe is asked, and that nothing is
//! made twice. Time is paused, so that minutes of waiting take none.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it expects fails by panicking"
)]

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a few thousand calls"
)]
mod overload;

mod fault;
mod matrix;
mod memory;
mod methods;
mod upstream;
mod wire;
