//! Connected accounts: each has a store of its own, which `Stripe-Account` names.
//!
//! The first request that names an account connects it. What belongs to the sandbox as a whole (its
//! clock, its webhooks, what is to go wrong) is lent to an account's store while work is done
//! there.

use std::mem::swap;

use axum::http::StatusCode;

use super::delivery::Outbox;
use super::events::Event;
use super::http::masked;
use super::refusal::Refusal;
use super::store::State;
use super::{account, agenda};

/// How many accounts are connected at most. Each may hold as much as the platform's own.
pub(super) const ACCOUNTS_MAX: usize = 32;

/// Connects the account that a request is for; the answer is none for the platform's own. Refuses
/// what names no account, in Stripe's words, and one account too many.
pub(super) fn connect(state: &mut State, id: &str, key: &str) -> Result<Option<String>, Refusal> {
    if id == account::ID {
        return Ok(None);
    }
    let rest = id.strip_prefix("acct_").unwrap_or_default();
    let formed = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let has_room = state.connected.len() < ACCOUNTS_MAX || state.connected.contains_key(id);
    if formed && has_room {
        state.within(Some(id), |_| {});
        return Ok(Some(id.to_owned()));
    }
    let message = format!(
        "The provided key '{}' does not have access to account '{id}' (or that account does not \
         exist). Application access may have been revoked.",
        masked(key)
    );
    let refusal = Refusal::invalid(message).code("account_invalid");
    Err(Refusal { status: StatusCode::FORBIDDEN, ..refusal })
}

/// Carries out what is due by now in every account, first come first.
pub(super) fn run_due(state: &mut State) {
    let now = state.clock.now();
    while let Some((due, account)) = first_due(state)
        && due <= now
    {
        state.within(account.as_deref(), agenda::run_first);
    }
}

/// When the next thing happens in any account, in Unix seconds.
pub(super) fn next_due(state: &State) -> Option<i64> {
    first_due(state).map(|(due, _)| due)
}

/// When and where the next thing happens.
fn first_due(state: &State) -> Option<(i64, Option<String>)> {
    let own = state.agenda.next_due().map(|due| (due, None));
    let connected = state.connected.iter().filter_map(|(id, of_account)| {
        of_account.agenda.next_due().map(|due| (due, Some(id.clone())))
    });
    // Of those that are due in the same second the platform's own comes first.
    own.into_iter().chain(connected).min()
}

/// The store of an account, at work. It goes back to its place even after a panic, and so does what
/// was lent to it.
struct Visit<'a> {
    home: &'a mut State,
    store: State,
}

// === impl State ===

impl State {
    /// Works on the store of an account; none for the platform's own.
    pub(super) fn within<T>(
        &mut self,
        account: Option<&str>,
        work: impl FnOnce(&mut State) -> T,
    ) -> T {
        let Some(id) = account else {
            return work(self);
        };
        let store = self.connected.remove(id).unwrap_or_else(|| self.blank(id));
        let mut visit = Visit::begin(self, store);
        work(&mut visit.store)
    }

    /// Works where something is: in the first account, the platform's own before all, of which
    /// `has` is true. Where it is nowhere, the platform's own answers.
    pub(super) fn where_is<T>(
        &mut self,
        has: impl Fn(&State) -> bool,
        work: impl FnOnce(&mut State) -> T,
    ) -> T {
        let elsewhere = if has(self) {
            None
        } else {
            self.connected.iter().find(|(_, of_account)| has(of_account)).map(|(id, _)| id.clone())
        };
        self.within(elsewhere.as_deref(), work)
    }

    /// An event of any account.
    pub(super) fn event_mut(&mut self, id: &str) -> Option<&mut Event> {
        let connected = self.connected.values_mut().map(|of_account| &mut of_account.events);
        std::iter::once(&mut self.events).chain(connected).find_map(|events| events.get_mut(id))
    }

    /// How many events there have ever been, in all accounts.
    pub(super) fn events_made(&self) -> u64 {
        let connected = self.connected.values().map(|of_account| of_account.events.made());
        self.events.made() + connected.sum::<u64>()
    }

    /// A store in which nothing has happened, for an account.
    fn blank(&self, account: &str) -> Self {
        let blank = Self::new(String::new(), self.objects_max, Outbox::new(None, 0));
        Self { account: Some(account.to_owned()), ..blank }
    }

    /// Exchanges what belongs to the sandbox as a whole; done twice, it is where it was.
    fn lend(&mut self, of_account: &mut Self) {
        swap(&mut self.clock, &mut of_account.clock);
        swap(&mut self.public_url, &mut of_account.public_url);
        swap(&mut self.receivers, &mut of_account.receivers);
        swap(&mut self.outbox, &mut of_account.outbox);
        swap(&mut self.faults, &mut of_account.faults);
    }
}

// === impl Visit ===

impl<'a> Visit<'a> {
    fn begin(home: &'a mut State, mut store: State) -> Self {
        home.lend(&mut store);
        Self { home, store }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.home.lend(&mut self.store);
        let id = self.store.account.clone().unwrap_or_default();
        let nothing = self.home.blank(&id);
        self.home.connected.insert(id, std::mem::replace(&mut self.store, nothing));
    }
}
