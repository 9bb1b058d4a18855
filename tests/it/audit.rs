//! The records of calls: each call that can change something leaves one, which says what
//! the caller was told, and nothing of what it said.

mod calls;
mod planted;
mod refused;
mod unwritten;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use paylink::pb;
use paylink::pb::audit_service_client::AuditServiceClient;
use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodOptions};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Request};
use uuid::Uuid;

use crate::harness::{
    Answers, Guarded, Paylink, code_of, poster_request, request_id, until, violations, with_token,
};

const CREATE: &str = "paylink.v1.PaymentLinkService/CreatePaymentLink";
const BATCH: &str = "paylink.v1.PaymentLinkService/BatchCreatePaymentLinks";

/// Something done to records that somebody keeps.
type Forgery = fn(&mut Vec<pb::AuditRecord>);

/// The methods of the contract, and whether each can change something.
fn methods() -> Vec<(String, bool)> {
    let files = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap().file;
    let mut methods = Vec::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                methods.push((name, level != Some(IdempotencyLevel::NoSideEffects)));
            }
        }
    }
    methods
}

fn everything() -> pb::ListAuditRecordsRequest {
    pb::ListAuditRecordsRequest { page_size: 100, oldest_first: true, ..Default::default() }
}

/// All that a caller is given, page by page.
async fn records(
    paylink: &Paylink,
    token: Option<&str>,
    mut request: pb::ListAuditRecordsRequest,
) -> Vec<pb::AuditRecord> {
    let mut audit = AuditServiceClient::with_origin(paylink.wire(), paylink.origin());
    let mut found = Vec::new();
    loop {
        let asked = match token {
            Some(token) => with_token(request.clone(), token),
            None => Request::new(request.clone()),
        };
        let page = audit.list_audit_records(asked).await.unwrap().into_inner();
        found.extend(page.audit_records);
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

async fn by_operator(guarded: &Guarded) -> Vec<pb::AuditRecord> {
    let operator = guarded.issuer.token("operator");
    records(&guarded.paylink, Some(&operator), everything()).await
}

/// All records, of which there are so many once those are written whose callers did not
/// wait for them.
async fn all(paylink: &Paylink, count: usize) -> Vec<pb::AuditRecord> {
    until(async || records(paylink, None, everything()).await.len() >= count).await;
    let found = records(paylink, None, everything()).await;
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

/// The same, where callers say who they are.
async fn all_guarded(guarded: &Guarded, count: usize) -> Vec<pb::AuditRecord> {
    until(async || by_operator(guarded).await.len() >= count).await;
    let found = by_operator(guarded).await;
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

fn hash(record: &pb::AuditRecord) -> String {
    let time = record.record_time.as_ref().unwrap();
    let mut hash = Sha256::new()
        .chain_update(hex::decode(&record.previous_hash).unwrap())
        .chain_update(record.sequence.to_be_bytes())
        .chain_update((time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000).to_be_bytes())
        .chain_update([u8::from(record.validate_only)]);
    let pb::AuditRecord { caller, owner, account, method, object, made, .. } = record;
    let pb::AuditRecord { code, reason, request_id, stripe_request_id, traceparent, .. } = record;
    for text in [
        caller,
        owner,
        account,
        method,
        object,
        made,
        code,
        reason,
        request_id,
        stripe_request_id,
        traceparent,
    ] {
        hash.update(u32::try_from(text.len()).unwrap().to_be_bytes());
        hash.update(text);
    }
    hex::encode(hash.finalize())
}

/// Whether the records are a piece of a chain, whole and as they were written.
fn is_chain(records: &[pb::AuditRecord]) -> bool {
    let follows = |pair: &[pb::AuditRecord]| {
        pair[1].sequence == pair[0].sequence + 1 && pair[1].previous_hash == pair[0].hash
    };
    records.iter().all(|record| record.hash == hash(record)) && records.windows(2).all(follows)
}

#[test]
fn what_can_change_something_is_known_by_the_contract() {
    let reads = ["Get", "List", "Search", "Watch", "Share", "Render", "Diagnose"];
    for (name, mutates) in methods() {
        let (_, short) = name.split_once('/').unwrap();
        assert_eq!(mutates, !reads.iter().any(|read| short.starts_with(read)), "{name}");
        assert_eq!(pb::mutates(&name), mutates, "{name}");
    }
}

#[tokio::test]
async fn every_refused_call_that_could_change_something_leaves_one_record() {
    let guarded = Guarded::start().await;
    let mut seen = 0;
    for (method, mutates) in methods() {
        // Made anew, since there are many methods, and no token is good for long.
        let token = |subject| guarded.issuer.token(subject);
        let (operator, unlisted) = (token("operator"), token("unlisted"));
        let told = guarded.ask(&method, Some(&operator)).await.map_err(|error| code_of(&error));
        let denied = guarded.ask(&method, Some(&unlisted)).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied, "{method}");
        guarded.ask(&method, None).await.unwrap_err();
        // The stream itself, whose caller leaves, and its one item.
        let expected = if method == BATCH { 3 } else { 2 * usize::from(mutates) };
        let all = all_guarded(&guarded, seen + expected).await;
        let new = &all[seen..];
        assert!(new.iter().all(|record| record.method == method), "{method}: {new:#?}");
        let of = |caller: &str| {
            let mine = new.iter().filter(|record| record.caller.ends_with(caller));
            mine.map(|one| (one.code.clone(), one.reason.clone())).collect::<Vec<_>>()
        };
        if mutates {
            let denied = ("PERMISSION_DENIED".to_owned(), "METHOD_NOT_ALLOWED".to_owned());
            assert_eq!(of("|unlisted"), [denied], "{method}");
        }
        if let (Err((code, reason)), true) = (&told, mutates) {
            let heard = of("|operator");
            let words = format!("{code:?}").to_lowercase();
            let said = heard[0].0.replace('_', "").to_lowercase();
            assert_eq!((&said, &heard[0].1, heard.len()), (&words, reason, 1), "{method}");
        }
        seen = all.len();
    }
    assert!(seen > 2 * 20, "there are many such methods");
    assert!(is_chain(&by_operator(&guarded).await));
}

#[tokio::test]
async fn every_call_that_changes_something_leaves_one_record_of_its_object() {
    let guarded = Guarded::start().await;
    let made = calls::all(&guarded).await;
    let records = all_guarded(&guarded, made.len()).await;
    let told: Vec<_> = records
        .iter()
        .map(|one| (one.method.clone(), one.object.clone(), one.made.clone(), one.code.clone()))
        .collect();
    let expected: Vec<_> = made
        .iter()
        .map(|call| {
            let (object, made) = (call.object.clone(), call.made.clone());
            (format!("paylink.v1.{}", call.method), object, made, "OK".to_owned())
        })
        .collect();
    assert_eq!(told, expected);
    let called: BTreeSet<_> = told.into_iter().map(|(method, ..)| method).collect();
    let all: BTreeSet<_> =
        methods().into_iter().filter(|(_, mutates)| *mutates).map(|(name, _)| name).collect();
    assert_eq!(called, all, "a method that changes something has a call here");

    assert!(is_chain(&records));
    for record in &records {
        assert_eq!((&*record.caller, &*record.reason), ("https://id.example|operator", ""));
        assert_eq!((&*record.owner, &*record.account), (&*record.caller, ""));
        let at_stripe = !["Payment", "Order"]
            .iter()
            .any(|own| record.method.contains(&format!("{own}Service")))
            || record.method.ends_with("RefundPayment");
        let is_known = record.stripe_request_id.starts_with("req_");
        let is_batch = record.method.contains("Batch");
        assert!(is_known == at_stripe || is_batch, "{record:?}");
    }
    // What the calls said that is nobody else's to read.
    let text = format!("{records:?}");
    for canary in calls::CANARIES {
        assert!(!text.contains(canary), "{canary} is on record");
    }
}

#[tokio::test]
async fn a_record_names_the_call_as_its_caller_knows_it() {
    let guarded = Guarded::start().await;
    let id = Uuid::new_v4().to_string();
    let request = pb::CreatePaymentLinkRequest { request_id: id.clone(), ..poster_request() };
    let mut request = guarded.by("shop", request);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let link = guarded.paylink.links().create_payment_link(request).await.unwrap().into_inner();
    let record = &all_guarded(&guarded, 1).await[0];
    assert_eq!((&*record.method, &*record.code, &*record.reason), (CREATE, "OK", ""));
    assert_eq!((&record.object, &*record.made, &record.request_id), (&link.id, "", &id));
    assert_eq!((&*record.caller, &*record.owner), ("https://id.example|shop", "shop"));
}

#[tokio::test]
async fn a_call_that_only_validates_says_so() {
    let paylink = Paylink::start().await;
    let request = pb::CreatePaymentLinkRequest { validate_only: true, ..poster_request() };
    paylink.links().create_payment_link(request).await.unwrap();
    let record = &all(&paylink, 1).await[0];
    assert_eq!((&*record.code, record.validate_only, &*record.object), ("OK", true, ""));
}

#[tokio::test]
async fn a_request_that_breaks_its_contract_leaves_a_record_without_what_it_said() {
    let paylink = Paylink::start().await;
    let request = pb::DeactivatePaymentLinkRequest {
        id: "jenny.rosen@example.com".repeat(300),
        ..Default::default()
    };
    let refused = paylink.links().deactivate_payment_link(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["id LENGTH_OUT_OF_RANGE"]);
    let record = &all(&paylink, 1).await[0];
    assert_eq!((&*record.code, &*record.object), ("INVALID_ARGUMENT", ""));
    assert_eq!(record.reason, code_of(&refused).1);
    assert_eq!(record.request_id, request_id(refused.metadata()));
}

#[tokio::test]
async fn a_caller_who_is_cut_off_or_goes_away_leaves_a_record() {
    let paylink = Paylink::start().await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let mut late = Request::new(poster_request());
    late.set_timeout(Duration::from_millis(200));
    let refused = paylink.links().create_payment_link(late).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    let heard = paylink.stripe.gate.heard();
    let mut links = paylink.links();
    let leaving = tokio::spawn(async move { links.create_payment_link(poster_request()).await });
    until(async || paylink.stripe.gate.heard() > heard).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    let found = all(&paylink, 2).await;
    let codes: Vec<_> = found.iter().map(|record| &*record.code).collect();
    assert_eq!(codes, ["DEADLINE_EXCEEDED", "CANCELLED"]);
    paylink.stripe.gate.let_answers(Answers::Pass);
}

#[tokio::test]
async fn each_item_of_a_batch_leaves_a_record_and_the_stream_one() {
    let paylink = Paylink::start().await;
    let item = |currency: &str| {
        let mut item = poster_request();
        item.request_id = Uuid::new_v4().to_string();
        item.payment_link.as_mut().unwrap().currency = currency.to_owned();
        pb::BatchCreatePaymentLinksRequest { item: Some(item) }
    };
    let items = stream::iter([item(""), item("x"), item("")]);
    let answers = paylink.links().batch_create_payment_links(items).await.unwrap();
    let answers: Vec<_> = answers.into_inner().map(|answer| answer.unwrap()).collect().await;
    let records = all(&paylink, 4).await;
    let (of_items, of_stream) = records.split_at(3);
    let codes: Vec<_> = of_stream.iter().map(|record| (&*record.code, &*record.object)).collect();
    assert_eq!(codes, [("OK", "")]);
    assert!(records.iter().all(|record| record.method == BATCH));
    for answer in answers {
        use pb::batch_create_payment_links_response::Result as Outcome;
        let (code, object) = match answer.result.unwrap() {
            Outcome::PaymentLink(link) => ("OK", link.id),
            Outcome::Failure(_) => ("INVALID_ARGUMENT", String::new()),
        };
        let found = of_items.iter().filter(|one| (&*one.code, &one.object) == (code, &object));
        assert_eq!(found.count(), 1, "{code} {object}");
    }
}

#[tokio::test]
async fn callers_are_given_the_records_of_their_owner() {
    let guarded = Guarded::start().await;
    for caller in ["shop", "crm", "operator"] {
        let request = guarded.by(caller, poster_request());
        guarded.paylink.links().create_payment_link(request).await.unwrap();
    }
    assert_eq!(all_guarded(&guarded, 3).await.len(), 3);
    let crm = guarded.issuer.token("crm");
    let own = records(&guarded.paylink, Some(&crm), everything()).await;
    assert_eq!(own.iter().map(|record| &*record.owner).collect::<Vec<_>>(), ["crm"]);
    let request = guarded.by("shop", everything());
    let mut audit =
        AuditServiceClient::with_origin(guarded.paylink.wire(), guarded.paylink.origin());
    let refused = audit.list_audit_records(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn records_are_found_by_caller_method_object_and_time() {
    let paylink = Paylink::start().await;
    let links = [paylink.link().await, paylink.link().await, paylink.link().await];
    let deactivate =
        pb::DeactivatePaymentLinkRequest { id: links[1].id.clone(), ..Default::default() };
    paylink.links().deactivate_payment_link(deactivate).await.unwrap();
    let all = all(&paylink, 4).await;
    let one = |like: pb::ListAuditRecordsRequest| {
        records(&paylink, None, pb::ListAuditRecordsRequest { page_size: 1, ..like })
    };
    let method = "paylink.v1.PaymentLinkService/DeactivatePaymentLink".to_owned();
    let of_method = pb::ListAuditRecordsRequest { method, ..Default::default() };
    assert_eq!(one(of_method).await, all[3..]);
    let of_object =
        pb::ListAuditRecordsRequest { object: links[1].id.clone(), ..Default::default() };
    assert_eq!(one(of_object).await, [all[3].clone(), all[1].clone()]);
    let nobody = pb::ListAuditRecordsRequest { caller: "nobody".into(), ..Default::default() };
    assert_eq!(one(nobody).await, []);
    let (from, before) = (all[1].record_time, all[3].record_time);
    let between = pb::ListAuditRecordsRequest {
        recorded_from: from,
        recorded_before: before,
        ..Default::default()
    };
    let key = |time: &Option<prost_types::Timestamp>| {
        time.as_ref().map(|time| (time.seconds, time.nanos)).unwrap()
    };
    let is_meant = |one: &&pb::AuditRecord| {
        key(&one.record_time) >= key(&from) && key(&one.record_time) < key(&before)
    };
    let mut expected: Vec<_> = all.iter().filter(is_meant).cloned().collect();
    expected.reverse();
    assert_eq!(one(between).await, expected);
}

#[tokio::test]
async fn whoever_changes_a_record_or_takes_one_out_is_found() {
    let paylink = Paylink::start().await;
    for _ in 0..4 {
        paylink.link().await;
    }
    let records = all(&paylink, 4).await;
    assert!(is_chain(&records));
    let forgeries: [Forgery; 9] = [
        |records| drop(records.remove(1)),
        |records| records.swap(1, 2),
        |records| records[1].caller = "somebody".to_owned(),
        |records| records[1].object.clear(),
        |records| records[1].code = "INTERNAL".to_owned(),
        |records| records[1].reason = "x".to_owned(),
        |records| records[1].validate_only = true,
        |records| records[1].record_time.as_mut().unwrap().seconds += 1,
        // Not even one whose own hash is put right.
        |records| {
            records[1].traceparent = "x".to_owned();
            records[1].hash = hash(&records[1]);
        },
    ];
    for (nth, forge) in forgeries.into_iter().enumerate() {
        let mut changed = records.clone();
        forge(&mut changed);
        assert!(!is_chain(&changed), "forgery {nth}");
    }
}
