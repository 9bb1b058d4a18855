//! Names that become addresses, and how far a connection came that failed.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::stripe::error::Phase;

/// A name look-up leaves time to connect.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(2);

/// Looks names up as the system does, and fails in a way that can be told from others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver;

/// The name of the host has no address, or none in time.
#[derive(Debug, thiserror::Error)]
#[error("the name of the host cannot be looked up")]
struct NoAddress;

// === impl Resolver ===

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let look_up = tokio::net::lookup_host((name.as_str(), 0));
            let found = tokio::time::timeout(LOOK_UP_TIME_MAX, look_up).await;
            let Ok(Ok(addresses)) = found else { return Err(NoAddress.into()) };
            let addresses: Vec<SocketAddr> = addresses.collect();
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Finds out how far a connection came.
pub(super) fn phase(error: &reqwest::Error) -> Phase {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<NoAddress>() {
            return Phase::Dns;
        }
        if cause.is::<rustls::Error>() {
            return Phase::Tls;
        }
        // An I/O error does not count what it wraps among its causes.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    Phase::Connect
}
