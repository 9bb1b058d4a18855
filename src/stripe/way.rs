//! What carries a call to Stripe: a layer with all that stands behind it, down to
//! the wire.

use super::call::{Answer, Call};
use super::error::Error;

/// A way to Stripe, or a part of one.
///
/// A layer is a way that holds another, its inner one: it lets a call through or
/// refuses it unsent, and sees what comes back. It is one `async fn`, so that the
/// whole stack is one future, and costs a call no allocation and no copy.
///
/// ```
/// use paylink::stripe::Error;
/// use paylink::stripe::call::{Answer, Call};
/// use paylink::stripe::way::Way;
///
/// /// Lets nothing through that changes something.
/// struct ReadOnly<W>(W);
///
/// impl<W: Way> Way for ReadOnly<W> {
///     async fn carry(&self, call: &Call) -> Result<Answer, Error> {
///         if call.is_write() { Err(Error::Deadline) } else { self.0.carry(call).await }
///     }
/// }
/// ```
pub trait Way: Send + Sync {
    /// Carries a call, and gives Stripe's answer of status 2xx, or why there is none.
    fn carry(&self, call: &Call) -> impl Future<Output = Result<Answer, Error>> + Send;
}
