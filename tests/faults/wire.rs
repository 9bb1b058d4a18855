//! The true HTTP transport before a server that misbehaves, over loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paylink::caller::Caller;
use paylink::config::{Profile, Sources};
use paylink::pb;
use paylink::stripe::error::Phase;
use paylink::stripe::{Client, Error};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const MEBIBYTE: usize = 1 << 20;
/// A caller who waits longer than any bound of the transport.
const TIME: Duration = Duration::from_secs(20);
/// What a server is still sent of an answer that is too large: what is on its way.
const SENT_MAX: usize = 32 * MEBIBYTE;

/// A server that answers every connection in one way.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    async fn start<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(socket));
            }
        });
        Self { address, accepted }
    }

    /// A server that reads a request, and sends these bytes and nothing more.
    async fn sending(answer: String, then_closes: bool) -> Self {
        Self::start(move |mut socket| {
            let answer = answer.clone();
            async move {
                hear(&mut socket).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                if !then_closes {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Reads a request up to its end; gives its head.
async fn hear(socket: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => heard.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(heard).unwrap()
}

fn client(base_url: &str, attempts_max: &str) -> Client {
    let environment = [
        ("PAYLINK__STRIPE__BASE_URL", base_url),
        ("PAYLINK__STRIPE__API_KEY", "sk_test_1"),
        ("PAYLINK__STRIPE__ATTEMPTS_MAX", attempts_max),
        ("PAYLINK__STRIPE__ATTEMPT_TIMEOUT_MS_READ", "12000"),
        ("PAYLINK__STRIPE__BACKOFF_MS", "10"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources { profile: Profile::Serve, file: None, environment: environment.into() };
    sources.load().unwrap().stripe.client().unwrap()
}

/// Reads something of a server, and gives what comes of it.
async fn check(base_url: &str, attempts_max: &str) -> Result<pb::Product, Error> {
    client(base_url, attempts_max).get("prod_1", &Caller::itself(TIME)).await
}

async fn check_plain(server: &Server) -> Result<pb::Product, Error> {
    check(&format!("http://{}", server.address), "1").await
}

#[tokio::test]
async fn a_request_carries_the_key_and_the_version_and_goes_where_it_should() {
    let (said, hears) = std::sync::mpsc::channel();
    let server = Server::start(move |mut socket| {
        let said = said.clone();
        async move {
            said.send(hear(&mut socket).await).unwrap();
            let body = r#"{"id": "prod_1", "object": "product", "name": "Poster"}"#;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    assert_eq!(check_plain(&server).await.unwrap().name, "Poster");
    let asked = hears.recv().unwrap();
    assert!(asked.starts_with("GET /v1/products/prod_1 HTTP/1.1\r\n"), "{asked}");
    for line in [
        "authorization: Bearer sk_test_1\r\n".to_owned(),
        format!("stripe-version: {}\r\n", paylink::stripe::STRIPE_VERSION),
    ] {
        assert!(asked.contains(&line), "{asked}");
    }
    assert!(!asked.contains("idempotency-key"), "{asked}");
}

#[tokio::test]
async fn an_answer_that_ends_early_is_lost() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\": \"pro";
    for answer in ["", "HTTP/1.1 200", head] {
        let server = Server::sending(answer.to_owned(), true).await;
        let lost = check_plain(&server).await.unwrap_err();
        assert!(matches!(lost, Error::AnswerLost { write: false }), "{answer}: {lost}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_its_middle_is_not_waited_for() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{";
    let server = Server::sending(head.to_owned(), false).await;
    let late = check_plain(&server).await.unwrap_err();
    assert!(matches!(late, Error::TimedOut { write: false }), "{late}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    for head in ["content-length: 5242880", "transfer-encoding: chunked"] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let server = Server::start(move |mut socket| {
            let count = count.clone();
            async move {
                hear(&mut socket).await;
                let _ =
                    socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await;
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                while socket.write_all(chunk.as_bytes()).await.is_ok() {
                    count.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            }
        })
        .await;
        let large = check_plain(&server).await.unwrap_err();
        assert!(matches!(large, Error::TooLarge { write: false }), "{head}: {large}");
        assert!(sent.load(Ordering::Relaxed) <= SENT_MAX, "{head}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::sending(String::new(), true).await;
    for status in [301, 302, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
            other.address
        );
        let server = Server::sending(answer, true).await;
        let refused = check_plain(&server).await.unwrap_err();
        let Error::Refused(refusal) = refused else { panic!("{refused}") };
        assert_eq!(refusal.status, status);
    }
    assert_eq!(other.accepted(), 0, "nobody else hears of the key");
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = check(&format!("http://{free}"), "3").await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { phase: Phase::Connect }), "{refused}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_as_such() {
    let unknown = check("https://stripe.invalid", "1").await.unwrap_err();
    assert!(matches!(unknown, Error::Unreachable { phase: Phase::Dns }), "{unknown}");
}

#[tokio::test]
async fn who_does_not_prove_to_be_stripe_is_asked_once_and_told_nothing() {
    let names = vec!["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let server = Server::start(move |socket| {
        let (acceptor, count) = (acceptor.clone(), count.clone());
        async move {
            if let Ok(mut socket) = acceptor.accept(socket).await
                && socket.read_u8().await.is_ok()
            {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
    .await;
    let base_url = format!("https://localhost:{}", server.address.port());
    let refused = check(&base_url, "3").await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { phase: Phase::Tls }), "{refused}");
    assert_eq!((server.accepted(), heard.load(Ordering::Relaxed)), (1, 0));
}
