//! TLS as programs see it that are not ours: OpenSSL and curl.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::{Paylink, TlsFiles, within};

/// An empty message as gRPC frames it: not compressed, no bytes.
const EMPTY: [u8; 5] = [0; 5];

/// Runs a program to its end, and gives whether it was content, and all that it said.
async fn run(program: &str, arguments: &[&str], input: &[u8]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{program} must be installed (Debian: apt-get install openssl curl): {error}")
    });
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already, and read nothing.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    let output = within(child.wait_with_output()).await.unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&told).into_owned())
}

/// The files that a client is told of.
struct Files {
    ours: String,
    certificate: String,
    key: String,
}

fn files(setting: &TlsFiles) -> Files {
    let shown = setting.theirs.issue();
    let write =
        |name: &str, pem: &str| setting.folder.write(name, pem).to_str().unwrap().to_owned();
    Files {
        ours: write("ours.crt", &setting.ours.pem()),
        certificate: write("client.crt", &shown.certificate),
        key: write("client.key", &shown.key),
    }
}

#[tokio::test]
async fn openssl_agrees_on_tls_1_3_and_http_2_and_on_nothing_else() {
    let setting = TlsFiles::new();
    let Files { ours, certificate, key } = files(&setting);
    let paylink = setting.start().await;
    let at = paylink.addresses.grpc.to_string();
    let always =
        ["s_client", "-connect", &at, "-CAfile", &ours, "-cert", &certificate, "-key", &key];
    let said = async |more: &[&str]| run("openssl", &[&always, more].concat(), b"").await.1;

    let agreed = said(&["-alpn", "h2", "-verify_return_error"]).await;
    for expected in ["TLSv1.3", "ALPN protocol: h2", "Verify return code: 0 (ok)"] {
        assert!(agreed.contains(expected), "{expected} is not in {agreed}");
    }
    let older = said(&["-alpn", "h2", "-tls1_2"]).await;
    assert!(older.contains("alert protocol version"), "{older}");
    let other = said(&["-alpn", "http/1.1"]).await;
    assert!(other.contains("alert no application protocol"), "{other}");
}

#[tokio::test]
async fn curl_calls_with_a_certificate_and_not_without() {
    let setting = TlsFiles::new();
    let Files { ours, certificate, key } = files(&setting);
    let paylink = setting.start().await;
    let at = paylink.addresses.grpc;
    let url = format!("https://{}:{}/grpc.health.v1.Health/Check", super::NAME, at.port());
    let resolve = format!("{}:{}:{}", super::NAME, at.port(), at.ip());
    let always = [
        "--silent",
        "--show-error",
        "--dump-header",
        "-",
        "--output",
        "/dev/null",
        "--http2",
        "--cacert",
        &ours,
        "--resolve",
        &resolve,
        "--header",
        "content-type: application/grpc",
        "--header",
        "te: trailers",
        "--data-binary",
        "@-",
        &url,
    ];
    let shown = ["--cert", &certificate, "--key", &key];

    let (_, answered) = run("curl", &[&always[..], &shown].concat(), &EMPTY).await;
    assert!(answered.contains("HTTP/2 200"), "{answered}");
    assert!(answered.contains("grpc-status: 0"), "{answered}");
    let (content, refused) = run("curl", &always, &EMPTY).await;
    assert!(!content && !refused.contains("grpc-status"), "{refused}");
}

#[tokio::test]
async fn webhooks_may_come_over_tls_without_a_certificate() {
    let setting = TlsFiles::new();
    let Files { ours, .. } = files(&setting);
    let path = |name: &str| setting.folder.file(name).to_str().unwrap().to_owned();
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__WEBHOOK__TLS__CERTIFICATE_PATH", &path("tls.crt"))
        .with("PAYLINK__WEBHOOK__TLS__KEY_PATH", &path("tls.key"))
        .await;
    let at = paylink.addresses.webhook;
    let url = format!("https://{}:{}/webhooks/stripe", super::NAME, at.port());
    let resolve = format!("{}:{}:{}", super::NAME, at.port(), at.ip());
    for version in ["--http1.1", "--http2"] {
        let arguments = [
            "--silent",
            "--show-error",
            "--include",
            version,
            "--cacert",
            &ours,
            "--resolve",
            &resolve,
            "--data-binary",
            "@-",
            &url,
        ];
        let (_, answered) = run("curl", &arguments, b"{}").await;
        // There is no signature.
        assert!(answered.contains(" 400"), "{answered}");
    }
}
