//! What the sandbox promises to other teams' tests, over true connections.

mod desk;
mod events;
mod faults;
mod keeping;
mod paying;
mod repeating;
