//! The main job: a link is made, paid on its page, and told of as paid.

use paylink::pb;
use paylink::pb::payment::State;
use paylink::pb::payment_link::{AfterCompletion, after_completion};
use tonic::Code;

use crate::harness::{Page, Paylink, code_of, poster_request, until};

const GOOD_CARD: &str = "4242 4242 4242 4242";
const DECLINED_CARD: &str = "4000 0000 0000 0002";
/// How long a session can be paid.
const SESSION_SECS: u32 = 24 * 60 * 60;

async fn deactivate(paylink: &Paylink, id: &str) {
    let request = pb::DeactivatePaymentLinkRequest { id: id.to_owned(), ..Default::default() };
    paylink.links().deactivate_payment_link(request).await.unwrap();
}

async fn list(paylink: &Paylink, request: pb::ListPaymentsRequest) -> Vec<pb::Payment> {
    paylink.payments().list_payments(request).await.unwrap().into_inner().payments
}

#[tokio::test]
async fn a_paid_link_is_told_of_with_what_was_bought() {
    let paylink = Paylink::start().await;
    let link = paylink.link().await;
    let mut watch = paylink.watch("").await;
    let page = Page::open(&link.url).await;
    assert!(page.text.contains("Poster") && page.text.contains("$25.00"), "{}", page.text);
    let done = page.pay(GOOD_CARD).await;
    assert_eq!(done.status, 200);
    assert!(done.text.contains("Thanks for your order"), "{}", done.text);

    let event = watch.next().await;
    assert_eq!((event.sequence, event.previous_state()), (1, State::Unspecified));
    let payment = event.payment.unwrap();
    assert_eq!((&*payment.id, &payment.payment_link), (page.session(), &link.id));
    assert_eq!(payment.state(), State::Paid);
    assert_eq!((payment.amount_total, &*payment.currency), (2500, "usd"));
    let [item] = &*payment.line_items else { panic!("{:?}", payment.line_items) };
    assert_eq!((item.quantity, item.amount_total), (Some(1), 2500));
    assert_eq!((&*item.description, &item.price), ("Poster", &link.line_items[0].price));
    let customer = payment.customer_details.as_ref().unwrap();
    assert_eq!((&*customer.email, &*customer.name), ("jenny.rosen@example.com", "Jenny Rosen"));
    assert!(payment.payment_intent.starts_with("pi_"));

    assert_eq!(paylink.payment(&payment.id).await.unwrap(), payment);
    assert_eq!(list(&paylink, pb::ListPaymentsRequest::default()).await, [payment]);
}

#[tokio::test]
async fn a_declined_buyer_can_pay_with_another_card() {
    let paylink = Paylink::start().await;
    let mut watch = paylink.watch("").await;
    let page = Page::open(&paylink.link().await.url).await;
    let declined = page.pay(DECLINED_CARD).await;
    assert_eq!(declined.status, 402);
    assert!(declined.text.contains("declined"), "{}", declined.text);
    assert_eq!(declined.pay(GOOD_CARD).await.status, 200);
    let event = watch.next().await;
    assert_eq!(event.sequence, 1, "a declined card is no change of the payment");
    assert_eq!(event.payment.unwrap().state(), State::Paid);
}

#[tokio::test]
async fn a_paid_session_cannot_be_paid_again() {
    let paylink = Paylink::start().await;
    let page = Page::open(&paylink.link().await.url).await;
    page.pay(GOOD_CARD).await;
    page.pay(GOOD_CARD).await;
    assert_eq!(paylink.stripe.list("/v1/charges").await.len(), 1);
}

#[tokio::test]
async fn each_visit_of_a_link_is_a_payment_of_its_own() {
    let paylink = Paylink::start().await;
    let (link, mut watch) = (paylink.link().await, paylink.watch("").await);
    let (one, other) = (Page::open(&link.url).await, Page::open(&link.url).await);
    one.pay(GOOD_CARD).await;
    other.pay(GOOD_CARD).await;
    let mut paid = [watch.payment().await.id, watch.payment().await.id];
    paid.sort_unstable();
    let mut visits = [one.session(), other.session()];
    visits.sort_unstable();
    assert_eq!(paid, visits);
}

#[tokio::test]
async fn an_inactive_link_shows_its_message_and_takes_no_money() {
    let paylink = Paylink::start().await;
    let mut request = poster_request();
    request.payment_link.as_mut().unwrap().inactive_message = "The exhibition is over.".into();
    let link = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    let open = Page::open(&link.url).await;
    deactivate(&paylink, &link.id).await;

    let page = Page::open(&link.url).await;
    assert_eq!(page.status, 410);
    assert!(page.text.contains("The exhibition is over."), "{}", page.text);
    assert!(!page.text.contains("card_number"), "no card is asked for: {}", page.text);

    let late = open.pay(GOOD_CARD).await;
    assert_eq!(late.status, 410, "a session that was open cannot be paid either");
    assert_eq!(paylink.stripe.list("/v1/charges").await.len(), 0);
}

#[tokio::test]
async fn a_redirect_carries_the_id_of_the_payment() {
    let paylink = Paylink::start().await;
    let mut request = poster_request();
    let url = "https://shop.example/thanks?payment={CHECKOUT_SESSION_ID}".to_owned();
    let redirect = after_completion::Type::Redirect(after_completion::Redirect { url });
    request.payment_link.as_mut().unwrap().after_completion =
        Some(AfterCompletion { r#type: Some(redirect) });
    let link = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    let mut watch = paylink.watch("").await;
    let done = Page::open(&link.url).await.pay(GOOD_CARD).await;
    let payment = watch.payment().await;
    let expected = format!("https://shop.example/thanks?payment={}", payment.id);
    assert_eq!((done.status, done.leads_to), (303, Some(expected)));
}

#[tokio::test]
async fn a_visit_that_nobody_pays_expires() {
    let paylink = Paylink::start().await;
    let mut watch = paylink.watch("").await;
    let page = Page::open(&paylink.link().await.url).await;
    paylink.stripe.advance_clock(SESSION_SECS);
    let payment = watch.payment().await;
    assert_eq!((&*payment.id, payment.state()), (page.session(), State::Expired));
    assert_eq!(page.pay(GOOD_CARD).await.status, 410);
}

#[tokio::test]
async fn payments_are_listed_by_link_and_state_in_pages() {
    let paylink = Paylink::start().await;
    let (one, other) = (paylink.link().await, paylink.link().await);
    let mut watch = paylink.watch("").await;
    for url in [&one.url, &one.url, &other.url] {
        Page::open(url).await.pay(GOOD_CARD).await;
        watch.payment().await;
    }
    let of_one = pb::ListPaymentsRequest { payment_link: one.id, ..Default::default() };
    assert_eq!(list(&paylink, of_one.clone()).await.len(), 2);
    let open = pb::ListPaymentsRequest { state: State::Open.into(), ..Default::default() };
    assert_eq!(list(&paylink, open).await, []);

    let mut request = pb::ListPaymentsRequest { page_size: 1, ..of_one };
    let page = paylink.payments().list_payments(request.clone()).await.unwrap().into_inner();
    request.page_token = page.next_page_token;
    let last = paylink.payments().list_payments(request).await.unwrap().into_inner();
    assert_eq!((page.payments.len(), last.payments.len()), (1, 1));
    assert_ne!(page.payments[0].id, last.payments[0].id);
    assert_eq!(last.next_page_token, "");
}

#[tokio::test]
async fn a_payment_that_nobody_made_is_not_found() {
    let paylink = Paylink::start().await;
    let refused = paylink.payment("cs_test_1").await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::NotFound, "PAYMENT_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn later_periods_of_a_subscription_are_told_on_its_payment() {
    const MONTH_SECS: u32 = 32 * 24 * 60 * 60;
    let paylink = Paylink::start().await;
    let mut request = poster_request();
    let item = &mut request.payment_link.as_mut().unwrap().line_items[0];
    let interval = pb::recurring::Interval::Month.into();
    item.price_data.as_mut().unwrap().recurring =
        Some(pb::BasicRecurring { interval, ..Default::default() });
    let link = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    let mut watch = paylink.watch("").await;
    let page = Page::open(&link.url).await;
    page.pay(GOOD_CARD).await;
    let id = page.session().to_owned();
    until(async || paylink.payment(&id).await.is_ok_and(|payment| payment.invoices.len() == 1))
        .await;
    paylink.stripe.advance_clock(MONTH_SECS);
    let payment = loop {
        let payment = watch.payment().await;
        let is_paid = |invoice: &pb::Invoice| {
            invoice.status() == pb::invoice::Status::Paid && !invoice.payments.is_empty()
        };
        if payment.invoices.len() == 2 && payment.invoices.iter().all(is_paid) {
            break payment;
        }
    };
    assert_eq!((&payment.id, payment.state()), (&id, State::Paid));
    let renewal = &payment.invoices[1];
    assert_eq!((renewal.amount_paid, &*renewal.billing_reason), (2500, "subscription_cycle"));

    // Each period's money goes back by itself.
    let means = renewal.payments[0].payment.clone().unwrap();
    let refund = pb::RefundPaymentRequest {
        payment: id.clone(),
        payment_intent: means.payment_intent,
        amount: 500,
        ..Default::default()
    };
    paylink.payments().refund_payment(refund).await.unwrap();
    let payment = paylink.payment(&id).await.unwrap();
    assert_eq!((payment.state(), payment.amount_refunded), (State::Paid, 0));
    assert_eq!(payment.invoices[1].amount_refunded, 500);
}
