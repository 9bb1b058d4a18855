//! The objects in the answers are as Stripe's description has them.

use std::collections::HashMap;

use super::*;

/// The members of the objects, as `scripts/stripe-facts` writes them.
const OBJECTS: &str = include_str!("../../../tests/conformance/objects.txt");

/// Members that Stripe's own answers have and its description has not.
const UNDESCRIBED: [&str; 2] = ["product.type", "price.recurring.trial_period_days"];

/// The facts of each member by object and path, the words of sets written out.
struct Facts {
    members: HashMap<String, Vec<String>>,
}

impl Facts {
    fn read() -> Self {
        let mut sets: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut members = HashMap::new();
        let mut object = "";
        for line in OBJECTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(set) = line.strip_prefix("set ") {
                let (name, words) = set.split_once(' ').unwrap();
                sets.entry(name).or_default().extend(words.split(' '));
            } else if let Some(member) = line.strip_prefix("  ") {
                let (path, facts) = member.split_once(' ').unwrap();
                let written_out = |fact: &str| match fact.strip_prefix("of=@") {
                    Some(set) => format!("of={}", sets[set].join("|")),
                    None => fact.to_owned(),
                };
                let facts = facts.split(' ').map(written_out).collect();
                members.insert(format!("{object}.{path}"), facts);
            } else {
                object = line;
            }
        }
        Self { members }
    }

    /// Holds an object against the facts.
    fn check(&self, noun: &str, object: &Value) {
        assert_eq!(object["object"], noun);
        self.members(noun, object);
    }

    fn members(&self, path: &str, object: &Value) {
        for (name, value) in object.as_object().unwrap_or_else(|| panic!("{path}: {object}")) {
            self.member(&format!("{path}.{name}"), value);
        }
    }

    fn member(&self, path: &str, value: &Value) {
        if UNDESCRIBED.contains(&path) {
            return;
        }
        let facts = self.members.get(path).unwrap_or_else(|| panic!("{path} is unknown"));
        let words: Vec<&str> = facts
            .iter()
            .find_map(|fact| fact.strip_prefix("of="))
            .map(|words| words.split('|').collect())
            .unwrap_or_default();
        if value.is_null() {
            assert!(facts.iter().any(|fact| fact == "nullable"), "{path} is null");
            return;
        }
        let right = match facts[0].as_str() {
            "integer" | "time" => value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "word" => value.as_str().is_some_and(|word| words.contains(&word)),
            "list" => {
                for element in value.as_array().unwrap() {
                    self.member(&format!("{path}[]"), element);
                }
                true
            }
            "map" => {
                for value in value.as_object().unwrap().values() {
                    if self.members.contains_key(&format!("{path}{{}}")) {
                        self.members(&format!("{path}{{}}"), value);
                    } else {
                        assert!(value.is_string(), "{path}: {value}");
                    }
                }
                true
            }
            "object" => {
                self.members(path, value);
                true
            }
            "resource" if self.members.contains_key(&format!("{}.object", words[0])) => {
                self.check(words[0], value);
                true
            }
            "resource" => value.is_object(),
            _ => value.is_string(),
        };
        assert!(right, "{path}: {value} is no {}", facts[0]);
    }
}

#[tokio::test]
async fn the_catalogue_is_as_described() {
    let (desk, facts) = (Desk::new(), Facts::read());
    let product = desk.post("/v1/products", &[("name", "Thing")]).await.json();
    facts.check("product", &product);
    let tiered = [
        ("billing_scheme", "tiered"),
        ("currency", "usd"),
        ("currency_options[eur][tiers][0][unit_amount]", "4"),
        ("currency_options[eur][tiers][0][up_to]", "inf"),
        ("expand[]", "tiers"),
        ("expand[]", "currency_options"),
        ("product", product["id"].as_str().unwrap()),
        ("recurring[interval]", "month"),
        ("tiers[0][unit_amount_decimal]", "0.5"),
        ("tiers[0][up_to]", "inf"),
        ("tiers_mode", "volume"),
    ];
    facts.check("price", &desk.post("/v1/prices", &tiered).await.json());
    let coupon = [
        ("amount_off", "5"),
        ("currency", "usd"),
        ("currency_options[eur][amount_off]", "4"),
        ("id", "FIVE"),
        ("expand[]", "currency_options"),
    ];
    facts.check("coupon", &desk.post("/v1/coupons", &coupon).await.json());
    let code = [
        ("promotion[type]", "coupon"),
        ("promotion[coupon]", "FIVE"),
        ("expand[]", "restrictions.currency_options"),
    ];
    facts.check("promotion_code", &desk.post("/v1/promotion_codes", &code).await.json());
    let rate = [
        ("display_name", "Ground"),
        ("fixed_amount[amount]", "5"),
        ("fixed_amount[currency]", "usd"),
        ("delivery_estimate[minimum][unit]", "day"),
        ("delivery_estimate[minimum][value]", "1"),
        ("expand[]", "fixed_amount.currency_options"),
    ];
    facts.check("shipping_rate", &desk.post("/v1/shipping_rates", &rate).await.json());
}

#[tokio::test]
async fn links_and_sessions_are_as_described() {
    let (desk, facts) = (Desk::new(), Facts::read());
    let coupon = [("percent_off", "10"), ("id", "TEN")];
    desk.post("/v1/coupons", &coupon).await;
    let code = [("promotion[type]", "coupon"), ("promotion[coupon]", "TEN"), ("code", "TEN")];
    desk.post("/v1/promotion_codes", &code).await;
    let rate = [
        ("display_name", "Ground"),
        ("fixed_amount[amount]", "5"),
        ("fixed_amount[currency]", "usd"),
    ];
    let rate = desk.post("/v1/shipping_rates", &rate).await.json();
    let link = desk
        .link(&[
            ("allow_promotion_codes", "true"),
            ("automatic_tax[enabled]", "true"),
            ("consent_collection[promotions]", "auto"),
            ("custom_fields[0][key]", "size"),
            ("custom_fields[0][type]", "text"),
            ("custom_fields[0][label][type]", "custom"),
            ("custom_fields[0][label][custom]", "Size"),
            ("custom_fields[0][optional]", "true"),
            ("expand[]", "line_items"),
            ("invoice_creation[enabled]", "true"),
            ("payment_intent_data[description]", "Text"),
            ("payment_method_options[card][restrictions][brands_blocked][]", "visa"),
            ("shipping_options[0][shipping_rate]", rate["id"].as_str().unwrap()),
        ])
        .await;
    facts.check("payment_link", &link);
    let page = desk.visit(&link, "?prefilled_promo_code=TEN").await;
    let id = page.rsplit('/').next().unwrap();
    let path = format!(
        "/v1/checkout/sessions/{id}?expand[]=line_items.data.discounts\
         &expand[]=line_items.data.taxes&expand[]=total_details.breakdown\
         &expand[]=shipping_cost.taxes"
    );
    facts.check("checkout.session", &desk.get(&path).await);
    let mastercard = ("card_number", "5555 5555 5555 4444");
    assert_eq!(desk.pay(&page, &[mastercard, ("billing_postal_code", "94103")]).await.status, 303);
    facts.check("checkout.session", &desk.get(&path).await);
}

#[tokio::test]
async fn what_subscribes_is_as_described() {
    let (desk, facts) = (Desk::new(), Facts::read());
    let link = desk
        .link(&[
            ("line_items[0][price_data][recurring][interval]", "month"),
            ("subscription_data[trial_period_days]", "7"),
        ])
        .await;
    facts.check("payment_link", &link);
    let page = desk.visit(&link, "").await;
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    facts.check("checkout.session", &desk.session(&page).await);
}
