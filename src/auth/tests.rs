use std::path::PathBuf;

use super::*;
use crate::caller::DEFAULT_ACCOUNT;
use crate::kept::Source;

const POLICY: &str = r#"
    [[rule]]
    identities = ["spiffe://b/shop", "t|shop"]
    permissions = ["links.read", "payments.read"]
    owner = "shop"

    [[rule]]
    identities = ["spiffe://b/crm", "t|crm"]
    permissions = ["links.read"]
    owner = "crm"

    [[rule]]
    identities = ["spiffe://b/mesh", "t|operator"]
    permissions = ["links.*"]
    all_owners = true
"#;

/// What these names together may do about links, as owner and whether all are seen.
fn check(names: &[&str], permission: &str, expected: Option<(&str, bool)>) {
    let policy = Policy::read(POLICY.as_bytes()).unwrap();
    let source = Source::file(PathBuf::new(), std::time::Duration::MAX);
    let policy = Arc::new(Kept::new("policy".into(), source, Policy::read, policy));
    let (require, trust_domains, tokens) = (Vec::new(), Vec::new(), Tokens::default());
    let auth = Auth(Arc::new(Rules { require, trust_domains, tokens, policy }));
    let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
    let expected =
        expected.map(|(owner, sees_all)| Access::of(names[0].clone(), owner.into(), sees_all));
    let identity = Identity { names, ends: None };
    assert_eq!(
        auth.access(&identity, permission, DEFAULT_ACCOUNT),
        expected,
        "{identity:?} {permission}"
    );
}

#[test]
fn an_identity_works_with_the_owner_of_its_rule_or_for_itself() {
    check(&["t|shop"], "links.read", Some(("shop", false)));
    check(&["t|operator"], "links.write", Some(("t|operator", true)));
    check(&["t|shop"], "links.write", None);
    check(&["t|nobody"], "links.read", None);
    check(&[], "links.read", None);
}

#[test]
fn of_two_proofs_both_must_be_permitted_and_of_one_owner() {
    check(&["t|shop", "spiffe://b/shop"], "links.read", Some(("shop", false)));
    check(&["t|shop", "spiffe://b/mesh"], "links.read", Some(("shop", false)));
    check(&["t|shop", "spiffe://b/mesh"], "payments.read", None);
    check(&["t|shop", "spiffe://b/crm"], "links.read", None);
    check(&["t|operator", "spiffe://b/crm"], "links.read", Some(("crm", false)));
    check(&["t|operator", "spiffe://b/mesh"], "links.write", Some(("t|operator", true)));
    check(&["t|shop", "spiffe://b/nobody"], "links.read", None);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_looked_for_once_in_a_while() {
    let path = std::env::temp_dir().join(format!("paylink-{}", uuid::Uuid::new_v4()));
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("1");
    let source = Source::file(path.clone(), std::time::Duration::MAX);
    let number =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<u8>().map_err(|e| e.to_string());
    let kept = Arc::new(Kept::first("number".into(), source, number).await.unwrap());
    let look = async || {
        let now = kept.now();
        kept.clone().look_for_missing(&now).await
    };
    write("2");
    assert!(look().await && *kept.now() == 2);
    write("3");
    assert!(!look().await && *kept.now() == 2, "it was looked at just now");
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    assert!(look().await && *kept.now() == 3);
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    write("not a number");
    assert!(!look().await && *kept.now() == 3, "what is broken changes nothing");
}
