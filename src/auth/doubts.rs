//! What of a policy can hardly be meant: rules that fit nobody who can come, or
//! that let somebody do everything.

use std::net::SocketAddr;

use super::policy::Policy;
use super::{Config, Proof, SetupError, setup};

/// What was found of who may call.
#[derive(Debug, PartialEq, Eq)]
pub struct Examined {
    /// How many patterns of identities have a rule; `None` where anyone may call.
    pub identities: Option<usize>,
    /// What can hardly be meant, in sentences.
    pub doubts: Vec<String>,
}

// === impl Config ===

impl Config {
    /// Reads the policy as the service would, and looks for what can hardly be
    /// meant. `listen` and `sees_certificates` are as for [`Self::build`].
    pub async fn examine(
        &self,
        listen: SocketAddr,
        sees_certificates: bool,
    ) -> Result<Examined, SetupError> {
        setup::check(self, listen, sees_certificates)?;
        if self.require.is_empty() {
            let other = "anyone who reaches the port may call everything";
            let is_reached = !listen.ip().is_loopback();
            let doubts = is_reached.then(|| other.to_owned()).into_iter().collect();
            return Ok(Examined { identities: None, doubts });
        }
        let policy = setup::policy(self).await?.now();
        let doubts = self.doubts(&policy);
        Ok(Examined { identities: Some(policy.rules().count()), doubts })
    }

    fn doubts(&self, policy: &Policy) -> Vec<String> {
        let mut doubts = Vec::new();
        for (identity, grant) in policy.rules() {
            if !self.can_come(&identity) {
                doubts.push(format!("{identity} fits nobody who can prove it here"));
            }
            if grant.permits_nothing() {
                doubts.push(format!("{identity} may do nothing"));
            } else if grant.permits_all() && grant.sees_all {
                doubts.push(format!("{identity} may do everything with everyone's objects"));
            }
        }
        doubts
    }

    /// Whether a caller with such a name can prove it.
    fn can_come(&self, identity: &str) -> bool {
        if let Some(id) = identity.strip_prefix("spiffe://") {
            let domain = id.split(['/', '*']).next().unwrap_or_default();
            return self.require.contains(&Proof::Certificate)
                && self.trust_domains.iter().any(|trusted| trusted.is(domain));
        }
        self.require.contains(&Proof::Token)
            && self.issuers.values().any(|issuer| {
                if issuer.kubernetes {
                    return identity.starts_with("system:serviceaccount:");
                }
                let subject = identity.strip_prefix(&*issuer.issuer);
                subject.is_some_and(|subject| subject.starts_with('|'))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
        require = ["certificate", "token"]
        anyone_may_call = false
        trust_domains = ["prod"]
        reload_ms = 1000
        keys_interval_ms = 1000
        leeway_secs = 0
        token_secs_max = 1000
        [issuers.id]
        issuer = "https://id.example"
        audience = "paylink"
        [issuers.cluster]
        issuer = "https://kubernetes.default.svc"
        audience = "paylink"
        kubernetes = true
    "#;

    fn check(identity: &str, rest: &str, expected: Option<&str>) {
        let config: Config = toml::from_str(CONFIG).unwrap();
        let policy = format!("[[rule]]\nidentities = [\"{identity}\"]\n{rest}");
        let doubts = config.doubts(&Policy::read(policy.as_bytes()).unwrap());
        assert_eq!(doubts.len(), usize::from(expected.is_some()), "{doubts:?}");
        assert!(doubts.first().is_none_or(|doubt| doubt.contains(expected.unwrap())), "{doubts:?}");
    }

    #[test]
    fn a_rule_for_nobody_who_can_come_is_doubted() {
        let reads = "permissions = [\"links.read\"]";
        for identity in [
            "spiffe://prod/ns/shop/sa/web",
            "spiffe://prod/*",
            "system:serviceaccount:shop:web",
            "https://id.example|robot",
            "https://id.example|*",
        ] {
            check(identity, reads, None);
        }
        for identity in [
            "spiffe://test/ns/shop/sa/web",
            "spiffe://prod.example/*",
            "https://another.example|robot",
            "https://kubernetes.default.svc|robot",
            "shop",
        ] {
            check(identity, reads, Some("fits nobody"));
        }
    }

    #[test]
    fn a_rule_that_permits_nothing_or_everything_is_doubted() {
        let shop = "spiffe://prod/ns/shop/sa/web";
        check(shop, "permissions = []", Some("nothing"));
        check(shop, "permissions = [\"*\"]\nall_owners = true", Some("everything"));
        check(shop, "permissions = [\"*\"]\nowner = \"shop\"", None);
        check(shop, "permissions = [\"links.*\"]\nall_owners = true", None);
    }
}
