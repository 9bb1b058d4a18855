//! What carries one attempt to Stripe and brings its answer: HTTP, or whatever a
//! test or a simulation puts in its place.

mod connect;
pub mod exchange;
mod http;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tower::{Service, ServiceExt as _};

use self::http::Http;
pub use self::http::SetupError;
pub(super) use self::http::bare;
use super::call::{Answer, Call};
use super::error::Error;
use super::stack::Config;
use super::way::Way;

/// A way to Stripe. Clones share it.
#[derive(Clone)]
pub struct Transport(Arc<dyn Fn(Call) -> Attempt + Send + Sync>);

/// An attempt under way.
type Attempt = BoxFuture<'static, Result<Answer, Error>>;

// === impl Transport ===

impl Transport {
    /// Carries attempts over HTTP. Opens no connection.
    pub(super) fn http(config: &Config) -> Result<Self, SetupError> {
        let http = Http::new(config)?;
        Ok(Self(Arc::new(move |call| http.attempt(call))))
    }

    /// Carries attempts over any service.
    ///
    /// An error that says more than the service knows would break promises
    /// further up: [`Error::Unreachable`] is for what certainly had no effect.
    #[must_use]
    pub fn over<S>(service: S) -> Self
    where
        S: Service<Call, Response = Answer, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        Self(Arc::new(move |call| Box::pin(service.clone().oneshot(call))))
    }
}

impl Way for Transport {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        (self.0)(call.clone()).await
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
