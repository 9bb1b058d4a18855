use super::*;

#[tokio::test]
async fn a_request_without_a_key_is_unauthorized() {
    let answer = Desk::new().send(Request::get("/v1/products"), &[]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("You did not provide an API key."));
}

#[tokio::test]
async fn an_unknown_address_is_named() {
    let answer = Desk::new().call(Method::GET, "/v1/nope", &[]).await;
    let message = "Unrecognized request URL (GET: /v1/nope). Please see https://stripe.com/docs or \
                   we can help at https://support.stripe.com/. This is a sandbox: of Stripe's API \
                   it serves payment links and what is around them.";
    assert_eq!(answer.refusal(), json!([404, message, null]));
    let answer = Desk::new().call(Method::GET, "/v1/prices/", &[]).await;
    assert!(answer.text.contains("make sure you passed a valid (non-empty) identifier"));
}

#[tokio::test]
async fn every_answer_names_its_request_and_version() {
    let answer = Desk::new().call(Method::GET, "/v1/products", &[]).await;
    assert!(answer.header("request-id").starts_with("req_"));
    assert_eq!(answer.header("stripe-version"), crate::sandbox::API_VERSION);
}

#[tokio::test]
async fn a_version_that_never_was_is_refused() {
    let desk = Desk::new();
    let ask = async |version: &str| {
        let request = Request::get("/v1/products").header("authorization", "Bearer sk_test_x");
        desk.send(request.header("stripe-version", version), &[]).await
    };
    assert_eq!(ask("2026-10-28.endive").await.header("stripe-version"), "2026-10-28.endive");
    assert_eq!(ask("1999").await.refusal()[1], "Invalid Stripe API version: 1999");
}

#[tokio::test]
async fn a_restricted_key_is_told_what_it_lacks() {
    let desk = Desk::new();
    let request = Request::post("/v1/products").header("authorization", "Bearer rk_test_shop_ro");
    let answer = desk.send(request, &[("name", "x")]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("rak_product_write"));
    assert!(desk.events().await.is_empty());
}

#[tokio::test]
async fn a_limit_of_requests_is_kept_where_it_is_set() {
    let desk = Desk::with(Config { requests_per_second_max: 1, ..Config::default() });
    // Of three in a row, two fall into the same second.
    let mut limited = None;
    for _ in 0..3 {
        let answer = desk.call(Method::GET, "/v1/products", &[]).await;
        limited = limited.or((answer.status == 429).then_some(answer));
    }
    let limited = limited.unwrap();
    assert_eq!(limited.header("stripe-rate-limited-reason"), "global-rate");
    assert_eq!(limited.json()["error"]["code"], "rate_limit");
}

#[tokio::test]
async fn json_is_not_a_form() {
    let request = Request::post("/v1/products")
        .header("authorization", "Bearer sk_test_x")
        .header("content-type", "application/json");
    let answer = Desk::new().send(request, &[("name", "x")]).await;
    assert!(answer.text.contains("check that your POST content type"));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let desk = Desk::with(Config { body_bytes_max: 10, ..Config::default() });
    let answer = desk.post("/v1/products", &[("name", "much longer than that")]).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn every_refusal_has_the_shape_of_stripes() {
    let desk = Desk::with(Config { body_bytes_max: 10, ..Config::default() });
    let ask = |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path);
        request.header("authorization", "Bearer sk_test_x")
    };
    let fault = ask(Method::GET, "/v1/products").header("paylink-sandbox-fault", "nonsense");
    let refused = [
        (413, desk.post("/v1/products", &[("name", "much longer than that")]).await),
        (400, desk.send(fault, &[]).await),
        (404, desk.call(Method::GET, "/v1/nope", &[]).await),
        (404, desk.call(Method::GET, "/v1/products/prod_none", &[]).await),
        (404, desk.call(Method::POST, "/b/test_token", &[]).await),
        (401, desk.send(Request::get("/v1/products"), &[]).await),
    ];
    for (status, answer) in refused {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
        let error = &answer.json()["error"];
        let log = format!("https://dashboard.stripe.com/test/logs/{}", answer.header("request-id"));
        assert_eq!(error["request_log_url"], log);
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].is_string());
    }
}

async fn keyed(desk: &Desk, key: &str, form: &[(&str, &str)]) -> Answer {
    let request = Request::post("/v1/products")
        .header("authorization", "Bearer sk_test_x")
        .header("idempotency-key", key);
    desk.send(request, form).await
}

#[tokio::test]
async fn a_key_makes_a_request_happen_once() {
    let desk = Desk::new();
    let first = keyed(&desk, "k", &[("name", "x")]).await;
    let second = keyed(&desk, "k", &[("name", "x")]).await;
    assert_eq!(first.text, second.text);
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(second.header("original-request"), first.header("request-id"));
    assert_eq!(desk.events().await, ["product.created"]);
    assert_eq!(keyed(&desk, "k", &[("name", "y")]).await.status, 400);
}

#[tokio::test]
async fn a_refusal_of_what_was_carried_out_is_repeated() {
    let desk = Desk::new();
    let form = [("name", "x"), ("id", "mine")];
    keyed(&desk, "one", &form).await;
    assert_eq!(keyed(&desk, "two", &form).await.status, 400);
    assert_eq!(keyed(&desk, "two", &form).await.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn malformed_parameters_leave_the_key_free() {
    let desk = Desk::new();
    assert_eq!(keyed(&desk, "k", &[("nickname", "x")]).await.status, 400);
    assert_eq!(keyed(&desk, "k", &[("name", "x")]).await.status, 200);
}

#[tokio::test]
async fn an_event_names_the_request_behind_it() {
    let desk = Desk::new();
    let answer = keyed(&desk, "k", &[("name", "x")]).await;
    let event = desk.get("/v1/events").await["data"][0].clone();
    let expected = json!({ "id": answer.header("request-id"), "idempotency_key": "k" });
    assert_eq!(event["request"], expected);
    assert_eq!(event["api_version"], crate::sandbox::API_VERSION);
    assert_eq!(event["data"]["object"]["name"], "x");
}

async fn three_products() -> Desk {
    let desk = Desk::new();
    for id in ["a", "b", "c"] {
        desk.post("/v1/products", &[("name", id), ("id", id)]).await;
    }
    desk
}

async fn check_page(desk: &Desk, query: &str, ids: &[&str], has_more: bool) {
    let page = desk.get(&format!("/v1/products?{query}")).await;
    let seen: Vec<_> = page["data"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
    assert_eq!(
        (seen, &page["has_more"]),
        (ids.iter().map(|id| json!(id)).collect(), &json!(has_more))
    );
}

#[tokio::test]
async fn lists_go_from_new_to_old_a_page_at_a_time() {
    let desk = three_products().await;
    check_page(&desk, "", &["c", "b", "a"], false).await;
    check_page(&desk, "limit=2", &["c", "b"], true).await;
    check_page(&desk, "limit=2&starting_after=b", &["a"], false).await;
    check_page(&desk, "limit=1&ending_before=a", &["b"], true).await;
    check_page(&desk, "limit=2&ending_before=a", &["c", "b"], false).await;
}

#[tokio::test]
async fn a_cursor_names_an_object_and_comes_alone() {
    let desk = three_products().await;
    let answer = desk.call(Method::GET, "/v1/products?starting_after=x", &[]).await;
    assert_eq!(answer.refusal(), json!([400, "No such product: 'x'", "starting_after"]));
    let both = "/v1/products?starting_after=a&ending_before=b";
    assert_eq!(desk.call(Method::GET, both, &[]).await.status, 400);
}

#[tokio::test]
async fn a_wrong_expansion_changes_nothing() {
    let desk = Desk::new();
    let answer = desk.post("/v1/products", &[("name", "x"), ("expand[]", "name")]).await;
    assert_eq!(
        answer.refusal(),
        json!([400, "This property cannot be expanded (name).", "expand"])
    );
    assert!(desk.events().await.is_empty());
}
