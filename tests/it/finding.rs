//! Links are found by what they are for.

use paylink::pb;
use tonic::Code;

use crate::harness::{Paylink, code_of, now_secs, until};

async fn found(paylink: &Paylink, filter: pb::PaymentLinkFilter) -> Vec<String> {
    let mut request =
        pb::ListPaymentLinksRequest { filter: Some(filter), page_size: 2, ..Default::default() };
    let mut ids = Vec::new();
    loop {
        let page = paylink.links().list_payment_links(request.clone()).await.unwrap().into_inner();
        assert!(page.payment_links.len() <= 2);
        ids.extend(page.payment_links.into_iter().map(|link| link.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return ids;
        }
    }
}

fn noted(key: &str, value: &str) -> pb::PaymentLinkFilter {
    let metadata = [(key.to_owned(), value.to_owned())].into();
    pb::PaymentLinkFilter { metadata, ..Default::default() }
}

/// Makes a price past the service, and gives its id and that of its product.
async fn price(paylink: &Paylink) -> (String, String) {
    let form = "currency=usd&unit_amount=2500&product_data[name]=Poster";
    let price = paylink.stripe.post("/v1/prices", form).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&price["id"]), text(&price["product"]))
}

async fn link(paylink: &Paylink, order_ref: &str, shop: &str) -> pb::PaymentLink {
    let metadata = [("shop".to_owned(), shop.to_owned())].into();
    let order_ref = order_ref.to_owned();
    paylink.link_like(pb::PaymentLink { order_ref, metadata, ..Default::default() }).await
}

#[tokio::test]
async fn links_are_found_by_order_notes_product_and_time() {
    let paylink = Paylink::start().await;
    let mut ids = Vec::new();
    for (order, shop) in [("1", "a"), ("1", "b"), ("2", "a"), ("", "a"), ("2", "a b")] {
        ids.insert(0, link(&paylink, order, shop).await);
    }
    let of =
        |wanted: &[usize]| -> Vec<String> { wanted.iter().map(|at| ids[*at].id.clone()).collect() };
    let filter = pb::PaymentLinkFilter::default;
    until(async || found(&paylink, filter()).await.len() == 5).await;
    assert_eq!(found(&paylink, filter()).await, of(&[0, 1, 2, 3, 4]));
    let by_order = pb::PaymentLinkFilter { order_ref: "1".into(), ..filter() };
    assert_eq!(found(&paylink, by_order.clone()).await, of(&[3, 4]));
    assert_eq!(found(&paylink, noted("shop", "a")).await, of(&[1, 2, 4]));
    assert_eq!(found(&paylink, noted("shop", "a b")).await, of(&[0]));
    let both = pb::PaymentLinkFilter { order_ref: "1".into(), ..noted("shop", "a") };
    assert_eq!(found(&paylink, both).await, of(&[4]));
    let product = ids[2].line_items[0].product.clone();
    assert!(product.starts_with("prod_"));
    let by_product = pb::PaymentLinkFilter { product, ..filter() };
    assert_eq!(found(&paylink, by_product).await, of(&[2]));
    let soon = prost_types::Timestamp { seconds: now_secs() + 60, nanos: 0 };
    let past = pb::PaymentLinkFilter { created_before: Some(soon), ..filter() };
    assert_eq!(found(&paylink, past).await.len(), 5);
    let future = pb::PaymentLinkFilter { created_from: Some(soon), ..by_order };
    assert_eq!(found(&paylink, future).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_change_is_found_without_a_webhook() {
    let paylink = Paylink::start().without_webhooks().await;
    let link = link(&paylink, "1", "a").await;
    let request = pb::DeactivatePaymentLinkRequest { id: link.id.clone(), ..Default::default() };
    paylink.links().deactivate_payment_link(request).await.unwrap();
    let active = |active| pb::ListPaymentLinksRequest {
        filter: Some(pb::PaymentLinkFilter::default()),
        active: Some(active),
        ..Default::default()
    };
    let listed = async |wanted| {
        let listed = paylink.links().list_payment_links(active(wanted)).await.unwrap();
        listed.into_inner().payment_links
    };
    until(async || listed(true).await.is_empty()).await;
    assert!(listed(false).await[0].create_time.is_some());
}

#[tokio::test]
async fn links_made_outside_are_told_by_webhooks() {
    let paylink = Paylink::start().await;
    let (price, product) = price(&paylink).await;
    let form = format!("line_items[0][price]={price}&line_items[0][quantity]=1&metadata[shop]=z");
    let made = paylink.stripe.post("/v1/payment_links", &form).await;
    let id = made["id"].as_str().unwrap();
    until(async || found(&paylink, noted("shop", "z")).await == [id]).await;
    paylink.stripe.post(&format!("/v1/payment_links/{id}"), "metadata[shop]=y").await;
    until(async || found(&paylink, noted("shop", "y")).await == [id]).await;
    assert_eq!(found(&paylink, noted("shop", "z")).await, Vec::<String>::new());
    // What it sells is not in any event.
    let by_product = pb::PaymentLinkFilter { product, ..Default::default() };
    assert_eq!(found(&paylink, by_product).await, [id]);
}

#[tokio::test]
async fn a_comparison_finds_links_that_no_webhook_has_told() {
    let paylink = Paylink::start().without_webhooks().await;
    link(&paylink, "1", "a").await;
    let (price, _) = price(&paylink).await;
    for shop in ["old", "new"] {
        let form =
            format!("line_items[0][price]={price}&line_items[0][quantity]=1&metadata[shop]={shop}");
        paylink.stripe.post("/v1/payment_links", &form).await;
    }
    assert_eq!(found(&paylink, noted("shop", "old")).await, Vec::<String>::new());
    let reconcile = || pb::ReconcilePaymentsRequest::default();
    let report = paylink.payments().reconcile_payments(reconcile()).await.unwrap().into_inner();
    assert_eq!(report.links_seen, 3);
    assert_eq!(found(&paylink, noted("shop", "old")).await.len(), 1);
    assert_eq!(found(&paylink, noted("shop", "new")).await.len(), 1);
    let report = paylink.payments().reconcile_payments(reconcile()).await.unwrap().into_inner();
    assert_eq!((report.links_seen, report.links_mended), (3, 0));
}

#[tokio::test]
async fn the_token_of_another_list_is_refused() {
    let paylink = Paylink::start().await;
    let request = pb::ListPaymentLinksRequest {
        filter: Some(pb::PaymentLinkFilter::default()),
        page_token: "AAAA".to_owned(),
        ..Default::default()
    };
    let refused = paylink.links().list_payment_links(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
}

/// What a link sells beyond the items that Stripe shows with it.
#[tokio::test]
async fn links_are_found_by_all_that_they_sell() {
    let paylink = Paylink::start().await;
    let line_items = vec![crate::harness::poster(); 12];
    let link = pb::PaymentLink { line_items, ..Default::default() };
    let request = pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
    let own = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    assert_eq!(own.line_items.len(), 10);
    let item = |at: usize| {
        let item = |rest: &str| format!("line_items[{at}]{rest}");
        let product = item("[price_data][product_data][name]=Poster");
        let (unit, quantity) = (item("[price_data][unit_amount]=2500"), item("[quantity]=1"));
        format!("{product}&{unit}&{quantity}&{}", item("[price_data][currency]=usd"))
    };
    let form = (0..12).map(item).collect::<Vec<_>>().join("&");
    let outside = paylink.stripe.post("/v1/payment_links", &form).await;
    for id in [&*own.id, outside["id"].as_str().unwrap()] {
        let request = pb::ListLineItemsRequest {
            payment_link: id.to_owned(),
            page_size: 20,
            ..Default::default()
        };
        let items = paylink.links().list_line_items(request).await.unwrap().into_inner();
        let product = items.line_items[11].product.clone();
        let by_product = pb::PaymentLinkFilter { product, ..Default::default() };
        until(async || found(&paylink, by_product.clone()).await == [id]).await;
    }
    // A later look at the first ten finds the link as it is known.
    let report = pb::ReconcilePaymentsRequest::default();
    let report = paylink.payments().reconcile_payments(report).await.unwrap().into_inner();
    assert_eq!(report.links_mended, 0);
}
