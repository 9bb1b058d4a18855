//! The policy: which identities may call what, and whose objects they work with.
//!
//! ```toml
//! [[rule]]
//! identities = ["spiffe://prod.example/ns/shop/*", "system:serviceaccount:shop:web"]
//! permissions = ["links.read", "links.write", "payments.*"]
//! owner = "shop"
//! ```
//!
//! Of all patterns that fit an identity the longest decides, and an exact one
//! before all others: rules do not add up, and their order does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use super::is_name;
use crate::pb;

/// Who may call what.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policy {
    exact: BTreeMap<String, Arc<Grant>>,
    /// What identities begin with.
    beginnings: BTreeMap<String, Arc<Grant>>,
}

/// What an identity may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    permissions: BTreeSet<&'static str>,
    /// Whose objects it works with; its own where none is named.
    pub(super) owner: Option<Arc<str>>,
    /// Whether it sees the objects of all owners.
    pub(super) sees_all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    identities: Vec<String>,
    permissions: Vec<String>,
    owner: Option<String>,
    #[serde(default)]
    all_owners: bool,
}

/// What stands for the rest of an identity, and for every permission.
const REST: char = '*';
/// What the part before [`REST`] ends with, so that `ns/shop*` cannot mean
/// `ns/shop-of-others` by mistake.
const BORDERS: [char; 3] = ['/', ':', '|'];

// === impl Policy ===

impl Policy {
    /// Reads a policy, and refuses one that does not say clearly what it means.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        // The message alone: the error's own text would show the line.
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        // Such as a file that is just being written.
        if file.rule.is_empty() {
            return Err("has no rule".into());
        }
        let mut policy = Self::default();
        for rule in file.rule {
            let (identities, grant) = rule.read()?;
            for identity in identities {
                policy.add(&identity, grant.clone())?;
            }
        }
        Ok(policy)
    }

    /// Gives what an identity may do; `None` where no rule is about it.
    pub(super) fn grant(&self, identity: &str) -> Option<&Grant> {
        let exact = self.exact.get(identity).map(Arc::as_ref);
        exact.or_else(|| {
            let borders = identity.rmatch_indices(BORDERS).map(|(at, _)| at + 1);
            // Nothing is not a rest.
            let mut beginnings = borders.filter(|end| *end < identity.len());
            beginnings.find_map(|end| self.beginnings.get(identity.get(..end)?).map(Arc::as_ref))
        })
    }

    /// Gives every pattern of identities, the exact ones first, and what it may do.
    pub(super) fn rules(&self) -> impl Iterator<Item = (String, &Grant)> {
        let exact = self.exact.iter().map(|(name, grant)| (name.clone(), &**grant));
        let beginnings = self.beginnings.iter();
        exact.chain(beginnings.map(|(start, grant)| (format!("{start}{REST}"), &**grant)))
    }

    fn add(&mut self, identity: &str, grant: Arc<Grant>) -> Result<(), String> {
        if !is_name(identity) {
            return Err("an identity is visible ASCII, up to 500 characters".into());
        }
        let before = match identity.strip_suffix(REST) {
            Some(beginning) if !beginning.ends_with(BORDERS) => {
                return Err(format!("{identity}: before * stands one of / : |"));
            }
            Some(beginning) => self.beginnings.insert(beginning.to_owned(), grant),
            None => self.exact.insert(identity.to_owned(), grant),
        };
        if identity.trim_end_matches(REST).contains(REST) {
            return Err(format!("{identity}: * stands at the end alone"));
        }
        match before {
            Some(_) => Err(format!("{identity} stands in two rules")),
            None => Ok(()),
        }
    }
}

// === impl Grant ===

impl Grant {
    /// Whether it includes a permission.
    pub(super) fn permits(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }

    /// Whether it includes no permission at all.
    pub(super) fn permits_nothing(&self) -> bool {
        self.permissions.is_empty()
    }

    /// Whether it includes every permission that there is.
    pub(super) fn permits_all(&self) -> bool {
        pb::permissions().all(|permission| self.permits(permission))
    }
}

// === impl Rule ===

impl Rule {
    fn read(self) -> Result<(Vec<String>, Arc<Grant>), String> {
        let mut permissions = BTreeSet::new();
        for wanted in &self.permissions {
            let before = permissions.len();
            permissions.extend(pb::permissions().filter(|known| means(wanted, known)));
            if permissions.len() == before && !pb::permissions().any(|known| means(wanted, known)) {
                return Err(format!("{wanted} is no permission"));
            }
        }
        if self.owner.as_deref().is_some_and(|owner| !is_name(owner)) {
            return Err("an owner is visible ASCII, up to 500 characters".into());
        }
        let owner = self.owner.map(Arc::from);
        Ok((self.identities, Arc::new(Grant { permissions, owner, sees_all: self.all_owners })))
    }
}

/// Whether a word of a rule means a permission: itself, `links.*` or `*`.
fn means(wanted: &str, permission: &str) -> bool {
    match wanted.strip_suffix(REST) {
        Some("") => true,
        Some(group) => group.ends_with('.') && permission.starts_with(group),
        None => wanted == permission,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: &str = r#"
        [[rule]]
        identities = ["spiffe://prod/ns/shop/*", "system:serviceaccount:shop:*"]
        permissions = ["links.*", "payments.read"]
        owner = "shop"

        [[rule]]
        identities = ["spiffe://prod/ns/shop/sa/audit"]
        permissions = ["payments.read"]
        all_owners = true

        [[rule]]
        identities = ["spiffe://prod/*"]
        permissions = ["catalog.read"]

        [[rule]]
        identities = ["https://id.example|robot"]
        permissions = ["*"]
    "#;

    /// Patterns that can be meant.
    const PATTERN: &str = "[ab]{1,2}([/:|][ab]{1,2}){0,2}([/:|]\\*)?";

    fn check(identity: &str, permission: &str, expected: bool) {
        let policy = Policy::read(POLICY.as_bytes()).unwrap();
        let permitted = policy.grant(identity).is_some_and(|grant| grant.permits(permission));
        assert_eq!(permitted, expected, "{identity} {permission}");
    }

    fn refused(rule: &str) -> String {
        Policy::read(format!("[[rule]]\n{rule}").as_bytes()).unwrap_err()
    }

    #[test]
    fn an_identity_may_do_what_its_rule_says_and_nothing_else() {
        check("spiffe://prod/ns/shop/sa/web", "links.write", true);
        check("system:serviceaccount:shop:web", "links.read", true);
        check("spiffe://prod/ns/shop/sa/web", "payments.refund", false);
        check("https://id.example|robot", "payments.refund", true);
        check("https://id.example|another", "links.read", false);
        check("system:serviceaccount:crm:web", "links.read", false);
    }

    #[test]
    fn the_longest_pattern_decides_alone() {
        check("spiffe://prod/ns/shop/sa/audit", "payments.read", true);
        check("spiffe://prod/ns/shop/sa/audit", "links.read", false);
        check("spiffe://prod/ns/shop/sa/web", "catalog.read", false);
        check("spiffe://prod/ns/crm/sa/web", "catalog.read", true);
    }

    #[test]
    fn a_pattern_ends_at_a_border_and_stands_for_something() {
        for stranger in
            ["spiffe://prod/ns/shop-of-others/sa/web", "spiffe://prod/ns/shop/", "spiffe://prod/ns"]
        {
            check(stranger, "links.read", false);
        }
        check("system:serviceaccount:shop:", "links.read", false);
    }

    #[test]
    fn a_policy_that_is_not_clear_is_refused() {
        let ok = "permissions = [\"links.read\"]";
        assert!(refused(&format!("identities = [\"a/ns*\"]\n{ok}")).contains("before *"));
        assert!(refused(&format!("identities = [\"*\"]\n{ok}")).contains("before *"));
        assert!(refused(&format!("identities = [\"a/*/b\"]\n{ok}")).contains("at the end"));
        assert!(refused(&format!("identities = [\"a/*/*\"]\n{ok}")).contains("at the end"));
        assert!(refused(&format!("identities = [\"a\", \"a\"]\n{ok}")).contains("two rules"));
        assert!(refused(&format!("identities = [\"a b\"]\n{ok}")).contains("visible"));
        assert!(refused("identities = [\"a\"]\npermissions = [\"link.*\"]").contains("permission"));
        assert!(refused("identities = [\"a\"]\npermissions = [\"links*\"]").contains("permission"));
        assert!(refused(&format!("identities = [\"a\"]\n{ok}\nowner = \"\"")).contains("owner"));
        assert!(refused(&format!("identities = [\"a\"]\n{ok}\nowners = \"a\"")).contains("owners"));
        assert!(refused("permissions = []").contains("identities"));
    }

    #[test]
    fn a_policy_without_a_rule_is_none() {
        assert_eq!(Policy::read(b"").unwrap_err(), "has no rule");
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Policy::read(&bytes);
        }

        #[test]
        fn a_grant_comes_only_of_a_pattern_that_fits(
            patterns in proptest::collection::btree_set(PATTERN, 1..5),
            identity in "[ab]{0,2}([/:|][ab]{0,2}){0,3}",
        ) {
            let identities = patterns.iter().map(|pattern| format!("{pattern:?}"));
            let identities = identities.collect::<Vec<_>>().join(", ");
            let text = format!("[[rule]]\nidentities = [{identities}]\npermissions = [\"*\"]");
            let fits = patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => identity.len() > start.len() && identity.starts_with(start),
                None => *pattern == identity,
            });
            let policy = Policy::read(text.as_bytes()).unwrap();
            prop_assert_eq!(policy.grant(&identity).is_some(), fits);
        }
    }
}
