//! Bugs that leave a call without its record, which the tests beside this one would see.

use paylink::pb;
use paylink::planted::{self, Bug};
use tonic::Code;

use super::{CREATE, all, all_guarded};
use crate::harness::{Answers, Guarded, Paylink, poster_request, until};

/// A bug, until it is dropped. The service runs on the thread of its test.
struct Planted;

// === impl Planted ===

impl Planted {
    fn new(bug: Bug) -> Self {
        planted::plant(Some(bug));
        Self
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        planted::plant(None);
    }
}

#[tokio::test]
async fn a_refusal_that_leaves_no_record_is_caught() {
    let guarded = Guarded::start().await;
    let refused = async || {
        let unlisted = guarded.issuer.token("unlisted");
        let refused = guarded.ask(CREATE, Some(&unlisted)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    };
    let bug = Planted::new(Bug::RefusedUnrecorded);
    refused().await;
    all_guarded(&guarded, 0).await;
    drop(bug);
    refused().await;
    all_guarded(&guarded, 1).await;
}

#[tokio::test]
async fn a_caller_who_leaves_no_record_is_caught() {
    let paylink = Paylink::start().await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let leave = async || {
        let heard = paylink.stripe.gate.heard();
        let mut links = paylink.links();
        let calling =
            tokio::spawn(async move { links.create_payment_link(poster_request()).await });
        until(async || paylink.stripe.gate.heard() > heard).await;
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled());
    };
    let bug = Planted::new(Bug::LeftUnrecorded);
    leave().await;
    // The server hears of it before it hears of what comes after.
    for _ in 0..2 {
        let list = pb::ListPaymentsRequest::default();
        paylink.payments().list_payments(list).await.unwrap();
    }
    drop(bug);
    leave().await;
    let records = all(&paylink, 1).await;
    assert_eq!(records[0].code, "CANCELLED");
}
