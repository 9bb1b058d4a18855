//! The way in: three listeners, each with its own routes.
//!
//! gRPC for callers, one webhook route for Stripe, and operations for whoever
//! runs the process. [`grpc`] has the order of the layers around every method.

pub mod audit;
mod authorize;
mod body;
mod deadline;
pub mod grpc;
pub mod listener;
mod observe;
pub mod operations;
mod panic;
mod places;
mod request_id;
mod shed;
mod streams;
pub mod tls;
pub mod webhook;
