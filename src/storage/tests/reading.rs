use super::*;

#[tokio::test]
async fn an_event_put_off_is_due_later_or_when_the_clock_was_set_back() {
    let disk = Disk::new();
    let storage = disk.open().await;
    storage.insert_event(event("evt_1")).await.unwrap();
    storage
        .write(|mut transaction| {
            Box::pin(async move { transaction.postpone_event("evt_1", 20_000).await })
        })
        .await
        .unwrap();
    assert_eq!(due(&storage, 19_999).await, [""; 0]);
    assert_eq!(storage.next_due_at_ms(19_999).await.unwrap(), Some(20_000));
    assert_eq!(due(&storage, 20_000).await, ["evt_1"]);
    assert_eq!(storage.next_due_at_ms(20_000).await.unwrap(), None);
    // Nothing is put off by more than 30 s, so at -10.001 s the clock has jumped.
    assert_eq!(due(&storage, -10_001).await, ["evt_1"]);
}

#[tokio::test]
async fn pages_of_the_feed_end_at_their_limits_and_pass_over_other_links() {
    let disk = Disk::new();
    let storage = disk.open().await;
    for (id, link) in [("cs_1", "plink_1"), ("cs_2", "plink_2"), ("cs_3", "plink_1")] {
        let payment = pb::Payment { payment_link: link.into(), ..payment(id) };
        change(&storage, payment, false).await.unwrap();
    }
    let check = async |after, link, limit, expected: &[i64], through| {
        let page = storage.feed_after(place(after), link, limit).await.unwrap();
        let sequences = page.changes.iter().map(|change| change.sequence).collect::<Vec<_>>();
        assert_eq!((sequences.as_slice(), page.through.sequence), (expected, through));
    };
    check(0, None, EVERYTHING, &[1, 2, 3], 3).await;
    check(0, None, PageLimit { changes: 2, ..EVERYTHING }, &[1, 2], 2).await;
    check(1, None, PageLimit { bytes: 1, ..EVERYTHING }, &[2], 2).await;
    check(0, Some("plink_2"), EVERYTHING, &[2], 3).await;
    check(0, Some("plink_9"), EVERYTHING, &[], 3).await;
    check(3, None, EVERYTHING, &[], 3).await;
}

#[tokio::test]
async fn the_newest_payment_is_listed_first() {
    let disk = Disk::new();
    let storage = disk.open().await;
    for (id, seconds, link) in [("cs_1", 1, "a"), ("cs_2", 2, "b"), ("cs_3", 2, "a")] {
        let mut payment = payment(id);
        payment.created = Some(prost_types::Timestamp { seconds, nanos: 0 });
        payment.payment_link = link.into();
        change(&storage, payment, false).await.unwrap();
    }
    let check = async |listing: Listing, expected: &[&str]| {
        let listed = storage.payments(Listing { limit: 100, ..listing }).await.unwrap();
        let ids = listed.iter().map(|payment| payment.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids, expected);
    };
    let link = Some("a".to_owned());
    let after = Some(Cursor { created_at_ms: 2_000, id: "cs_3".into() });
    check(Listing::default(), &["cs_3", "cs_2", "cs_1"]).await;
    check(Listing { after: after.clone(), ..Default::default() }, &["cs_2", "cs_1"]).await;
    check(Listing { payment_link: link, after, ..Default::default() }, &["cs_1"]).await;
    check(Listing { state: Some(State::Open), ..Default::default() }, &[]).await;
    check(Listing { state: Some(State::Paid), ..Default::default() }, &["cs_3", "cs_2", "cs_1"])
        .await;
}

#[tokio::test]
async fn what_can_be_claimed_is_found_by_what_is_wanted_of_it() {
    let storage = testing::fresh().await;
    let put = async |id: &str, seconds, link: &str, cart: &str| {
        let created = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let (payment_link, client_reference_id) = (link.into(), cart.into());
        let payment = pb::Payment { created, payment_link, client_reference_id, ..payment(id) };
        let known = Known { claimable_at_ms: Some(0), ..Known::testing(payment) };
        let put = storage.write(|mut transaction| {
            Box::pin(async move { transaction.put_known(&[&known], 0).await })
        });
        put.await.unwrap();
    };
    // An earlier release knows no column for the reference.
    put("cs_2", 2, "a", "cart").await;
    put("cs_3", 3, "a", "another").await;
    let forget = storage.write(|transaction| {
        Box::pin(async move {
            let forget = sqlx::query("UPDATE payments SET client_reference_id = NULL");
            Ok(forget.execute(&mut *transaction.0).await.map(drop)?)
        })
    });
    forget.await.unwrap();
    for (id, seconds, link, cart) in
        [("cs_1", 1, "a", "cart"), ("cs_4", 4, "b", "cart"), ("cs_5", 5, "c", "other")]
    {
        put(id, seconds, link, cart).await;
    }
    let check = async |wanted: Claimable, expected: &[&str]| {
        let wanted = Claimable { limit: wanted.limit.max(3), ..wanted };
        let found = storage.claimable(&wanted, 0).await.unwrap();
        let ids: Vec<_> = found.into_iter().map(|payment| payment.id).collect();
        assert_eq!(ids, expected, "{wanted:?}");
    };
    let any = Claimable::default;
    check(any(), &["cs_1", "cs_2", "cs_3"]).await;
    check(Claimable { payment_links: vec!["b".into(), "c".into()], ..any() }, &["cs_4", "cs_5"])
        .await;
    let of_cart = Claimable { client_reference_id: "cart".into(), ..any() };
    check(of_cart.clone(), &["cs_1", "cs_2", "cs_3"]).await;
    check(Claimable { limit: 9, ..of_cart.clone() }, &["cs_1", "cs_2", "cs_3", "cs_4"]).await;
    let after = Some(Cursor { created_at_ms: 2_000, id: "cs_2".into() });
    check(Claimable { after, ..of_cart }, &["cs_3", "cs_4"]).await;
    check(Claimable { states: vec![State::Refunded.into()], ..any() }, &[]).await;
    let states = vec![State::Refunded.into(), State::Paid.into()];
    check(Claimable { states, ..any() }, &["cs_1", "cs_2", "cs_3"]).await;
}
