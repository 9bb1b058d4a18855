//! Records that cannot be written: what has happened is told all the same.

use paylink::pb;
use paylink::pb::audit_service_client::AuditServiceClient;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use super::everything;
use crate::harness::{Folder, Program, origin, poster_request, until, wire};

/// A service, and somebody else who can keep its memory from being written.
struct Scene {
    program: Program,
    other: SqliteConnection,
    _folder: Folder,
}

// === impl Scene ===

impl Scene {
    async fn start() -> Self {
        let folder = Folder::new();
        let url = format!("sqlite:{}", folder.file("paylink.db").display());
        let settings =
            [("PAYLINK__STORAGE__URL", &*url), ("PAYLINK__STORAGE__BUSY_TIMEOUT_MS", "100")];
        let program = Program::start("dev", &["grpc", "operations"], &settings).await;
        let other = SqliteConnection::connect(&url).await.unwrap();
        Self { program, other, _folder: folder }
    }

    async fn stop_writes(&mut self) {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.other).await.unwrap();
    }

    async fn let_writes(&mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.other).await.unwrap();
    }

    /// Makes a call that writes nothing but its record, and gives its id.
    async fn call(&self) -> String {
        let request_id = Uuid::new_v4().to_string();
        let request = pb::CreatePaymentLinkRequest {
            request_id: request_id.clone(),
            validate_only: true,
            ..poster_request()
        };
        let at = origin(self.program.address("grpc"));
        let mut links = PaymentLinkServiceClient::with_origin(wire(), at);
        links.create_payment_link(request).await.unwrap();
        request_id
    }

    /// The ids of the calls that are on record.
    async fn on_record(&self) -> Vec<String> {
        let at = origin(self.program.address("grpc"));
        let mut audit = AuditServiceClient::with_origin(wire(), at);
        let page = audit.list_audit_records(everything()).await.unwrap().into_inner();
        page.audit_records.into_iter().map(|record| record.request_id).collect()
    }
}

#[tokio::test]
async fn a_record_is_tried_until_it_can_be_written() {
    let mut scene = Scene::start().await;
    scene.stop_writes().await;
    let request_id = scene.call().await;
    assert_eq!(scene.on_record().await, [""; 0]);
    scene.let_writes().await;
    until(async || scene.on_record().await == [request_id.clone()]).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_in_the_log() {
    let mut scene = Scene::start().await;
    scene.stop_writes().await;
    let request_id = scene.call().await;
    let (code, said) = scene.program.end().await;
    assert_eq!(code, Some(0));
    let is_lost = |line: &&str| line.contains("The record of a call is here alone");
    let lost: Vec<&str> = said.lines().filter(is_lost).collect();
    let [line] = &*lost else { panic!("{said}") };
    assert!(line.contains(&request_id), "{line}");
}
