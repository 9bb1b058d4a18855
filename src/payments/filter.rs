//! Which payments a caller means. Pure.

use crate::caller::Caller;
use crate::pb;
use crate::storage::Claimable;

/// What a payment must be like.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    asked: pb::PaymentFilter,
    /// The Stripe account whose payments are meant.
    account: String,
    /// The owner whose payments alone are meant.
    owner: Option<String>,
}

// === impl Filter ===

impl Filter {
    /// Puts a filter together with the one link that some requests name beside it.
    pub(super) fn new(link: String, filter: Option<pb::PaymentFilter>) -> Self {
        let mut filter = filter.unwrap_or_default();
        if !link.is_empty() {
            let asked = std::mem::take(&mut filter.payment_links);
            let both = asked.is_empty() || asked.contains(&link);
            // Of two links that are not the same, no payment is of both. No
            // link has an empty id, so this one fits nothing.
            filter.payment_links = vec![if both { link } else { String::new() }];
        }
        Self { asked: filter, ..Self::default() }
    }

    /// Narrows it to what the caller may see.
    pub(super) fn seen_by(self, caller: &Caller) -> Self {
        let owner = caller.only_owner().map(str::to_owned);
        Self { account: caller.account().to_owned(), owner, ..self }
    }

    /// What of it the memory can look for. It may find more than is meant.
    pub(super) fn wanted(&self) -> Claimable {
        let pb::PaymentFilter { payment_links, states, client_reference_id, .. } = &self.asked;
        Claimable {
            account: self.account.clone(),
            owner: self.owner.clone(),
            payment_links: payment_links.clone(),
            states: states.clone(),
            client_reference_id: client_reference_id.clone(),
            ..Claimable::default()
        }
    }

    /// The one link of all payments that are meant, where there is one.
    pub(super) fn only_link(&self) -> Option<&str> {
        match self.asked.payment_links.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether a payment is meant.
    pub(super) fn fits(&self, payment: &pb::Payment) -> bool {
        let pb::PaymentFilter { payment_links, states, metadata, client_reference_id } =
            &self.asked;
        let has = |(key, value)| payment.metadata.get(key) == Some(value);
        self.account == payment.account
            && self.owner.as_ref().is_none_or(|owner| *owner == payment.owner)
            && (payment_links.is_empty() || payment_links.contains(&payment.payment_link))
            && (states.is_empty() || states.contains(&payment.state))
            && metadata.iter().all(has)
            && (client_reference_id.is_empty()
                || *client_reference_id == payment.client_reference_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::payment::State;

    fn payment() -> pb::Payment {
        pb::Payment {
            payment_link: "plink_1".into(),
            state: State::Paid.into(),
            metadata: [("order".to_owned(), "7".to_owned())].into(),
            client_reference_id: "cart-1".into(),
            ..Default::default()
        }
    }

    fn check(change: impl FnOnce(&mut pb::PaymentFilter), expected: bool) {
        let mut filter = pb::PaymentFilter::default();
        change(&mut filter);
        let fits = Filter::new(String::new(), Some(filter.clone())).fits(&payment());
        assert_eq!(fits, expected, "{filter:?}");
    }

    #[test]
    fn a_payment_must_satisfy_all_that_is_set() {
        check(|_| {}, true);
        check(|filter| filter.payment_links = vec!["a".into(), "plink_1".into()], true);
        check(|filter| filter.payment_links = vec!["a".into()], false);
        check(|filter| filter.states = vec![State::Paid.into()], true);
        check(|filter| filter.states = vec![State::Refunded.into()], false);
        check(|filter| filter.metadata = [("order".into(), "7".into())].into(), true);
        check(|filter| filter.metadata = [("order".into(), "8".into())].into(), false);
        check(|filter| filter.metadata = [("other".into(), "7".into())].into(), false);
        check(|filter| filter.client_reference_id = "cart-1".into(), true);
        check(|filter| filter.client_reference_id = "cart-2".into(), false);
    }

    #[test]
    fn a_link_beside_a_filter_narrows_it() {
        let of = |links: &[&str]| {
            let payment_links = links.iter().map(|&link| link.to_owned()).collect();
            let filter = pb::PaymentFilter { payment_links, ..Default::default() };
            Filter::new("plink_1".into(), Some(filter)).fits(&payment())
        };
        assert!(of(&[]) && of(&["a", "plink_1"]));
        assert!(!of(&["a"]));
    }
}
