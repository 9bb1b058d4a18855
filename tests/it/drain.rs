//! The stop: streams are told, calls under way finish, nothing new begins.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tonic::Code;

use crate::harness::{Answers, Folder, Hook, Paylink, code_of, event, poster_request, until};
use crate::harness::{retry_delay, within};

async fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_err()
}

#[tokio::test]
async fn a_stop_ends_streams_and_lets_calls_finish() {
    let paylink = Paylink::start().await;
    let mut watch = paylink.watch("").await;
    watch.heartbeat().await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let mut links = paylink.links();
    let call = tokio::spawn(async move { links.create_payment_link(poster_request()).await });
    paylink.stripe.gate.heard_more_than(0).await;

    paylink.ask_to_stop();
    let ended = watch.end().await;
    assert_eq!(code_of(&ended), (Code::Unavailable, "DRAINING".to_owned()));
    assert!(retry_delay(&ended).is_some());
    until(async || is_refused(paylink.addresses.grpc).await).await;

    paylink.stripe.gate.let_answers(Answers::Pass);
    let link = within(call).await.unwrap().unwrap().into_inner();
    let stripe = paylink.stop().await;
    assert_eq!(stripe.list("/v1/payment_links").await[0]["id"], *link.id);
}

#[tokio::test]
async fn a_stop_closes_every_door() {
    let paylink = Paylink::start().await;
    let addresses = paylink.addresses;
    for address in [addresses.grpc, addresses.webhook, addresses.operations] {
        assert!(!is_refused(address).await);
    }
    paylink.stop().await;
    for address in [addresses.grpc, addresses.webhook, addresses.operations] {
        assert!(is_refused(address).await);
    }
}

#[tokio::test]
async fn calls_that_do_not_finish_are_cut_off_in_the_end() {
    let paylink = Paylink::start().with("PAYLINK__CONNECTIONS__DRAIN_MS", "100").await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let mut links = paylink.links();
    let call = tokio::spawn(async move { links.create_payment_link(poster_request()).await });
    paylink.stripe.gate.heard_more_than(0).await;
    paylink.stop().await;
    call.abort();
}

#[tokio::test]
async fn stops_and_starts_lose_nothing() {
    let folder = Folder::new();
    let mut paylink = Paylink::start().without_webhooks().storage(&folder).await;
    for turn in 1..=5 {
        let (id, session) = (format!("evt_{turn}"), format!("cs_{turn}"));
        let told = event(&id, "checkout.session.expired", &session, "unpaid");
        assert_eq!(Hook::of(&told).send(&paylink).await, 200);
        paylink = paylink.restart().await;
    }
    let mut watch = paylink.watch("").await;
    for turn in 1..=5 {
        let event = watch.next().await;
        assert_eq!((event.sequence, event.stripe_event), (turn, format!("evt_{turn}")));
    }
}
