//! What is sent comes back: every parameter that an object shows, sent at once.

use std::collections::BTreeSet;

use super::super::form;
use super::super::params::{self, Tables};
use super::*;

/// Parameters that an object does not show, by the end of their name.
const UNSHOWN: &[&str] = &[
    "custom_unit_amount.enabled",
    "default_price_data",
    "expand",
    "line_items",
    "product_data",
    "transfer_lookup_key",
];

/// Sends a form, one parameter a line, and holds the answer against it. Answers with the object and
/// the names of the parameters that were not sent.
async fn check(desk: &Desk, path: &str, text: &str) -> (Value, BTreeSet<String>) {
    let pairs: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.trim().split_once('=')).collect();
    let answer = desk.post(path, &pairs).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let shown = answer.json();
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let tables = Tables::compiled().unwrap();
    let endpoint = tables.endpoint(&format!("POST {path}")).unwrap();
    let sent = params::check(endpoint, &form::decode(&[body.as_bytes()]).unwrap()).unwrap();
    compare("", &Value::Object(sent.clone()), &shown);
    let unsent = endpoint.names().filter(|name| !sent.contains_key(*name));
    (shown, unsent.map(str::to_owned).collect())
}

fn compare(name: &str, sent: &Value, shown: &Value) {
    if UNSHOWN.iter().any(|unshown| name.ends_with(unshown)) {
        return;
    }
    match (sent, shown) {
        (Value::Object(members), _) => {
            for (key, member) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                compare(&name, member, &shown[key]);
            }
        }
        (Value::Array(elements), Value::Array(others)) => {
            assert_eq!(elements.len(), others.len(), "{name}");
            for (element, other) in elements.iter().zip(others) {
                compare(&format!("{name}[]"), element, other);
            }
        }
        (sent, Value::Null) if sent == "inf" => {}
        _ => assert_eq!(sent, shown, "{name}"),
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_product_shows_every_parameter() {
    let desk = Desk::new();
    let (product, unsent) = check(
        &desk,
        "/v1/products",
        "active=false
        default_price_data[currency]=usd
        default_price_data[currency_options][eur][unit_amount]=5
        default_price_data[metadata][of]=price
        default_price_data[recurring][interval]=week
        default_price_data[recurring][interval_count]=2
        default_price_data[tax_behavior]=inclusive
        default_price_data[unit_amount_decimal]=0.5
        description=Long
        expand[]=default_price.currency_options
        id=prod_own
        images[]=https://shop.example/a.png
        marketing_features[0][name]=Fast
        metadata[k]=v
        name=Thing
        package_dimensions[height]=1.5
        package_dimensions[length]=2
        package_dimensions[weight]=3
        package_dimensions[width]=4
        shippable=true
        statement_descriptor=THING
        tax_code=txcd_10000000
        unit_label=seat
        url=https://shop.example",
    )
    .await;
    assert_eq!(unsent, names(&[]));
    let price = &product["default_price"];
    assert_eq!(price["unit_amount_decimal"], "0.5");
    assert_eq!(price["currency_options"]["eur"]["unit_amount"], 5);
    assert_eq!(price["recurring"]["interval_count"], 2);
}

#[tokio::test]
async fn a_price_shows_every_parameter() {
    let desk = Desk::new();
    let tiered = "active=false
        billing_scheme=tiered
        currency=usd
        currency_options[eur][tax_behavior]=inclusive
        currency_options[eur][tiers][0][up_to]=inf
        currency_options[eur][tiers][0][unit_amount]=4
        expand[]=tiers
        expand[]=currency_options
        lookup_key=key
        metadata[k]=v
        nickname=Nick
        product_data[name]=Thing
        product_data[active]=false
        product_data[metadata][k]=v
        product_data[unit_label]=seat
        recurring[interval]=month
        recurring[interval_count]=3
        recurring[meter]=mtr_1
        recurring[usage_type]=metered
        tax_behavior=exclusive
        tiers[0][flat_amount]=100
        tiers[0][up_to]=5
        tiers[0][unit_amount_decimal]=0.25
        tiers[1][flat_amount_decimal]=9.5
        tiers[1][up_to]=inf
        tiers_mode=graduated
        transfer_lookup_key=true
        transform_quantity[divide_by]=10
        transform_quantity[round]=up";
    let (_, unsent) = check(&desk, "/v1/prices", tiered).await;
    let rest = ["custom_unit_amount", "product", "unit_amount", "unit_amount_decimal"];
    assert_eq!(unsent, names(&rest));
    let chosen = "currency=usd
        custom_unit_amount[enabled]=true
        custom_unit_amount[maximum]=900
        custom_unit_amount[minimum]=100
        custom_unit_amount[preset]=500
        product_data[name]=Tip";
    check(&desk, "/v1/prices", chosen).await;
}

#[tokio::test]
async fn discounts_show_every_parameter() {
    let desk = Desk::new();
    desk.post("/v1/products", &[("id", "prod_own"), ("name", "Thing")]).await;
    let end = desk.shared.with(|state| state.clock.now()) + 1000;
    let amount = format!(
        "amount_off=500
        applies_to[products][]=prod_own
        currency=usd
        currency_options[eur][amount_off]=400
        duration=repeating
        duration_in_months=3
        expand[]=applies_to
        expand[]=currency_options
        id=SPRING
        max_redemptions=9
        metadata[k]=v
        name=Spring
        redeem_by={end}"
    );
    let (_, unsent) = check(&desk, "/v1/coupons", &amount).await;
    assert_eq!(unsent, names(&["percent_off"]));
    check(&desk, "/v1/coupons", "percent_off=12.5").await;
    let code = format!(
        "active=false
        code=Spring-20
        customer=cus_1
        customer_account=acct_1
        expand[]=restrictions.currency_options
        expires_at={end}
        max_redemptions=8
        metadata[k]=v
        promotion[coupon]=SPRING
        promotion[type]=coupon
        restrictions[currency_options][eur][minimum_amount]=900
        restrictions[first_time_transaction]=true
        restrictions[minimum_amount]=1000
        restrictions[minimum_amount_currency]=usd"
    );
    let (_, unsent) = check(&desk, "/v1/promotion_codes", &code).await;
    assert_eq!(unsent, names(&[]));
}

#[tokio::test]
async fn a_shipping_rate_shows_every_parameter() {
    let rate = "delivery_estimate[maximum][unit]=week
        delivery_estimate[maximum][value]=2
        delivery_estimate[minimum][unit]=business_day
        delivery_estimate[minimum][value]=3
        display_name=Ground
        expand[]=fixed_amount.currency_options
        fixed_amount[amount]=500
        fixed_amount[currency]=usd
        fixed_amount[currency_options][eur][amount]=450
        fixed_amount[currency_options][eur][tax_behavior]=inclusive
        metadata[k]=v
        tax_behavior=exclusive
        tax_code=txcd_92010001
        type=fixed_amount";
    let (_, unsent) = check(&Desk::new(), "/v1/shipping_rates", rate).await;
    assert_eq!(unsent, names(&[]));
}

/// What links of both modes take.
const LINK: &str = "after_completion[type]=redirect
    after_completion[redirect][url]=https://shop.example/?s={CHECKOUT_SESSION_ID}
    allow_promotion_codes=true
    automatic_tax[enabled]=true
    automatic_tax[liability][type]=account
    automatic_tax[liability][account]=acct_1
    billing_address_collection=required
    consent_collection[payment_method_reuse_agreement][position]=hidden
    consent_collection[promotions]=auto
    consent_collection[terms_of_service]=required
    currency=usd
    custom_fields[0][key]=size
    custom_fields[0][type]=dropdown
    custom_fields[0][label][type]=custom
    custom_fields[0][label][custom]=Size
    custom_fields[0][optional]=true
    custom_fields[0][dropdown][options][0][label]=Small
    custom_fields[0][dropdown][options][0][value]=s
    custom_fields[0][dropdown][default_value]=s
    custom_fields[1][key]=age
    custom_fields[1][type]=numeric
    custom_fields[1][label][type]=custom
    custom_fields[1][label][custom]=Age
    custom_fields[1][numeric][default_value]=42
    custom_fields[1][numeric][maximum_length]=3
    custom_fields[1][numeric][minimum_length]=1
    custom_text[after_submit][message]=After
    custom_text[shipping_address][message]=Where
    custom_text[submit][message]=Beside
    custom_text[terms_of_service_acceptance][message]=Terms
    expand[]=line_items
    inactive_message=Gone
    line_items[0][price_data][currency]=usd
    line_items[0][price_data][product_data][name]=Thing
    line_items[0][price_data][unit_amount]=1000
    line_items[0][quantity]=2
    managed_payments[enabled]=true
    metadata[k]=v
    name_collection[business][enabled]=true
    name_collection[business][optional]=true
    name_collection[individual][enabled]=true
    on_behalf_of=acct_1
    payment_method_options[card][restrictions][brands_blocked][]=visa
    payment_method_types[]=card
    phone_number_collection[enabled]=true
    restrictions[completed_sessions][limit]=5
    shipping_address_collection[allowed_countries][]=DE
    tax_id_collection[enabled]=true
    tax_id_collection[required]=if_supported
    transfer_data[destination]=acct_1
    ";

/// What only links that are paid once take.
const ONCE: &str = "application_fee_amount=10
    customer_creation=always
    invoice_creation[enabled]=true
    invoice_creation[invoice_data][account_tax_ids][]=atxi_1
    invoice_creation[invoice_data][custom_fields][0][name]=Order
    invoice_creation[invoice_data][custom_fields][0][value]=7
    invoice_creation[invoice_data][description]=Text
    invoice_creation[invoice_data][footer]=Foot
    invoice_creation[invoice_data][issuer][type]=account
    invoice_creation[invoice_data][issuer][account]=acct_1
    invoice_creation[invoice_data][metadata][k]=v
    invoice_creation[invoice_data][rendering_options][amount_tax_display]=exclude_tax
    invoice_creation[invoice_data][rendering_options][template]=inrtem_1
    payment_intent_data[capture_method]=manual
    payment_intent_data[description]=Text
    payment_intent_data[metadata][k]=v
    payment_intent_data[setup_future_usage]=off_session
    payment_intent_data[statement_descriptor]=SHOP
    payment_intent_data[statement_descriptor_suffix]=THING
    payment_intent_data[transfer_group]=group
    submit_type=book
    transfer_data[amount]=900";

/// What only links that subscribe take.
const SUBSCRIBING: &str = "application_fee_percent=2.5
    line_items[0][price_data][recurring][interval]=month
    payment_method_collection=if_required
    submit_type=subscribe
    subscription_data[description]=Text
    subscription_data[invoice_settings][issuer][type]=account
    subscription_data[invoice_settings][issuer][account]=acct_1
    subscription_data[metadata][k]=v
    subscription_data[trial_period_days]=7
    subscription_data[trial_settings][end_behavior][missing_payment_method]=pause";

#[tokio::test]
async fn a_link_shows_every_parameter() {
    let desk = Desk::new();
    let rate = [
        ("display_name", "Ground"),
        ("fixed_amount[amount]", "500"),
        ("fixed_amount[currency]", "usd"),
    ];
    let rate = desk.post("/v1/shipping_rates", &rate).await.json();
    let price = [("currency", "usd"), ("unit_amount", "300"), ("product_data[name]", "More")];
    let price = desk.post("/v1/prices", &price).await.json();
    let references = format!(
        "optional_items[0][adjustable_quantity][enabled]=true
        optional_items[0][adjustable_quantity][maximum]=4
        optional_items[0][adjustable_quantity][minimum]=1
        optional_items[0][price]={}
        optional_items[0][quantity]=2
        shipping_options[0][shipping_rate]={}\n",
        price["id"].as_str().unwrap(),
        rate["id"].as_str().unwrap(),
    );
    let path = "/v1/payment_links";
    let (link, unsent) = check(&desk, path, &format!("{LINK}{references}{ONCE}")).await;
    let expected = ["application_fee_percent", "payment_method_collection", "subscription_data"];
    assert_eq!(unsent, names(&expected));
    assert_eq!(link["shipping_options"][0]["shipping_amount"], 500);
    let (_, unsent) = check(&desk, path, &format!("{LINK}{SUBSCRIBING}")).await;
    let expected = [
        "application_fee_amount",
        "customer_creation",
        "invoice_creation",
        "optional_items",
        "payment_intent_data",
        "shipping_options",
    ];
    assert_eq!(unsent, names(&expected));
}
