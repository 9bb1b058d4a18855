//! The whole program from outside: gRPC and HTTP in, a sandbox Stripe behind it.

mod bad_input;
mod calls;
mod catalog;
mod discovery;
mod drain;
mod harness;
mod identity;
mod links;
mod outage;
mod payments;
mod program;
mod refusals;
mod traces;
mod watching;
mod webhooks;
