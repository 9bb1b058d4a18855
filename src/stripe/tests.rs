use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::*;

/// A call of a caller who waits for a minute.
pub(super) fn call(method: Method) -> Call {
    Call {
        method,
        place: pb::Product::collection(),
        form: Bytes::from_static(b"name=Poster"),
        idempotency_key: Some("plv1-1".into()),
        deadline: Instant::now() + Duration::from_mins(1),
    }
}

/// An answer of status 200.
pub(super) fn answer(body: &str) -> Answer {
    let request_id = Some("req_1".into());
    Answer { body: body.to_owned().into(), request_id, resource: String::new(), replayed: false }
}

#[test]
fn an_id_cannot_lead_out_of_its_path() {
    assert_eq!(pb::Product::item("prod_1").path, "/v1/products/prod_1");
    assert_eq!(pb::Product::item("../x?a=b c").path, "/v1/products/..%2Fx%3Fa%3Db%20c");
    assert_eq!(pb::Product::item("..").path, "/v1/products/%252E%252E");
}

#[tokio::test]
async fn anything_that_answers_calls_can_stand_in_for_stripe() {
    let config = Config::testing();
    let client = config.client_over(Transport::over(tower::service_fn(|call: Call| async move {
        assert_eq!((call.method, &*call.place.path), (Method::GET, "/v1/products/prod_1"));
        Ok(answer(r#"{"id": "prod_1", "object": "product", "name": "Poster"}"#))
    })));
    let caller = Caller::itself(Duration::from_secs(9));
    assert_eq!(client.get::<pb::Product>("prod_1", &caller).await.unwrap().name, "Poster");
}
