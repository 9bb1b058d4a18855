use super::*;

fn on(method: &str, path: &str, key: &str) -> Fault {
    let effect = RequestFault::new(RequestEffect::Cut);
    Fault::Request { method: method.into(), path: path.into(), key: key.into(), effect }
}

fn check(pattern: &str, text: &str, expected: bool) {
    assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
}

#[test]
fn an_empty_pattern_and_a_star_match_everything() {
    for pattern in ["", "*", "**"] {
        check(pattern, "", true);
        check(pattern, "anything", true);
    }
}

#[test]
fn a_pattern_without_a_star_is_the_text_itself() {
    check("/v1/prices", "/v1/prices", true);
    check("/v1/prices", "/v1/prices/price_1", false);
    check("/v1/prices/price_1", "/v1/prices", false);
}

#[test]
fn stars_stand_for_what_is_left_out() {
    check("/v1/prices/*", "/v1/prices/price_1", true);
    check("/v1/*/line_items", "/v1/payment_links/plink_1/line_items", true);
    check("/v1/*/line_items", "/v1/payment_links/plink_1", false);
    check("*.created", "price.created", true);
    check("a*b*c", "a-b-b-c", true);
    check("a*b*c", "acb", false);
    check("ab*bc", "abc", false);
}

#[test]
fn a_rule_lets_some_pass_then_strikes_then_rests() {
    let mut faults = Faults::default();
    faults.inject(on("POST", "/v1/*", ""), 1, 2).unwrap();
    let strikes: Vec<bool> =
        (0..5).map(|_| faults.strike_request("POST", "/v1/prices", "k").is_some()).collect();
    assert_eq!(strikes, [false, true, true, false, false]);
    assert_eq!(faults.rules()[0].struck(), 2);
}

#[test]
fn only_what_matches_in_everything_is_struck() {
    let mut faults = Faults::default();
    faults.inject(on("POST", "/v1/prices", "order-*"), 0, 9).unwrap();
    assert!(faults.strike_request("GET", "/v1/prices", "order-1").is_none());
    assert!(faults.strike_request("POST", "/v1/products", "order-1").is_none());
    assert!(faults.strike_request("POST", "/v1/prices", "").is_none());
    assert!(faults.strike_request("POST", "/v1/prices", "order-1").is_some());
    assert!(faults.strike_event("price.created").is_none());
}

#[test]
fn the_rule_that_was_made_first_strikes_first() {
    let mut faults = Faults::default();
    let event = |effect| Fault::Event { kind: "price.*".to_owned(), effect };
    faults.inject(event(EventEffect::Dropped), 0, 1).unwrap();
    faults.inject(event(EventEffect::Duplicated), 0, 1).unwrap();
    let struck: Vec<_> = (0..3).map(|_| faults.strike_event("price.created")).collect();
    assert_eq!(struck, [Some(EventEffect::Dropped), Some(EventEffect::Duplicated), None]);
}

#[test]
fn rules_are_forgotten_one_by_one_or_all_at_once() {
    let mut faults = Faults::default();
    for _ in 0..3 {
        faults.inject(on("", "", ""), 0, 1).unwrap();
    }
    assert_eq!((faults.clear(Some("fault_2")), faults.clear(Some("fault_2"))), (1, 0));
    assert_eq!((faults.clear(None), faults.rules().len()), (2, 0));
}

#[test]
fn there_is_a_bound_and_spent_rules_make_room() {
    let mut faults = Faults::default();
    for _ in 0..RULES_MAX {
        faults.inject(on("", "", ""), 0, 1).unwrap();
    }
    assert_eq!(faults.inject(on("", "", ""), 0, 1), Err(Full));
    faults.strike_request("GET", "/", "");
    assert!(faults.inject(on("", "", ""), 0, 1).is_ok());
}
