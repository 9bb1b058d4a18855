//! Leaves one link published for each operation that was sent under two keys.

use std::time::Duration;

use tokio::time::Instant;

use super::{QUESTION_TIME, by_account};
use crate::operations::{Operations, signals};
use crate::pb;
use crate::storage::{self, Operation, OperationState};
use crate::stripe::{Marked, Resourceful as _, Write};

/// How long an orphan may live.
pub(super) const EVERY: Duration = Duration::from_hours(1);
/// How long after it was asked for an operation can still turn out to have been
/// done twice.
const AGE_MAX: Duration = Duration::from_hours(72);

/// What the sweep finds of an operation.
#[derive(Debug, PartialEq, Eq)]
struct Finding<'a> {
    /// The link that the operation is to tell of, where it tells of none yet.
    own: Option<&'a str>,
    /// The links that buyers must not find.
    orphans: Vec<&'a str>,
}

// === impl Operations ===

impl Operations {
    /// Looks at all operations that got a second key.
    pub(super) async fn sweep(&self) -> Result<(), storage::Error> {
        let now_ms = self.0.clock.now_ms();
        let since_ms =
            now_ms.saturating_sub(i64::try_from(AGE_MAX.as_millis()).unwrap_or(i64::MAX));
        let mut renewed = self.0.memory.renewed(since_ms).await?;
        renewed.retain(makes_a_link);
        for (account, renewed) in by_account(renewed) {
            self.sweep_account(&account, renewed, now_ms).await?;
        }
        Ok(())
    }

    async fn sweep_account(
        &self,
        account: &str,
        renewed: Vec<Operation>,
        now_ms: i64,
    ) -> Result<(), storage::Error> {
        let links = match self.0.stripe.marked_links(account, QUESTION_TIME).await {
            Ok(links) => links,
            Err(error) => {
                tracing::warn!(%error, "Links could not be swept, which is tried again");
                return Ok(());
            }
        };
        for operation in renewed {
            let Finding { own, orphans } = look(&operation, &links);
            for orphan in orphans {
                self.deactivate(account, orphan, &operation.key).await;
            }
            if let Some(own) = own {
                let found = operation.found(own.to_owned(), now_ms);
                self.0.memory.put(found).await?;
            }
        }
        Ok(())
    }

    async fn deactivate(&self, account: &str, link: &str, operation: &str) {
        let write = Write::set::<pb::PaymentLink>(link, &[("active", "false")]);
        let key = format!("{operation}-orphan-{link}");
        let deadline = Instant::now() + QUESTION_TIME;
        match self.0.stripe.write(account, &write, Some(key), deadline).await {
            Ok(_) => {
                signals::orphan();
                tracing::warn!(operation, link.id = link, "A link made twice is inactive");
            }
            Err(error) => {
                tracing::error!(%error, link.id = link, "A link made twice is still active");
            }
        }
    }
}

/// Whether the operation makes a link.
pub(super) fn makes_a_link(operation: &Operation) -> bool {
    operation.path == pb::PaymentLink::resource().collection
}

/// Decides which of the links of an operation stays. `links` has the newest first.
fn look<'a>(operation: &Operation, links: &'a [Marked]) -> Finding<'a> {
    let own: Vec<&Marked> = links.iter().filter(|link| link.operation == operation.key).collect();
    let told = match operation.state {
        OperationState::Done => Some(operation.resource.as_str()),
        OperationState::Rejected => None,
        // While it is on its way, it is not known which link it will tell of.
        OperationState::Sent | OperationState::New => {
            return Finding { own: None, orphans: Vec::new() };
        }
        OperationState::Unknown | OperationState::Lost => own.last().map(|link| link.id.as_str()),
    };
    let is_orphan = |link: &&&Marked| link.active && Some(link.id.as_str()) != told;
    let orphans = own.iter().filter(is_orphan).map(|link| link.id.as_str()).collect();
    let is_told = operation.state == OperationState::Done || !operation.resource.is_empty();
    let last = own.last().filter(|_| !is_told && operation.state != OperationState::Rejected);
    Finding { own: last.map(|link| link.id.as_str()), orphans }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::tests::operation;

    fn link(id: &str, active: bool) -> Marked {
        Marked { id: id.into(), operation: operation().key, active }
    }

    fn check(
        state: OperationState,
        resource: &str,
        links: &[Marked],
        own: Option<&str>,
        orphans: &[&str],
    ) {
        let operation = Operation { state, resource: resource.into(), ..operation() };
        let orphans = orphans.to_vec();
        assert_eq!(look(&operation, links), Finding { own, orphans }, "{state:?} {links:?}");
    }

    #[test]
    fn the_link_that_was_told_of_stays_and_the_other_goes() {
        let both = [link("plink_2", true), link("plink_1", true)];
        check(OperationState::Done, "plink_1", &both, None, &["plink_2"]);
        check(OperationState::Done, "plink_2", &both, None, &["plink_1"]);
    }

    #[test]
    fn where_none_was_told_of_the_older_one_stays() {
        let both = [link("plink_2", true), link("plink_1", true)];
        check(OperationState::Unknown, "", &both, Some("plink_1"), &["plink_2"]);
        check(OperationState::Lost, "", &both, Some("plink_1"), &["plink_2"]);
    }

    #[test]
    fn what_was_told_as_refused_leaves_no_link() {
        check(OperationState::Rejected, "", &[link("plink_1", true)], None, &["plink_1"]);
    }

    #[test]
    fn nothing_is_done_while_the_operation_is_on_its_way() {
        check(OperationState::Sent, "", &[link("plink_1", true)], None, &[]);
    }

    #[test]
    fn an_inactive_link_is_left_alone() {
        let both = [link("plink_2", false), link("plink_1", true)];
        check(OperationState::Done, "plink_1", &both, None, &[]);
    }

    #[test]
    fn the_links_of_others_are_not_touched() {
        let others = [Marked { operation: "plv1-other".into(), ..link("plink_1", true) }];
        check(OperationState::Done, "plink_2", &others, None, &[]);
    }
}
