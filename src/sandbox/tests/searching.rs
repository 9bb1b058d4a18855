use super::*;

fn path(noun: &str, query: &str) -> String {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
    format!("/v1/{noun}/search?{query}")
}

#[tokio::test]
async fn products_are_found_a_page_at_a_time() {
    let desk = Desk::new();
    for (name, colour) in [("Blue ink", "b"), ("Red ink", "r"), ("Paper", "b"), ("Ink pot", "b")] {
        desk.post("/v1/products", &[("name", name), ("metadata[colour]", colour)]).await;
    }
    let query = path("products", r#"name~"ink" AND metadata["colour"]:"b""#);
    let first = desk.get(&format!("{query}&limit=1&expand[]=total_count")).await;
    assert_eq!(
        (&first["object"], &first["url"]),
        (&json!("search_result"), &json!("/v1/products/search"))
    );
    assert_eq!((&first["total_count"], &first["has_more"]), (&json!(2), &json!(true)));
    assert_eq!(first["data"][0]["name"], "Ink pot");
    let next = first["next_page"].as_str().unwrap();
    let second = desk.get(&format!("{query}&limit=1&page={next}")).await;
    assert_eq!(second["data"][0]["name"], "Blue ink");
    assert_eq!((&second["next_page"], &second["has_more"]), (&Value::Null, &json!(false)));
    assert!(second.get("total_count").is_none());
}

#[tokio::test]
async fn prices_of_links_alone_are_not_found() {
    let desk = Desk::new();
    desk.link(&[]).await;
    let form = [("currency", "usd"), ("unit_amount", "100"), ("product_data[name]", "x")];
    let price = desk.post("/v1/prices", &form).await.json();
    let found = desk.get(&path("prices", r#"currency:"usd" OR lookup_key:"k""#)).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], price["id"]);
    assert!(found["data"][0].get("inline").is_none());
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused() {
    let answer = Desk::new().call(Method::GET, &path("products", "name>5"), &[]).await;
    let message = "We were unable to parse your search query: Field `name` does not support the \
                   operator `>`.";
    assert_eq!(answer.refusal(), json!([400, message, "query"]));
}
