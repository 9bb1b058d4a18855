//! Secrets, and what the contract marks with `debug_redact`, are in nothing that is
//! told: marked values are driven through a true process with every signal at its
//! loudest, and looked for in all that leaves it and in all that it keeps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use paylink::pb;
use paylink::pb::custom_field::{Label, Text, Type};
use paylink::pb::payment::State;
use paylink::pb::payment_link::name_collection::Name;
use paylink::pb::payment_link::{
    BillingAddressCollection, NameCollection, PhoneNumberCollection, ShippingAddressCollection,
};
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;
use sqlx::Connection as _;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::harness::authority::{Authority, Client, Identity};
use crate::harness::{
    Collector, Folder, Hook, Issuer, POLICY, Page, Program, Stripe, Watch, event, now_secs,
    poster_request, until, with_token,
};

use self::search::Search;

mod search;

const PARTS: [&str; 3] = ["grpc", "webhook", "operations"];
const KEY: &str = "sk_test_canaryKeyThatNobodyMaySee";
const BAD_KEY: &str = "sk_live_canaryKeyOfTheOtherMode";
const SECRET: &str = "whsec_canarySecretThatNobodyMaySee";
const CARD: &str = "4242424242424242";
/// What a buyer fills in, by the page's names, all of which the contract marks: in
/// each the word that begins with `canary`, or the whole number, is looked for.
const BUYER: [(&str, &str); 11] = [
    ("email", "canaryMailbox@example.com"),
    ("card_name", "Jenny canaryOnTheCard"),
    ("phone", "+14155550173"),
    ("individual_name", "canaryIndividual"),
    ("billing_line1", "1 canaryBillingStreet"),
    ("billing_city", "canaryBillingCity"),
    ("billing_postal_code", "94173"),
    ("shipping_name", "Jenny canaryParcel"),
    ("shipping_line1", "1 canaryShippingStreet"),
    ("shipping_city", "canaryShippingCity"),
    ("custom_engraving", "canaryEngraving"),
];
/// What callers write of a person.
const CALLERS: [&str; 2] = ["canaryPrefilled@example.com", "canaryReference"];
/// The columns of the database that hold messages and bodies whole.
const BODIES: [&str; 9] = [
    "answers.answer",
    "answers.request",
    "events.body",
    "facts.body",
    "feed.payment",
    "operations.answer",
    "operations.form",
    "payments.payment",
    "quarantine.body",
];

/// A process before a Stripe of its own, with all of its secrets in files.
struct Scene {
    folder: Folder,
    stripe: Stripe,
    collector: Collector,
    authority: Authority,
    listener: Identity,
    issuer: Issuer,
    token: String,
}

// === impl Scene ===

impl Scene {
    async fn new() -> Self {
        let authority = Authority::new();
        let listener = authority.issue();
        let issuer = Issuer::new("https://id.example", "first");
        let token = issuer.token("operator");
        let scene = Self {
            folder: Folder::new(),
            stripe: Stripe::start_as(KEY, SECRET).await,
            collector: Collector::default(),
            authority,
            listener,
            issuer,
            token,
        };
        for (name, text) in [
            ("key", KEY),
            ("secrets", SECRET),
            ("tls.crt", &scene.listener.certificate),
            ("tls.key", &scene.listener.key),
            ("policy.toml", POLICY),
            ("keys.json", &scene.issuer.keys()),
        ] {
            scene.folder.write(name, text);
        }
        scene
    }

    async fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.file(name).to_str().unwrap().to_owned();
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.collector.listen().await),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100".into()),
            ("RUST_BACKTRACE", "full".into()),
            ("PAYLINK__TELEMETRY__LOG_FILTER", "trace".into()),
            ("PAYLINK__TELEMETRY__LOG_REPEATS_MAX", "1000000".into()),
            ("PAYLINK__STORAGE__URL", self.folder.storage_url()),
            ("PAYLINK__STRIPE__BASE_URL", format!("http://{}", self.stripe.gate.address())),
            ("PAYLINK__STRIPE__API_KEY_FILE", path("key")),
            ("PAYLINK__STRIPE__WEBHOOK_SECRETS_FILE", path("secrets")),
            ("PAYLINK__STRIPE__RELOAD_MS", "50".into()),
            ("PAYLINK__GRPC__TLS__CERTIFICATE_PATH", path("tls.crt")),
            ("PAYLINK__GRPC__TLS__KEY_PATH", path("tls.key")),
            ("PAYLINK__GRPC__TLS__CLIENT_CERTIFICATES", "off".into()),
            ("PAYLINK__AUTH__REQUIRE", "token".into()),
            ("PAYLINK__AUTH__POLICY_PATH", path("policy.toml")),
            ("PAYLINK__AUTH__ISSUERS__ID__ISSUER", "https://id.example".into()),
            ("PAYLINK__AUTH__ISSUERS__ID__AUDIENCE", "paylink".into()),
            ("PAYLINK__AUTH__ISSUERS__ID__JWKS_PATH", path("keys.json")),
        ]
        .map(|(name, value): (&str, String)| (name.to_owned(), value))
        .into()
    }

    /// All that is looked for. The certificate's key is told by its last lines, since
    /// the first is the same in every key; a token by what it says and its signature.
    fn search(&self) -> Search {
        let bare = |secret: &str| secret.rsplit('_').next().unwrap().to_owned();
        let mut secrets: Vec<String> = [KEY, BAD_KEY, SECRET].map(bare).into();
        secrets.push(CARD.into());
        secrets.extend(self.token.split('.').skip(1).map(str::to_owned));
        let lines = self.listener.key.lines().filter(|line| !line.starts_with('-'));
        secrets.extend(lines.skip(1).map(str::to_owned));
        let words = BUYER.iter().map(|(_, value)| *value).chain(CALLERS);
        let word = |value: &str| {
            let word = value.split([' ', '@', '+']).find(|word| word.starts_with("canary"));
            word.unwrap_or(value.trim_start_matches('+')).to_owned()
        };
        // Five digits are in every other number.
        let personal = words.filter(|value| value.len() > 5).map(word).collect();
        Search { secrets, personal, ..Search::default() }
    }

    fn by<T>(&self, message: T) -> Request<T> {
        with_token(message, &self.token)
    }

    /// Calls all that has to do with what is looked for, right and wrong, and gives
    /// the statuses of what was refused.
    async fn drive(&self, program: &Program) -> Vec<Status> {
        let wire = self.wire(program);
        let mut links = PaymentLinkServiceClient::new(wire.clone());
        let mut payments = PaymentServiceClient::new(wire);
        self.stripe.tell(program.address("webhook"));
        let watch = payments.watch_payments(self.by(pb::WatchPaymentsRequest::default()));
        let mut watch = Watch::new(watch.await.unwrap().into_inner());
        let link = links.create_payment_link(self.by(asking_for_all())).await.unwrap().into_inner();
        let options = pb::ShareOptions { prefilled_email: CALLERS[0].into(), ..Default::default() };
        let share = pb::ShareUrlRequest { id: link.id.clone(), options: Some(options) };
        let shared = links.share_url(self.by(share)).await.unwrap().into_inner();
        Page::open(&shared.url).await.pay_as(CARD, &BUYER).await;
        let payment = loop {
            let payment = watch.payment().await;
            if payment.state() == State::Paid {
                break payment;
            }
        };
        // What must not be told was there to tell.
        let all = whole(&payment);
        for (_, value) in BUYER {
            assert!(all.contains(value), "{value} is in the payment: {all}");
        }
        let mut refused = self.fulfill(&mut payments, &payment).await;
        let none = pb::GetPaymentLinkRequest { id: "plink_none".into() };
        refused.extend(links.get_payment_link(self.by(none.clone())).await.err());
        refused.extend(links.get_payment_link(none.clone()).await.err());
        let broken = format!("{}x", self.token);
        refused.extend(links.get_payment_link(with_token(none, &broken)).await.err());
        let mut wrong = asking_for_all();
        wrong.payment_link.as_mut().unwrap().line_items.clear();
        refused.extend(links.create_payment_link(self.by(wrong)).await.err());
        refused
    }

    async fn fulfill(
        &self,
        payments: &mut PaymentServiceClient<Channel>,
        payment: &pb::Payment,
    ) -> Vec<Status> {
        let get = pb::GetPaymentRequest { id: payment.id.clone() };
        payments.get_payment(self.by(get)).await.unwrap();
        payments.list_payments(self.by(pb::ListPaymentsRequest::default())).await.unwrap();
        let claim = pb::ClaimFulfillmentRequest { worker: "worker".into(), ..Default::default() };
        let claimed = payments.claim_fulfillment(self.by(claim)).await.unwrap().into_inner();
        let complete = pb::CompleteFulfillmentRequest {
            payment: payment.id.clone(),
            claim: claimed.claim,
            reference: CALLERS[1].into(),
            ..Default::default()
        };
        let mut refused = Vec::new();
        payments.complete_fulfillment(self.by(complete.clone())).await.unwrap();
        let other = pb::CompleteFulfillmentRequest { claim: "another".into(), ..complete };
        refused.extend(payments.complete_fulfillment(self.by(other)).await.err());
        let refund = pb::RefundPaymentRequest { payment: payment.id.clone(), ..Default::default() };
        payments.refund_payment(self.by(refund.clone())).await.unwrap();
        refused.extend(payments.refund_payment(self.by(refund)).await.err());
        let reconcile = pb::ReconcilePaymentsRequest::default();
        payments.reconcile_payments(self.by(reconcile)).await.unwrap();
        refused
    }

    fn wire(&self, program: &Program) -> Channel {
        Client::new(program.address("grpc"), &self.authority, None).channel()
    }

    /// Sends webhooks, signed and not, with a person in each.
    async fn send_webhooks(&self, program: &Program) {
        let webhook = program.address("webhook");
        let mut told = event("evt_1", "checkout.session.completed", "cs_1", "paid");
        told["data"]["object"]["customer_details"] =
            serde_json::json!({ "email": BUYER[0].1, "name": BUYER[1].1, "phone": BUYER[2].1 });
        Hook::of(&told).signed("whsec_another", now_secs()).send_to(webhook).await;
        Hook::of(&told).signed(SECRET, now_secs()).send_to(webhook).await;
        Hook::of(&told).signed(SECRET, 0).send_to(webhook).await;
        told["livemode"] = true.into();
        told["id"] = "evt_2".into();
        Hook::of(&told).signed(SECRET, now_secs()).send_to(webhook).await;
        let no_event = format!("no event of {}", BUYER[0].1);
        Hook::raw(no_event).signed(SECRET, now_secs()).send_to(webhook).await;
    }

    /// Puts what cannot be used in the place of each secret.
    async fn break_files(&self, program: &Program) {
        let broken = || program.said().matches("Broken, so the last reading stays").count();
        let too_many = [SECRET; 9].join("\n");
        for (name, text, right) in [("key", BAD_KEY, KEY), ("secrets", &too_many, SECRET)] {
            let before = broken();
            self.replace(name, text);
            until(async || broken() > before).await;
            self.replace(name, right);
        }
    }

    /// Replaces a file at once, so that nobody reads half of it.
    fn replace(&self, name: &str, text: &str) {
        let new = self.folder.write("new", text);
        fs::rename(new, self.folder.file(name)).unwrap();
    }
}

/// A request for a link that asks its buyer for all that can be asked.
fn asking_for_all() -> pb::CreatePaymentLinkRequest {
    let mut request = poster_request();
    let link = request.payment_link.as_mut().unwrap();
    link.billing_address_collection = BillingAddressCollection::Required.into();
    link.phone_number_collection = Some(PhoneNumberCollection { enabled: Some(true) });
    link.shipping_address_collection =
        Some(ShippingAddressCollection { allowed_countries: vec!["US".into()] });
    let individual = Some(Name { enabled: Some(true), ..Default::default() });
    link.name_collection = Some(NameCollection { individual, ..Default::default() });
    link.custom_fields = vec![pb::CustomField {
        key: "engraving".into(),
        label: Some(Label { custom: "Engraving".into() }),
        r#type: Some(Type::Text(Text::default())),
        ..Default::default()
    }];
    request
}

/// A payment's own text, which its `Debug` does not give.
fn whole(payment: &pb::Payment) -> String {
    String::from_utf8_lossy(&prost::Message::encode_to_vec(payment)).into_owned()
}

/// What each column of a database holds, as hexadecimal digits.
async fn columns(path: &Path) -> BTreeMap<String, String> {
    let url = format!("sqlite:{}", path.display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let listed = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
                  WHERE m.type = 'table'";
    let listed: Vec<(String, String)> =
        sqlx::query_as(listed).fetch_all(&mut database).await.unwrap();
    let mut columns = BTreeMap::new();
    for (table, column) in listed {
        let all = format!(r#"SELECT coalesce(group_concat(hex("{column}")), '') FROM "{table}""#);
        let all = sqlx::query_scalar(sqlx::AssertSqlSafe(all)).fetch_one(&mut database).await;
        columns.insert(format!("{table}.{column}"), all.unwrap());
    }
    columns
}

#[tokio::test]
async fn no_secret_and_nothing_of_a_buyer_leaves_the_process() {
    let scene = Scene::new().await;
    let environment = scene.environment().await;
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    let program = Program::start("serve", &PARTS, &environment).await;
    let mut search = scene.search();

    for status in scene.drive(&program).await {
        search.look("a status", format!("{status:?}").as_bytes());
        search.look("details of a status", status.details());
    }
    scene.send_webhooks(&program).await;
    scene.break_files(&program).await;
    for path in ["metrics", "ready", "live"] {
        let url = format!("http://{}/{path}", program.address("operations"));
        search.look(path, &reqwest::get(url).await.unwrap().bytes().await.unwrap());
    }
    for name in ["environ", "cmdline"] {
        search.look(name, &fs::read(format!("/proc/{}/{name}", program.id())).unwrap());
    }
    for arguments in [["config"].as_slice(), &["doctor"], &["doctor", "--json"]] {
        let output = Program::run(arguments, &environment).await;
        search.look(arguments[0], &[output.stdout, output.stderr].concat());
    }
    let wal = fs::read(scene.folder.file("paylink.db-wal")).unwrap_or_default();
    search.look_for_secrets("the database's log", &wal);

    let (code, said) = program.end().await;
    assert_eq!(code, Some(0));
    assert!(said.contains("A payment has changed"), "the log is at its loudest");
    search.look("the log", said.as_bytes());
    let signals = scene.collector.all();
    assert!(signals.contains("send feed"), "spans have come");
    search.look("a span or a metric", signals.as_bytes());
    look_into_database(&mut search, &scene.folder.file("paylink.db")).await;
    println!("{} bytes looked through, {} hits", search.bytes, search.found.len());
    assert!(search.found.is_empty(), "{} hits:\n{}", search.found.len(), search.found.join("\n"));
}

/// Looks for secrets everywhere in a database, and for persons where they need not be.
async fn look_into_database(search: &mut Search, path: &Path) {
    search.look_for_secrets("the database", &fs::read(path).unwrap());
    let mut columns = columns(path).await;
    let bodies = BODIES.map(|body| columns.remove(body).expect("the column is there")).concat();
    let bodies = bodies.to_ascii_lowercase();
    // What is looked for can be found in this way.
    let of_buyer = search.personal.iter().take(search.personal.len() - CALLERS.len());
    for canary in of_buyer {
        assert!(bodies.contains(&hex::encode(canary)), "{canary} is in a body");
    }
    for (column, values) in columns {
        search.look(&column, values.as_bytes());
    }
}

#[test]
fn a_message_that_is_printed_shows_nothing_that_the_contract_marks() {
    let address = pb::Address { line1: "canaryStreet".into(), ..Default::default() };
    let details = pb::CustomerDetails {
        email: "canaryMailbox".into(),
        name: "canaryName".into(),
        address: Some(address),
        ..Default::default()
    };
    let payment = pb::Payment { customer_details: Some(details), ..Default::default() };
    for printed in [format!("{payment:?}"), format!("{payment:#?}")] {
        assert!(!printed.contains("canary"), "{printed}");
    }
}
