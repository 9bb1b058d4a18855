//! Who comes in where TLS is on, and who does not.

mod foreign;
mod rotation;

use tokio::io::AsyncReadExt as _;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::authority::{Authority, Client, NAME};
use crate::harness::{Program, TlsFiles, within};

/// Whether a client came in.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    In,
    NoFurther,
}

/// Asks for the health of the service, which is open to whoever comes in.
async fn ask(client: &Client) -> Came {
    let request = HealthCheckRequest::default();
    match within(HealthClient::new(client.channel()).check(request)).await {
        Ok(_) => Came::In,
        Err(refused) => {
            // Whichever the client makes of a connection that ends.
            let ended = [Code::Unavailable, Code::Unknown, Code::Cancelled];
            assert!(ended.contains(&refused.code()), "{refused:?}");
            Came::NoFurther
        }
    }
}

/// Holds what becomes of clients against what should.
async fn check(clients: &[(&str, Client, Came)]) {
    for (what, client, expected) in clients {
        assert_eq!(ask(client).await, *expected, "{what}");
    }
}

#[tokio::test]
async fn only_who_shows_a_good_certificate_comes_in() {
    let setting = TlsFiles::new();
    let (ours, theirs) = (&setting.ours, &setting.theirs);
    let (good, revoked) = (theirs.issue(), theirs.issue());
    let (expired, early) = (theirs.issue_for(2020, 2021, &[]), theirs.issue_for(2100, 2120, &[]));
    let stranger = Authority::new().issue();
    setting.trust(&theirs.pem(), &theirs.revoking(&[&revoked]));
    let paylink = setting.start().await;
    let at = paylink.addresses.grpc;
    check(&[
        ("a good one", Client::new(at, ours, Some(&good)), Came::In),
        ("none", Client::new(at, ours, None), Came::NoFurther),
        ("one of another authority", Client::new(at, ours, Some(&stranger)), Came::NoFurther),
        ("one of our own authority", Client::new(at, ours, Some(&ours.issue())), Came::NoFurther),
        ("one that has expired", Client::new(at, ours, Some(&expired)), Came::NoFurther),
        ("one that is not yet good", Client::new(at, ours, Some(&early)), Came::NoFurther),
        ("one that was taken back", Client::new(at, ours, Some(&revoked)), Came::NoFurther),
        ("a good one again", Client::new(at, ours, Some(&good)), Came::In),
    ])
    .await;
}

#[tokio::test]
async fn nothing_but_tls_1_3_and_http_2_is_spoken() {
    let setting = TlsFiles::new();
    let paylink = setting.start().await;
    let (at, ours) = (paylink.addresses.grpc, &setting.ours);
    let shown = setting.theirs.issue();
    let speaking =
        |versions, protocols| Client::speaking(at, ours, Some(&shown), versions, protocols);
    check(&[
        ("both", speaking(&[&TLS12, &TLS13], &[b"h2"]), Came::In),
        ("TLS 1.2", speaking(&[&TLS12], &[b"h2"]), Came::NoFurther),
        ("HTTP/1", speaking(&[&TLS13], &[b"http/1.1"]), Came::NoFurther),
        ("nothing that was agreed on", speaking(&[&TLS13], &[]), Came::NoFurther),
    ])
    .await;
    let mut plain = HealthClient::with_origin(paylink.wire(), paylink.origin());
    within(plain.check(HealthCheckRequest::default())).await.unwrap_err();
}

#[tokio::test]
async fn a_listener_of_another_authority_is_not_trusted_by_clients() {
    let setting = TlsFiles::new();
    let paylink = setting.start().await;
    let shown = setting.theirs.issue();
    let client = Client::new(paylink.addresses.grpc, &setting.theirs, Some(&shown));
    assert_eq!(ask(&client).await, Came::NoFurther);
}

#[tokio::test]
async fn where_certificates_are_optional_a_bad_one_is_still_refused() {
    let setting = TlsFiles::new();
    let paylink = setting.start().with("PAYLINK__GRPC__TLS__CLIENT_CERTIFICATES", "optional").await;
    let (at, ours) = (paylink.addresses.grpc, &setting.ours);
    check(&[
        ("none", Client::new(at, ours, None), Came::In),
        ("a good one", Client::new(at, ours, Some(&setting.theirs.issue())), Came::In),
        ("a stranger's", Client::new(at, ours, Some(&Authority::new().issue())), Came::NoFurther),
    ])
    .await;
}

#[tokio::test]
async fn with_lists_every_authority_must_have_one() {
    let setting = TlsFiles::new();
    let other = Authority::new();
    let both = [setting.theirs.pem(), other.pem()].concat();
    setting.trust(&both, &setting.theirs.revoking(&[]));
    let paylink = setting.start().await;
    let (at, ours) = (paylink.addresses.grpc, &setting.ours);
    check(&[
        ("one with a list", Client::new(at, ours, Some(&setting.theirs.issue())), Came::In),
        ("one without", Client::new(at, ours, Some(&other.issue())), Came::NoFurther),
    ])
    .await;
}

#[tokio::test]
async fn who_does_not_finish_a_handshake_or_says_nothing_is_let_go() {
    let setting = TlsFiles::new();
    let paylink = setting
        .start()
        .with("PAYLINK__CONNECTIONS__HANDSHAKE_TIMEOUT_MS", "100")
        .with("PAYLINK__CONNECTIONS__FIRST_BYTES_TIMEOUT_MS", "100")
        .await;
    let at = paylink.addresses.grpc;
    let mut silent = tokio::net::TcpStream::connect(at).await.unwrap();
    assert_eq!(within(silent.read_to_end(&mut Vec::new())).await.unwrap_or_default(), 0);

    let client = Client::new(at, &setting.ours, Some(&setting.theirs.issue()));
    let mut shaken = client.connect().await.unwrap();
    // The server's own settings may come first; then it ends.
    drop(within(shaken.read_to_end(&mut Vec::new())).await);
    assert_eq!(ask(&client).await, Came::In);
}

#[tokio::test]
async fn what_is_open_to_others_must_be_encrypted_or_said_to_be_open() {
    let check = async |settings: &[(&str, &str)], said: &str| {
        let always = [
            ("PAYLINK__STRIPE__API_KEY", "sk_test_1"),
            ("PAYLINK__AUTH__ANYONE_MAY_CALL", "true"),
            ("PAYLINK__STORAGE__URL", "sqlite::memory:"),
            ("PAYLINK__GRPC__LISTEN", "127.0.0.1:0"),
            ("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0"),
        ];
        let output = Program::run(&["serve"], &[&always, settings].concat()).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains(said), "{told}");
    };
    let open = |name| (name, "0.0.0.0:0");
    let anyone = ("PAYLINK__AUTH__ANYONE_MAY_CALL", "true");
    check(&[open("PAYLINK__GRPC__LISTEN"), anyone], "grpc.plaintext = \"anywhere\"").await;
    check(&[open("PAYLINK__WEBHOOK__LISTEN")], "webhook.plaintext = \"anywhere\"").await;
    let certificate = ("PAYLINK__GRPC__TLS__CERTIFICATE_PATH", "/nowhere");
    let key = ("PAYLINK__GRPC__TLS__KEY_PATH", "/nowhere");
    let authorities = ("PAYLINK__GRPC__TLS__CLIENT_CA_PATH", "/nowhere");
    let off = ("PAYLINK__GRPC__TLS__CLIENT_CERTIFICATES", "off");
    check(&[certificate], "grpc.tls.key_path: must be set").await;
    check(&[key], "grpc.tls.certificate_path: must be set").await;
    check(&[certificate, key], "grpc.tls.client_ca_path: must be set").await;
    check(&[certificate, key, authorities, off], "grpc.tls.client_ca_path: has no effect").await;
    check(&[certificate, key, off], "grpc.tls.certificate_path: the file cannot be read").await;

    // A key that is another certificate's.
    let setting = TlsFiles::new();
    let other = setting.folder.write("other.key", &setting.ours.issue().key);
    let certificate = setting.folder.file("tls.crt");
    let certificate = ("PAYLINK__GRPC__TLS__CERTIFICATE_PATH", certificate.to_str().unwrap());
    let key = ("PAYLINK__GRPC__TLS__KEY_PATH", other.to_str().unwrap());
    check(&[certificate, key, off], "grpc.tls.certificate_path: not usable").await;
}
