use super::*;

fn outbox(waiting_max: usize) -> Outbox {
    Outbox::new(Some("http://x".to_owned()), waiting_max)
}

fn push(outbox: &mut Outbox, event: &str, departure: Departure) {
    outbox.push(event, "price.created", None, departure, 0);
}

fn take(outbox: &mut Outbox, now_ms: i64) -> Option<(Ticket, String)> {
    outbox.take_due(now_ms).map(|(ticket, delivery)| (ticket, delivery.event))
}

fn taken(outbox: &mut Outbox, now_ms: i64) -> Option<String> {
    take(outbox, now_ms).map(|(_, event)| event)
}

fn outcomes(outbox: &Outbox) -> Vec<Outcome> {
    outbox.deliveries(0).map(|(_, delivery)| delivery.outcome).collect()
}

#[test]
fn events_leave_in_the_order_in_which_they_are_due() {
    let mut outbox = outbox(9);
    for (event, due_ms) in [("late", 9), ("one", 0), ("two", 0)] {
        push(&mut outbox, event, Departure::At(due_ms));
    }
    assert_eq!(taken(&mut outbox, 0).as_deref(), Some("one"));
    assert_eq!(taken(&mut outbox, 0).as_deref(), Some("two"));
    assert_eq!((taken(&mut outbox, 0), outbox.next_due()), (None, Some(9)));
}

#[test]
fn a_full_outbox_gives_up_the_first() {
    let mut outbox = outbox(1);
    push(&mut outbox, "one", Departure::At(0));
    push(&mut outbox, "two", Departure::At(0));
    assert_eq!(taken(&mut outbox, 1).as_deref(), Some("two"));
    assert_eq!(outcomes(&outbox), [Outcome::GivenUp, Outcome::Pending]);
}

#[test]
fn what_failed_is_due_again_until_the_last_attempt() {
    let mut outbox = outbox(9);
    push(&mut outbox, "one", Departure::At(0));
    let (ticket, _) = take(&mut outbox, 0).unwrap();
    assert!(!outbox.is_quiet(0));
    outbox.settle(ticket, Ok(500), 0, Some(10));
    assert_eq!((outbox.is_quiet(0), outbox.next_due()), (true, Some(10)));
    let (ticket, _) = take(&mut outbox, 10).unwrap();
    let delivery = outbox.settle(ticket, Err("no answer".to_owned()), 10, None).unwrap();
    assert_eq!((delivery.attempts, delivery.outcome), (2, Outcome::GivenUp));
}

#[test]
fn a_held_event_follows_the_next_one() {
    let mut outbox = outbox(9);
    push(&mut outbox, "held", Departure::AfterTheNext);
    assert_eq!(taken(&mut outbox, 0), None);
    push(&mut outbox, "next", Departure::At(0));
    let (ticket, event) = take(&mut outbox, 0).unwrap();
    assert_eq!((event.as_str(), taken(&mut outbox, 0)), ("next", None));
    outbox.settle(ticket, Ok(200), 0, None);
    assert_eq!(taken(&mut outbox, 0).as_deref(), Some("held"));
}

#[test]
fn a_held_event_does_not_wait_for_ever() {
    let mut outbox = outbox(9);
    push(&mut outbox, "held", Departure::AfterTheNext);
    assert_eq!(taken(&mut outbox, HELD_MS_MAX).as_deref(), Some("held"));
}

#[test]
fn a_dropped_event_is_known_and_never_sent() {
    let mut outbox = outbox(9);
    push(&mut outbox, "one", Departure::Never);
    assert_eq!((taken(&mut outbox, i64::MAX), outcomes(&outbox)), (None, vec![Outcome::Dropped]));
}

#[test]
fn an_answer_counts_in_its_own_state_only() {
    let mut before = outbox(9);
    push(&mut before, "one", Departure::At(0));
    let (ticket, _) = take(&mut before, 0).unwrap();
    let mut after = outbox(9);
    after.succeed(&before);
    push(&mut after, "another", Departure::At(0));
    take(&mut after, 0).unwrap();
    assert!(after.settle(ticket, Ok(200), 0, None).is_none());
    assert_eq!(outcomes(&after), [Outcome::Pending]);
}

#[test]
fn what_was_under_way_when_the_state_was_saved_is_sent_again() {
    let mut before = outbox(9);
    push(&mut before, "one", Departure::At(0));
    take(&mut before, 0).unwrap();
    let saved = serde_json::to_string(&before).unwrap();
    let mut after: Outbox = serde_json::from_str(&saved).unwrap();
    after.succeed(&before);
    assert_eq!(taken(&mut after, 0).as_deref(), Some("one"));
}
