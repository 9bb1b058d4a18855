//! Who calls, until when, under which id, and whose objects it may see.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// Who is at the other end of the connection that a request came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address of the other end. Behind a balancer it is the balancer's.
    pub address: SocketAddr,
    /// The certificate that the other end has shown, in DER, where it has shown
    /// one: it is in time, of an authority that is trusted, and not revoked.
    pub certificate: Option<Arc<[u8]>>,
}

/// The caller of one method, as the layers of the server know it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// When the caller stops waiting.
    pub deadline: Instant,
    wants_fresh: bool,
    notes: Notes,
    access: Access,
}

/// As whom a caller was let in. The default is the service itself, or anyone
/// where nobody has to say who calls: it sees everything, and what it makes is
/// nobody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access(Option<Known>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    identity: Arc<str>,
    owner: Arc<str>,
    sees_all: bool,
}

/// What a method says of a call beside its answer. Clones are of the same call.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    id: OnceLock<Uuid>,
    form: OnceLock<String>,
}

/// How long a call lasts that no layer has given a deadline, as in tests of a slice alone.
const UNBOUNDED: Duration = Duration::from_mins(1);

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Does work of which the result is of no use after `deadline`. What it waits for
/// on the way can ask [`deadline`], and need not begin what nobody waits for. A
/// task that the work spawns has its own time.
pub async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> T {
    DEADLINE.scope(deadline, work).await
}

/// When what is being done is of no more use; `None` where nobody has said.
#[must_use]
pub fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

// === impl Caller ===

impl Caller {
    /// Describes a caller who waits until `deadline`.
    #[must_use]
    pub fn new(deadline: Instant, notes: Notes) -> Self {
        Self { deadline, wants_fresh: false, notes, access: Access::default() }
    }

    /// Describes the service itself, working on its own account for `time` at most.
    #[must_use]
    pub fn itself(time: Duration) -> Self {
        Self::new(Instant::now() + time, Notes::default())
    }

    /// Reads what the layers of the server left with a request, and what its
    /// metadata says.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        let caller = request.extensions().get().cloned();
        let caller = caller.unwrap_or_else(|| Self::itself(UNBOUNDED));
        let wishes = request.metadata().get("cache-control").and_then(|wish| wish.to_str().ok());
        match wishes {
            Some(wishes) if wishes.contains("no-cache") => caller.wanting_fresh(),
            _ => caller,
        }
    }

    /// Notes as whom the caller was let in.
    pub fn let_in(&mut self, access: Access) {
        self.access = access;
    }

    /// Who calls, where that was proved.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<str>> {
        self.access.0.as_ref().map(|known| &known.identity)
    }

    /// Whose is what the caller makes; nobody's where `None`.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.access.0.as_ref().map(|known| &*known.owner)
    }

    /// The owner whose objects alone the caller may see; `None` where it may see
    /// those of all.
    #[must_use]
    pub fn only_owner(&self) -> Option<&str> {
        self.access.0.as_ref().filter(|known| !known.sees_all).map(|known| &*known.owner)
    }

    /// Whether the caller may see what is of an owner. What is nobody's is seen
    /// by those alone who see everything.
    #[must_use]
    pub fn sees(&self, owner: &str) -> bool {
        self.only_owner().is_none_or(|only| only == owner)
    }

    /// Gives the id under which a request of the caller's is remembered: two
    /// owners may choose the same id, and neither gets what the other was answered.
    #[must_use]
    pub fn remembered_as(&self, request_id: Uuid) -> Uuid {
        self.owner().map_or(request_id, |owner| Uuid::new_v5(&request_id, owner.as_bytes()))
    }

    /// Gives a name that the caller has chosen among the names of its owner.
    #[must_use]
    pub fn own_name(&self, name: &str) -> String {
        // No owner and no name has a line break in it.
        self.owner().map_or_else(|| name.to_owned(), |owner| format!("{owner}\n{name}"))
    }

    /// The same caller, who wants no answer from before the call.
    #[must_use]
    pub fn wanting_fresh(self) -> Self {
        Self { wants_fresh: true, ..self }
    }

    /// The same caller, who makes a further call and waits for it that long.
    #[must_use]
    pub fn waiting(&self, time: Duration) -> Self {
        Self { deadline: Instant::now() + time, notes: Notes::default(), ..self.clone() }
    }

    /// Whether the caller wants no answer from before the call.
    #[must_use]
    pub fn wants_fresh(&self) -> bool {
        self.wants_fresh
    }

    /// Puts the call under the id that its request carries (AIP-155).
    pub fn goes_by(&self, request_id: Uuid) {
        // Only the first id counts: answers and logs name one.
        let _ = self.notes.0.id.set(request_id);
    }

    /// Shows the form that Stripe would be sent.
    pub fn would_send(&self, form: String) {
        let _ = self.notes.0.form.set(form);
    }

    /// How long the caller still waits.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

// === impl Access ===

impl Access {
    /// Lets an identity in, whose objects are an owner's; it sees those of all
    /// owners or of this one alone.
    #[must_use]
    pub fn of(identity: Arc<str>, owner: Arc<str>, sees_all: bool) -> Self {
        Self(Some(Known { identity, owner, sees_all }))
    }
}

// === impl Notes ===

impl Notes {
    /// Gives the id of the call, making one where the method named none.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        *self.0.id.get_or_init(Uuid::now_v7)
    }

    /// Gives the form that Stripe would be sent, where the call was to show it.
    #[must_use]
    pub fn form(&self) -> Option<&str> {
        self.0.form.get().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(owner: &str, sees_all: bool) -> Caller {
        let mut caller = Caller::itself(UNBOUNDED);
        caller.let_in(Access::of("spiffe://here/web".into(), owner.into(), sees_all));
        caller
    }

    #[test]
    fn an_owner_sees_its_own_and_the_service_and_the_permitted_see_all() {
        let shop = caller("shop", false);
        assert!(shop.sees("shop") && !shop.sees("crm") && !shop.sees(""));
        for all in [caller("shop", true), Caller::itself(UNBOUNDED)] {
            assert!(all.sees("shop") && all.sees("crm") && all.sees(""));
        }
    }

    #[test]
    fn what_two_owners_call_the_same_is_not_the_same() {
        let (shop, crm, nobody) = (caller("shop", false), caller("crm", true), Uuid::new_v4());
        assert_ne!(shop.remembered_as(nobody), crm.remembered_as(nobody));
        assert_ne!(shop.own_name("mail"), crm.own_name("mail"));
        let itself = Caller::itself(UNBOUNDED);
        assert_eq!((itself.remembered_as(nobody), itself.own_name("a")), (nobody, "a".into()));
    }
}
