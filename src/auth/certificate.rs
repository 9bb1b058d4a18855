//! The SPIFFE id of a certificate that was verified:
//! <https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md>.

use serde::Deserialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::{NAME_BYTES_MAX, Refusal};

const SCHEME: &str = "spiffe://";
/// The longest name of a trust domain, in bytes.
const DOMAIN_BYTES_MAX: usize = 255;

/// A trust domain, such as `prod.example`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustDomain(String);

/// Gives the id that the certificate of a workload carries, if it is of one of
/// the domains.
pub(super) fn name(der: &[u8], domains: &[TrustDomain]) -> Result<String, Refusal> {
    let id = sole_uri(der).ok_or(Refusal::Certificate)?;
    let domain = domain_of(&id).ok_or(Refusal::Certificate)?;
    if domains.iter().any(|trusted| trusted.0 == domain) {
        Ok(id)
    } else {
        Err(Refusal::Certificate)
    }
}

/// Reads the one URI of a leaf. A certificate that can sign others is none.
fn sole_uri(der: &[u8]) -> Option<String> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let usage = certificate.key_usage().ok()?.map(|usage| usage.value);
    let signs = usage.is_some_and(|usage| usage.key_cert_sign() || usage.crl_sign());
    if !rest.is_empty() || signs || certificate.is_ca() {
        return None;
    }
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        // It may have been meant for one, and would be a second.
        GeneralName::Invalid(..) => Some(""),
        _ => None,
    });
    let (uri, None) = (uris.next()?, uris.next()) else { return None };
    Some(uri.to_owned())
}

/// Checks a SPIFFE id, and gives its trust domain.
fn domain_of(id: &str) -> Option<&str> {
    let (domain, path) = id.strip_prefix(SCHEME)?.split_once('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.chars().all(plain)
    };
    let fits = id.len() <= NAME_BYTES_MAX && is_domain(domain);
    (fits && path.split('/').all(is_segment)).then_some(domain)
}

fn is_domain(text: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    (1..=DOMAIN_BYTES_MAX).contains(&text.len()) && text.chars().all(plain)
}

// === impl TrustDomain ===

impl TrustDomain {
    /// Whether it is called that.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0 == name
    }
}

impl TryFrom<String> for TrustDomain {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let domain = "must be a trust domain, such as prod.example, without spiffe://";
        if is_domain(&text) { Ok(Self(text)) } else { Err(domain) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};

    use super::*;

    /// Makes a certificate with these names, and gives the id that is read of it.
    fn check(uris: &[&str], change: impl FnOnce(&mut CertificateParams), expected: Option<&str>) {
        let mut params = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
        let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
        params.subject_alt_names.extend(uris.iter().map(uri));
        change(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let domains = ["prod.example", "b"].map(|name| TrustDomain(name.to_owned()));
        assert_eq!(name(certificate.der(), &domains).ok().as_deref(), expected, "{uris:?}");
    }

    #[test]
    fn a_workload_is_named_by_its_certificate() {
        for id in ["spiffe://prod.example/ns/shop/sa/web", "spiffe://b/a", "spiffe://b/A.b-c_9"] {
            check(&[id], |_| {}, Some(id));
        }
    }

    #[test]
    fn a_certificate_must_have_exactly_one_uri() {
        check(&[], |_| {}, None);
        check(&["spiffe://b/a", "spiffe://b/c"], |_| {}, None);
        check(&["spiffe://b/a", "https://b/c"], |_| {}, None);
        check(&["spiffe://b/a", "spiffe://b/a"], |_| {}, None);
    }

    #[test]
    fn other_domains_and_other_text_name_nobody() {
        for id in [
            "spiffe://other.example/a",
            "spiffe://prod.example.evil/a",
            "https://prod.example/a",
            "SPIFFE://prod.example/a",
            "spiffe://PROD.example/a",
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe://prod.example/a/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/../a",
            "spiffe://prod.example/a/./b",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "spiffe://prod.example/a%2Fb",
            "spiffe://prod.example/a*",
            "spiffe://prod.example:443/a",
            "spiffe://user@prod.example/a",
        ] {
            check(&[id], |_| {}, None);
        }
        let long = format!("spiffe://b/{}", "a".repeat(NAME_BYTES_MAX));
        check(&[&long], |_| {}, None);
    }

    #[test]
    fn an_authority_is_no_workload() {
        let id = ["spiffe://b/a"];
        let authority = IsCa::Ca(BasicConstraints::Unconstrained);
        check(&id, |params| params.is_ca = authority, None);
        check(&id, |params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign], None);
        check(&id, |params| params.key_usages = vec![KeyUsagePurpose::CrlSign], None);
        check(
            &id,
            |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
            Some(id[0]),
        );
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(name(&bytes, &[TrustDomain("b".into())]), Err(Refusal::Certificate));
        }

        #[test]
        fn what_is_taken_for_an_id_is_one(text in "spiffe://[a-zA-Z0-9./_%?#@:*-]{0,40}") {
            let pattern = "^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+$";
            let strict = regex::Regex::new(pattern).unwrap();
            let dots = text.split('/').skip(3).any(|part| part == "." || part == "..");
            prop_assert_eq!(domain_of(&text).is_some(), strict.is_match(&text) && !dots);
        }
    }
}
