//! Who calls, until when, under which id, and whose objects it may see.

mod notes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

pub use self::notes::{Ended, Notes, Trail};

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
    account: Arc<str>,
}

/// The account of a caller who names none: that of `[stripe]` itself.
pub const DEFAULT_ACCOUNT: &str = "";

/// A part of a call, such as one item of many. Dropped before its end, it leaves the
/// record that nobody was told of it.
#[derive(Debug)]
pub struct Part {
    whole: Notes,
    caller: Caller,
    is_over: bool,
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

/// The account that people mean by a name.
#[must_use]
pub fn account_named(name: &str) -> &str {
    if name == account_name(DEFAULT_ACCOUNT) { DEFAULT_ACCOUNT } else { name }
}

/// The name of an account as people see it.
#[must_use]
pub fn account_name(account: &str) -> &str {
    if account == DEFAULT_ACCOUNT { "default" } else { account }
}

// === impl Caller ===

impl Caller {
    /// Describes a caller who waits until `deadline`.
    #[must_use]
    pub fn new(deadline: Instant, notes: Notes) -> Self {
        Self {
            deadline,
            wants_fresh: false,
            notes,
            access: Access::default(),
            account: DEFAULT_ACCOUNT.into(),
        }
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
        let owner = access.0.as_ref().map(|known| known.owner.clone());
        self.notes.note(|trail| trail.owner = owner);
        self.access = access;
    }

    /// Notes that it is known who calls, whether or not it is let in; `None` where
    /// nobody has to say so.
    pub fn is_known_as(&self, identity: Option<Arc<str>>) {
        self.notes.note(|trail| (trail.is_kept, trail.identity) = (true, identity));
    }

    /// The same caller, working at a Stripe account.
    #[must_use]
    pub fn at(self, account: &str) -> Self {
        Self { account: account.into(), ..self }
    }

    /// Notes the Stripe account that the caller works at.
    pub fn work_at(&mut self, account: Arc<str>) {
        self.notes.note(|trail| trail.account = account.clone());
        self.account = account;
    }

    /// The Stripe account that the caller works at.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
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
    /// Nor does one account get what another was.
    #[must_use]
    pub fn remembered_as(&self, request_id: Uuid) -> Uuid {
        let of_owner =
            self.owner().map_or(request_id, |owner| Uuid::new_v5(&request_id, owner.as_bytes()));
        match self.account() {
            DEFAULT_ACCOUNT => of_owner,
            // No owner begins with a line break.
            account => Uuid::new_v5(&of_owner, format!("\n{account}").as_bytes()),
        }
    }

    /// Gives a name that the caller has chosen among the names of its owner and account.
    #[must_use]
    pub fn own_name(&self, name: &str) -> String {
        // No owner, account or name has a line break in it.
        let of_owner =
            self.owner().map_or_else(|| name.to_owned(), |owner| format!("{owner}\n{name}"));
        match self.account() {
            DEFAULT_ACCOUNT => of_owner,
            account => format!("\n{account}\n{of_owner}"),
        }
    }

    /// The same caller, who wants no answer from before the call.
    #[must_use]
    pub fn wanting_fresh(self) -> Self {
        Self { wants_fresh: true, ..self }
    }

    /// Begins a part of the call, which leaves a record of its own.
    #[must_use]
    pub fn part(&self) -> Part {
        Part { whole: self.notes.clone(), caller: self.waiting(Duration::ZERO), is_over: false }
    }

    fn waiting(&self, time: Duration) -> Self {
        Self { deadline: Instant::now() + time, notes: self.notes.part(), ..self.clone() }
    }

    /// Whether the caller wants no answer from before the call.
    #[must_use]
    pub fn wants_fresh(&self) -> bool {
        self.wants_fresh
    }

    /// Puts the call under the id that its request carries (AIP-155).
    pub fn goes_by(&self, request_id: Uuid) {
        self.notes.go_by(request_id);
    }

    /// Notes that the call is turned away unseen.
    pub fn is_turned_away(&self) {
        self.notes.note(|trail| trail.is_kept = false);
    }

    /// Notes what the call is about, once its request is known to be sound. Only the
    /// first name counts: further writes of a call are about what follows from it.
    pub fn is_about(&self, object: &str) {
        self.notes.note(|trail| {
            if trail.object.is_empty() {
                object.clone_into(&mut trail.object);
            }
        });
    }

    /// Notes that the call only asks what would be done.
    pub fn only_validates(&self) {
        self.notes.note(|trail| trail.validate_only = true);
    }

    /// Notes what a change has made or changed at Stripe, and the id of the request. What
    /// the first of several has made counts, beside what the call is about.
    pub fn has_changed(&self, made: &str, stripe_request: Option<&str>) {
        self.notes.note(|trail| {
            if trail.made.is_empty() || trail.made == trail.object {
                made.clone_into(&mut trail.made);
            }
            stripe_request.unwrap_or_default().clone_into(&mut trail.stripe_request);
        });
    }

    /// Notes the id of a request that Stripe has refused.
    pub fn was_refused(&self, stripe_request: &str) {
        self.notes.note(|trail| stripe_request.clone_into(&mut trail.stripe_request));
    }

    /// Shows the form that Stripe would be sent.
    pub fn would_send(&self, form: String) {
        self.notes.would_send(form);
    }

    /// How long the caller still waits.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

// === impl Part ===

impl Part {
    /// The caller of the part, who begins it anew and waits for it that long.
    pub fn waiting(&mut self, time: Duration) -> &Caller {
        self.caller = self.caller.waiting(time);
        &self.caller
    }

    /// Leaves the record of the part.
    pub async fn has_ended(mut self, ended: Ended) {
        self.is_over = true;
        self.whole.keep(&self.caller.notes, ended).await;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.whole.keep(&self.caller.notes, Ended::untold()));
        }
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
    fn what_is_called_the_same_at_two_accounts_is_not_the_same() {
        let id = Uuid::new_v4();
        let seen = |caller: Caller| (caller.remembered_as(id), caller.own_name("mail"));
        let callers = [Caller::itself(UNBOUNDED), caller("shop", false), caller("eu", false)];
        let all =
            callers.into_iter().flat_map(|one| [one.clone(), one.clone().at("eu"), one.at("us")]);
        let all: Vec<_> = all.map(seen).collect();
        for (index, one) in all.iter().enumerate() {
            for other in all.iter().skip(index + 1) {
                assert!(one.0 != other.0 && one.1 != other.1);
            }
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
