//! Links as URLs with wishes, and as codes.

use paylink::pb;
use paylink::pb::render_qr_code_request::Format;

use crate::harness::{Page, Paylink, violations};

#[tokio::test]
async fn a_page_begins_with_what_its_url_says() {
    let paylink = Paylink::start().await;
    let link = paylink.link().await;
    let options = pb::ShareOptions {
        locked_prefilled_email: "jenny+vip@example.com".to_owned(),
        client_reference_id: "cart_7".to_owned(),
        locale: "de".to_owned(),
        ..Default::default()
    };
    let request = pb::ShareUrlRequest { id: link.id.clone(), options: Some(options.clone()) };
    let url = paylink.links().share_url(request).await.unwrap().into_inner().url;
    let page = Page::open(&url).await;
    let path = format!("/v1/checkout/sessions/{}", page.session());
    let session = paylink.stripe.get(&path).await;
    assert_eq!(session["client_reference_id"], "cart_7");
    assert_eq!(session["locale"], "de");
    assert!(page.text.contains("jenny+vip@example.com"));

    let request = pb::RenderQrCodeRequest {
        id: link.id,
        options: Some(options),
        format: Format::Png.into(),
        ..Default::default()
    };
    let code = paylink.links().render_qr_code(request).await.unwrap().into_inner();
    assert_eq!((code.url, &*code.content_type), (url, "image/png"));
    assert_eq!(&code.image[1..4], b"PNG");
}

#[tokio::test]
async fn what_a_page_would_drop_is_refused() {
    let paylink = Paylink::start().await;
    let link = paylink.link().await;
    let options =
        pb::ShareOptions { prefilled_promo_code: "SPRING".to_owned(), ..Default::default() };
    let request = pb::ShareUrlRequest { id: link.id, options: Some(options) };
    let refused = paylink.links().share_url(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["options.prefilled_promo_code CONFLICT"]);
}
