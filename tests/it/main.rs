//! The whole program from outside: gRPC and HTTP in, a sandbox Stripe behind it.

mod bad_input;
mod catalog;
mod harness;
mod identity;
mod links;
mod payments;
mod refusals;
mod watching;
mod webhooks;
