//! Who may call which method: every method by every kind of caller.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use paylink::pb;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::json;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::harness::authority::{Authority, Identity};
use crate::harness::{
    Certified, Folder, Guarded, Issuer, OPERATOR, POLICY, Program, TlsFiles, Watch, code_of, first,
    now_secs, until, with_token, within,
};

/// Which methods let whom in. A new method needs a row.
const TABLE: &str = include_str!("authorization.txt");
/// The methods that are not of the contract.
const FURTHER: [&str; 4] = [
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
const GET: &str = "paylink.v1.PaymentLinkService/GetPaymentLink";

fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap().file;
    let mut methods: Vec<String> = FURTHER.map(str::to_owned).into();
    for file in files {
        for service in &file.service {
            let of = format!("{}.{}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| format!("{of}/{}", method.name())));
        }
    }
    methods.sort();
    methods
}

/// A kind of caller.
struct Kind {
    /// What it is called.
    name: &'static str,
    /// What it shows.
    shows: Shows,
    /// The reason for which it is refused; `None` where it is known who it is.
    reason: Option<&'static str>,
}

enum Shows {
    Token(Option<String>),
    Certificate(Channel),
}

/// What stands for a reason where a connection is refused.
const HANDSHAKE: &str = "handshake";

/// Those who call where tokens say who calls.
fn with_tokens(guarded: &Guarded) -> Vec<Kind> {
    let Guarded { issuer, cluster, .. } = guarded;
    let now = now_secs();
    let with = |change| Some(issuer.token_with("operator", &change));
    let thief = Issuer::new("https://id.example", "first");
    let stranger = Issuer::new("https://id.example", "second");
    let kinds = [
        ("nobody", None, Some("TOKEN_MISSING")),
        ("junk", Some("a.b.c".to_owned()), Some("TOKEN_MALFORMED")),
        ("huge", Some("a".repeat(8 * 1024 + 1)), Some("TOKEN_MALFORMED")),
        ("unsigned", Some(issuer.unsigned_token("operator")), Some("TOKEN_MALFORMED")),
        ("confused", Some(issuer.confused_token("operator")), Some("TOKEN_ALGORITHM")),
        ("forged", Some(thief.token("operator")), Some("TOKEN_SIGNATURE")),
        ("keyless", Some(stranger.token("operator")), Some("TOKEN_KEY")),
        ("expired", with(json!({ "exp": now - 60 })), Some("TOKEN_EXPIRED")),
        (
            "early",
            with(json!({ "nbf": now + 600, "exp": now + 1_200 })),
            Some("TOKEN_NOT_YET_VALID"),
        ),
        ("astray", with(json!({ "aud": "another" })), Some("TOKEN_AUDIENCE")),
        ("unissued", with(json!({ "iss": "https://id.other" })), Some("TOKEN_ISSUER")),
        ("eternal", with(json!({ "exp": now + 90_000 })), Some("TOKEN_CLAIMS")),
        ("timeless", with(json!({ "exp": null })), Some("TOKEN_CLAIMS")),
        ("nameless", with(json!({ "sub": "" })), Some("TOKEN_CLAIMS")),
        // The cluster names service accounts, and nobody else.
        ("disguised", Some(cluster.token("operator")), Some("TOKEN_CLAIMS")),
        ("unlisted", Some(issuer.token("unlisted")), None),
        ("reader", Some(issuer.token("reader")), None),
        ("shop", Some(issuer.token("shop")), None),
        ("crm", Some(issuer.token("crm")), None),
        ("worker", Some(cluster.token("system:serviceaccount:shop:worker")), None),
        ("operator", Some(issuer.token("operator")), None),
    ];
    let kind = |(name, token, reason)| Kind { name, shows: Shows::Token(token), reason };
    kinds.into_iter().map(kind).collect()
}

/// Those who call where certificates do. All but one show the operator's name.
fn with_certificates(certified: &Certified) -> Vec<Kind> {
    const READER: &str = "spiffe://prod.example/reader";
    let TlsFiles { ours, theirs, .. } = &certified.files;
    let to = |uris: &[&str]| Some(theirs.issue_to(uris));
    let kinds = [
        ("bare", None, Some(HANDSHAKE)),
        ("strange", Some(Authority::new().issue_to(&[OPERATOR])), Some(HANDSHAKE)),
        ("ours", Some(ours.issue_to(&[OPERATOR])), Some(HANDSHAKE)),
        ("lapsed", Some(theirs.issue_for(2020, 2021, &[OPERATOR])), Some(HANDSHAKE)),
        ("unripe", Some(theirs.issue_for(2100, 2120, &[OPERATOR])), Some(HANDSHAKE)),
        ("revoked", Some(certified.revoked.clone()), Some(HANDSHAKE)),
        ("unnamed", to(&[]), Some("BAD_SVID")),
        ("twofold", to(&[OPERATOR, READER]), Some("BAD_SVID")),
        ("abroad", to(&["spiffe://other.example/operator"]), Some("BAD_SVID")),
        ("website", to(&["https://prod.example/operator"]), Some("BAD_SVID")),
        ("guest", to(&["spiffe://prod.example/guest"]), None),
        ("clerk", to(&[READER]), None),
        ("chief", to(&[OPERATOR]), None),
    ];
    let kind = |(name, shown, reason): (_, Option<Identity>, _)| {
        let shows = Shows::Certificate(certified.channel(shown.as_ref()));
        Kind { name, shows, reason }
    };
    kinds.into_iter().map(kind).collect()
}

/// A service for each way to say who calls.
struct Services {
    guarded: Guarded,
    certified: Certified,
}

// === impl Services ===

impl Services {
    async fn start() -> Self {
        Self { guarded: Guarded::start().await, certified: Certified::start().await }
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds = with_tokens(&self.guarded);
        kinds.extend(with_certificates(&self.certified));
        kinds
    }

    async fn ask(&self, method: &str, shows: &Shows) -> Result<(), Status> {
        match shows {
            Shows::Token(token) => self.guarded.ask(method, token.as_deref()).await,
            Shows::Certificate(channel) => first(Grpc::new(channel.clone()), method, None).await,
        }
    }

    /// How much Stripe was sent.
    fn heard(&self) -> u64 {
        self.guarded.paylink.stripe.gate.heard() + self.certified.paylink.stripe.gate.heard()
    }
}

/// What a call comes to, and the reason why it is refused.
fn cell(outcome: &Result<(), Status>) -> (&'static str, Option<String>) {
    let Err(refused) = outcome else { return ("yes", None) };
    // The service says its own of every call that it hears.
    let is_unheard = refused.metadata().get("paylink-request-id").is_none();
    if is_unheard && [Code::Unavailable, Code::Unknown, Code::Cancelled].contains(&refused.code()) {
        return ("tls", Some(HANDSHAKE.to_owned()));
    }
    match refused.code() {
        Code::Unauthenticated => ("who", Some(code_of(refused).1)),
        Code::PermissionDenied => ("no", Some(code_of(refused).1)),
        _ => ("yes", None),
    }
}

#[tokio::test]
async fn every_method_lets_in_whom_the_table_says() {
    let services = Services::start().await;
    let kinds = services.kinds();
    let mut table =
        "# Every method by every kind of caller, with tokens and then with certificates:\n\
                     # refused by TLS, who? no, or yes.\n"
            .to_owned();
    let mut names = format!("{:62}", "");
    for kind in &kinds {
        write!(names, "{:10}", kind.name).unwrap();
    }
    writeln!(table, "{}", names.trim_end()).unwrap();
    for method in methods() {
        let mut row = format!("{method:62}");
        for Kind { name, shows, reason } in &kinds {
            let heard = services.heard();
            let (cell, refused) = cell(&services.ask(&method, shows).await);
            if let Some(refused) = refused {
                let expected = reason.unwrap_or("METHOD_NOT_ALLOWED");
                assert_eq!(refused, expected, "{method} by {name}");
                assert_eq!(services.heard(), heard, "Stripe is not asked");
            }
            write!(row, "{cell:10}").unwrap();
        }
        writeln!(table, "{}", row.trim_end()).unwrap();
    }
    assert_eq!(table, TABLE, "the table says otherwise; what is the case now:\n{table}");
}

#[tokio::test]
async fn all_who_are_not_known_are_told_the_same() {
    let services = Services::start().await;
    let mut told = BTreeMap::new();
    for Kind { name, shows, reason } in services.kinds() {
        if !matches!(reason, None | Some(HANDSHAKE)) {
            let refused = services.ask(GET, &shows).await.unwrap_err();
            told.insert((refused.code() as i32, refused.message().to_owned()), name);
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn of_two_tokens_neither_counts() {
    let guarded = Guarded::start().await;
    let mut request = guarded.by("operator", pb::GetPaymentLinkRequest::default());
    let another = format!("Bearer {}", guarded.issuer.token("operator"));
    request.metadata_mut().append("authorization", another.parse().unwrap());
    let refused = guarded.paylink.links().get_payment_link(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::Unauthenticated, "TOKEN_MALFORMED".to_owned()));
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_told_to_those_who_are_known() {
    let guarded = Guarded::start().await;
    let operator = guarded.issuer.token("operator");
    let unknown = "paylink.v1.PaymentLinkService/Pay";
    let code = async |token| guarded.ask(unknown, token).await.unwrap_err().code();
    assert_eq!(code(Some(operator.as_str())).await, Code::Unimplemented);
    assert_eq!(code(None).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_changed_policy_applies_without_a_restart() {
    let guarded = Guarded::start().await;
    let token = guarded.issuer.token("newcomer");
    let cell = async || cell(&guarded.ask(GET, Some(&token)).await).0;
    assert_eq!(cell().await, "no");
    let rule = "[[rule]]\nidentities = [\"https://id.example|newcomer\"]\n";
    let policy = format!("{POLICY}{rule}permissions = [\"links.read\"]\n");
    guarded.put_policy(&policy);
    until(async || cell().await == "yes").await;
    guarded.put_policy(POLICY);
    until(async || cell().await == "no").await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let guarded = Guarded::start().await;
    let token = guarded.issuer.token_with("reader", &json!({ "exp": now_secs() + 2 }));
    let request = with_token(pb::WatchPaymentsRequest::default(), &token);
    let watch = guarded.paylink.payments().watch_payments(request).await.unwrap();
    let mut watch = Watch::new(watch.into_inner());
    watch.heartbeat().await;
    let ended = within(watch.end()).await;
    assert_eq!(code_of(&ended), (Code::Unauthenticated, "TOKEN_EXPIRED".to_owned()));
}

#[tokio::test]
async fn a_stream_ends_when_the_policy_does_not_permit_it_any_more() {
    let guarded = Guarded::start().await;
    let request = guarded.by("reader", pb::WatchPaymentsRequest::default());
    let watch = guarded.paylink.payments().watch_payments(request).await.unwrap();
    let mut watch = Watch::new(watch.into_inner());
    watch.heartbeat().await;
    guarded.put_policy("[[rule]]\nidentities = [\"https://id.example|crm\"]\npermissions = []\n");
    let ended = within(watch.end()).await;
    assert_eq!(code_of(&ended), (Code::PermissionDenied, "METHOD_NOT_ALLOWED".to_owned()));
}

#[tokio::test]
async fn serving_anyone_on_other_machines_must_be_said_in_so_many_words() {
    let key = ("PAYLINK__STRIPE__API_KEY", "sk_test_1");
    let open = ("PAYLINK__GRPC__LISTEN", "0.0.0.0:0");
    let policy = Folder::new();
    let file = policy.write("policy.toml", "[[rule]]\nidentities = [\"*\"]\npermissions = []\n");
    let file = file.to_str().unwrap();
    for (environment, said) in [
        (vec![open], "auth.require"),
        (vec![("PAYLINK__AUTH__REQUIRE", "password")], "auth.require"),
        (vec![("PAYLINK__AUTH__REQUIRE", "certificate")], "auth.policy_path"),
        (vec![("PAYLINK__AUTH__POLICY_PATH", file)], "auth.require"),
        (
            vec![("PAYLINK__AUTH__REQUIRE", "certificate"), ("PAYLINK__AUTH__POLICY_PATH", file)],
            "auth.trust_domains",
        ),
        (
            vec![
                ("PAYLINK__AUTH__REQUIRE", "certificate"),
                ("PAYLINK__AUTH__TRUST_DOMAINS", "prod.example"),
                ("PAYLINK__AUTH__POLICY_PATH", file),
            ],
            "grpc.tls",
        ),
    ] {
        let output = Program::run(&["serve"], &[&[key], &*environment].concat()).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

#[tokio::test]
async fn callers_without_an_identity_have_no_owner() {
    let paylink = crate::harness::Paylink::start().await;
    assert_eq!(paylink.link().await.owner, "");
    let list = Request::new(pb::ListPaymentLinksRequest::default());
    let listed = paylink.links().list_payment_links(list).await.unwrap().into_inner();
    assert_eq!(listed.payment_links.len(), 1);
}
