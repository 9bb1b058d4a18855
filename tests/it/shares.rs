//! What one caller may have of what all share.

use futures_util::{StreamExt as _, stream};
use paylink::pb;
use tokio::sync::oneshot;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::harness::{Guarded, Paylink, code_of, until};

fn assert_too_many<T>(told: Result<T, Status>) {
    let refused = code_of(&told.err().expect("it is refused"));
    assert_eq!(refused, (Code::ResourceExhausted, "TOO_MANY_STREAMS".to_owned()));
}

type Watch = Result<Response<Streaming<pb::WatchPaymentsResponse>>, Status>;

async fn watch(guarded: &Guarded, caller: &str) -> Watch {
    let request = guarded.by(caller, pb::WatchPaymentsRequest::default());
    guarded.paylink.payments().watch_payments(request).await
}

/// Begins a batch, which ends when what is given is dropped.
async fn batch(guarded: &Guarded, caller: &str) -> Result<oneshot::Sender<()>, Status> {
    let (open, end) = oneshot::channel();
    let mut request = Request::new(stream::once(end).filter_map(|_| std::future::ready(None)));
    *request.metadata_mut() = guarded.by(caller, ()).metadata().clone();
    let answers = guarded.paylink.links().batch_create_payment_links(request).await?;
    tokio::spawn(answers.into_inner().for_each(|_| std::future::ready(())));
    Ok(open)
}

#[tokio::test]
async fn one_caller_has_its_own_part_of_the_streams() {
    let start = Paylink::start().with("PAYLINK__GRPC__OPEN_STREAMS_MAX_OF_CALLER", "2");
    let guarded = Guarded::start_as(start).await;
    let mut open = vec![watch(&guarded, "shop").await.unwrap()];
    open.push(watch(&guarded, "shop").await.unwrap());
    assert_too_many(watch(&guarded, "shop").await);
    watch(&guarded, "crm").await.unwrap();
    // Those of other methods are of the same places, and calls are not.
    let reflection = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let operator = guarded.issuer.token("operator");
    let held = [watch(&guarded, "operator").await, watch(&guarded, "operator").await];
    assert_too_many(guarded.ask(reflection, Some(&operator)).await);
    batch(&guarded, "shop").await.unwrap();
    drop((open.pop(), held));
    until(async || watch(&guarded, "shop").await.is_ok()).await;
}

#[tokio::test]
async fn one_caller_has_its_own_part_of_the_batches() {
    let start = Paylink::start().with("PAYLINK__GRPC__OPEN_BATCHES_MAX_OF_CALLER", "1");
    let guarded = Guarded::start_as(start).await;
    let open = batch(&guarded, "shop").await.unwrap();
    assert_too_many(batch(&guarded, "shop").await);
    batch(&guarded, "crm").await.unwrap();
    watch(&guarded, "shop").await.unwrap();
    drop(open);
    until(async || batch(&guarded, "shop").await.is_ok()).await;
}
