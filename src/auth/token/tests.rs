use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::*;

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn jwk(pair: &KeyPair) -> Value {
    let (x, y) = pair.der_bytes()[1..].split_at(32);
    let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
    json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y })
}

fn tokens(pair: &KeyPair) -> Tokens {
    let set = json!({ "keys": [jwk(pair)] }).to_string();
    let source = Source::file(PathBuf::new(), Duration::MAX);
    let keys = KeySet::read(set.as_bytes()).unwrap();
    let keys = Arc::new(Kept::new("keys".into(), source, KeySet::read, keys));
    let (name, audience) = ("https://id.example".to_owned(), "paylink".to_owned());
    let issuer = Issuer { name, audience, kubernetes: false, keys };
    Tokens { issuers: vec![issuer], leeway_secs: 30, token_secs_max: 3600, ..Tokens::default() }
}

fn token(pair: &KeyPair, header: &Header) -> String {
    let exp = jiff::Timestamp::now().as_second() + 600;
    let claims =
        json!({ "iss": "https://id.example", "aud": "paylink", "sub": "robot", "exp": exp });
    encode(header, &claims, &EncodingKey::from_ec_der(&pair.serialize_der())).unwrap()
}

fn header() -> Header {
    Header { kid: Some("k".into()), ..Header::new(Algorithm::ES256) }
}

fn check(tokens: &Tokens, authorization: &str) -> Result<String, Refusal> {
    let runtime = Runtime::new().unwrap();
    let verified = runtime.block_on(tokens.verify(Some(authorization)));
    verified.map(|proved| proved.name.to_string())
}

#[test]
fn a_token_names_its_subject_as_the_issuers() {
    let pair = pair();
    let (tokens, bearer) = (tokens(&pair), format!("Bearer {}", token(&pair, &header())));
    // The second time it is known.
    for _ in 0..2 {
        assert_eq!(check(&tokens, &bearer).as_deref(), Ok("https://id.example|robot"));
    }
    let basic = bearer.replacen("Bearer", "Basic", 1);
    assert_eq!(check(&tokens, &basic), Err(Refusal::TokenMalformed));
}

#[test]
fn what_a_token_says_that_is_not_understood_is_not_passed_over() {
    let pair = pair();
    let tokens = tokens(&pair);
    let crit = Header { crit: Some(vec!["exp".into()]), ..header() };
    let typ = Header { typ: Some("logout+jwt".into()), ..header() };
    for header in [crit, typ] {
        let bearer = format!("Bearer {}", token(&pair, &header));
        assert_eq!(check(&tokens, &bearer), Err(Refusal::TokenMalformed));
    }
}

#[test]
fn only_keys_that_verify_and_cannot_sign_are_taken() {
    let good = jwk(&pair());
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let of = |keys: &[Value]| KeySet::read(json!({ "keys": keys }).to_string().as_bytes());
    assert!(of(std::slice::from_ref(&good)).is_ok());
    for bad in [
        json!({ "kty": "oct", "kid": "k", "k": "AAAA" }),
        json!({ "kty": "new", "kid": "k" }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": "?", "y": "?" }),
        with("use", json!("enc")),
        with("alg", json!("HS256")),
        with("alg", json!("RS256")),
        with("kid", Value::Null),
    ] {
        assert!(of(std::slice::from_ref(&bad)).is_err(), "{bad}");
        assert!(of(&[bad, good.clone()]).is_ok(), "others are of use beside it");
    }
    assert!(of(&[good.clone(), good.clone()]).is_err());
}

#[test]
fn names_of_one_issuer_are_never_those_of_another() {
    let pair = pair();
    let mut issuer = tokens(&pair).issuers.remove(0);
    let pod = "system:serviceaccount:shop:web";
    assert_eq!(issuer.name_of(pod).as_deref(), Some(&*format!("https://id.example|{pod}")));
    assert_eq!(issuer.name_of("a*"), None);
    issuer.kubernetes = true;
    assert_eq!(issuer.name_of(pod).as_deref(), Some(pod));
    for other in
        ["robot", "system:serviceaccount:shop", "system:serviceaccount::web", "system:x:a:b"]
    {
        assert_eq!(issuer.name_of(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token(
        text in "(?s).{0,200}",
        dots in "([a-zA-Z0-9_-]{0,40}[.]){0,4}",
    ) {
        let tokens = tokens(&pair());
        prop_assert!(check(&tokens, &text).is_err());
        let bearer = format!("Bearer {dots}");
        prop_assert!(check(&tokens, &bearer).is_err());
    }

    #[test]
    fn a_changed_token_is_no_token(at in any::<prop::sample::Index>(), to in "[a-zA-Z0-9_.=-]") {
        let pair = pair();
        let (tokens, good) = (tokens(&pair), token(&pair, &header()));
        let at = at.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != good);
        let bearer = format!("Bearer {changed}");
        prop_assert!(check(&tokens, &bearer).is_err());
    }
}
