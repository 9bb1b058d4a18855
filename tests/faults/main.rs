//! Every way in which Stripe can fail, through the true layers and over a pretend
//! network: what callers are told, how often Stripe is asked, and that nothing is
//! made twice. Time is paused, so that minutes of waiting take none.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it expects fails by panicking"
)]

mod fault;
mod matrix;
mod memory;
mod methods;
mod overload;
mod upstream;
mod wire;
