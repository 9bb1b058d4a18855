use serde_json::json;

use super::super::form;
use super::*;

/// Checks a request and compares its typed form, or the refusal as `message | param | code`.
fn check(endpoint: &str, form: &str, expected: &Value) {
    let tables = Tables::compiled().unwrap();
    let node = form::decode(&[form.as_bytes()]).unwrap();
    let shown = match super::check(tables.endpoint(endpoint).unwrap(), &node) {
        Ok(params) => Value::Object(params),
        Err(refusal) => {
            let param = refusal.param.unwrap_or_default();
            json!([refusal.message, param, refusal.code.unwrap_or_default()])
        }
    };
    assert_eq!(&shown, expected, "{endpoint} {form}");
}

fn product(form: &str, expected: &Value) {
    check("POST /v1/products", form, expected);
}

fn link(form: &str, expected: &Value) {
    let form = format!("line_items[0][price]=price_1&line_items[0][quantity]=1&{form}");
    check("POST /v1/payment_links", &form, expected);
}

#[test]
fn values_take_their_types() {
    check(
        "POST /v1/payment_links",
        "line_items[0][price]=price_1&line_items[0][quantity]=2&allow_promotion_codes=true",
        &json!({
            "line_items": [{"price": "price_1", "quantity": 2}],
            "allow_promotion_codes": true,
        }),
    );
}

#[test]
fn an_unknown_parameter_is_refused_by_name() {
    product(
        "name=x&foo=1",
        &json!(["Received unknown parameter: foo", "foo", "parameter_unknown",]),
    );
}

#[test]
fn unknown_members_are_refused_with_their_path() {
    link(
        "line_items[0][foo]=1&bar=1",
        &json!([
            "Received unknown parameters: line_items[0][foo], bar",
            "line_items[0][foo]",
            "parameter_unknown",
        ]),
    );
}

#[test]
fn a_missing_parameter_is_named() {
    product("active=true", &json!(["Missing required param: name.", "name", "parameter_missing",]));
    check(
        "POST /v1/payment_links",
        "line_items[0][price]=price_1",
        &json!([
            "Missing required param: line_items[0][quantity].",
            "line_items[0][quantity]",
            "parameter_missing",
        ]),
    );
}

#[test]
fn an_empty_value_unsets_only_where_it_may() {
    check("POST /v1/products/{id}", "description=", &json!({ "description": null }));
    product("name=x&metadata=", &json!({ "name": "x", "metadata": null }));
    product(
        "name=",
        &json!([
            "You passed an empty string for 'name'. We assume empty values are an attempt to unset \
             a parameter; however 'name' cannot be unset. You should remove 'name' from your \
             request or supply a non-empty value.",
            "name",
            "parameter_invalid_empty",
        ]),
    );
}

#[test]
fn whole_numbers_stay_within_their_bounds() {
    check(
        "GET /v1/products",
        "limit=abc",
        &json!(["Invalid integer: abc", "limit", "parameter_invalid_integer",]),
    );
    check(
        "GET /v1/products",
        "limit=0",
        &json!([
            "This value must be greater than or equal to 1.",
            "limit",
            "parameter_invalid_integer",
        ]),
    );
    check(
        "GET /v1/products",
        "limit=101",
        &json!([
            "This value must be less than or equal to 100.",
            "limit",
            "parameter_invalid_integer",
        ]),
    );
}

#[test]
fn a_number_may_have_words_beside_it() {
    let form = |up_to: &str| format!("currency=usd&tiers[0][up_to]={up_to}");
    let tiers = |up_to: Value| json!({ "currency": "usd", "tiers": [{ "up_to": up_to }] });
    check("POST /v1/prices", &form("inf"), &tiers("inf".into()));
    check("POST /v1/prices", &form("5"), &tiers(5.into()));
    let (name, code) = ("tiers[0][up_to]", "parameter_invalid_integer");
    check("POST /v1/prices", &form("all"), &json!(["Invalid integer: all", name, code]));
}

#[test]
fn words_come_from_their_set() {
    link(
        "submit_type=gift",
        &json!([
            "Invalid submit_type: must be one of auto, book, donate, pay, or subscribe",
            "submit_type",
            "",
        ]),
    );
    link(
        "shipping_address_collection[allowed_countries][]=DE",
        &json!({
            "line_items": [{"price": "price_1", "quantity": 1}],
            "shipping_address_collection": {"allowed_countries": ["DE"]},
        }),
    );
}

#[test]
fn texts_and_lists_have_limits() {
    product(
        "name=x&unit_label=much-too-long",
        &json!(["Invalid string: much-too...; must be at most 12 characters", "unit_label", "",]),
    );
    let field = |i| format!("custom_fields[{i}][key]=k{i}&custom_fields[{i}][type]=text");
    let fields = [field(0), field(1), field(2), field(3)].join("&");
    link(
        &fields,
        &json!(["Array custom_fields exceeded maximum 3 allowed elements.", "custom_fields", "",]),
    );
}

#[test]
fn metadata_has_limits_and_loses_keys_by_empty_values() {
    product(
        "name=x&metadata[a]=1&metadata[b]=",
        &json!({
            "name": "x", "metadata": {"a": "1", "b": null},
        }),
    );
    let long = "k".repeat(41);
    product(
        &format!("name=x&metadata[{long}]=1"),
        &json!([
            format!(
                "Metadata keys can have up to 40 characters, but you passed in a key that is 41 \
                 characters. Invalid key: {long}"
            ),
            "metadata",
            "",
        ]),
    );
}

#[test]
fn decimals_keep_their_digits() {
    check(
        "POST /v1/prices",
        "currency=usd&unit_amount_decimal=0.00000000001",
        &json!({
            "currency": "usd", "unit_amount_decimal": "0.00000000001",
        }),
    );
    check(
        "POST /v1/prices",
        "currency=usd&unit_amount_decimal=1.0000000000001",
        &json!([
            "Invalid decimal: must contain at maximum 12 decimal places.",
            "unit_amount_decimal",
            "",
        ]),
    );
}

#[test]
fn a_redirect_needs_a_url() {
    let form = |url: &str| {
        format!("after_completion[type]=redirect&after_completion[redirect][url]={url}")
    };
    let name = "after_completion[redirect][url]";
    link(&form("nowhere"), &json!(["Not a valid URL", name, "url_invalid"]));
    link(
        &form("https://shop.example/thanks?s={CHECKOUT_SESSION_ID}"),
        &json!({
            "line_items": [{"price": "price_1", "quantity": 1}],
            "after_completion": {
                "type": "redirect",
                "redirect": {"url": "https://shop.example/thanks?s={CHECKOUT_SESSION_ID}"},
            },
        }),
    );
}

#[test]
fn a_range_of_times_is_a_number_or_its_bounds() {
    let endpoint = "GET /v1/checkout/sessions";
    check(endpoint, "created=5", &json!({ "created": 5 }));
    check(endpoint, "created[gte]=5&created[lt]=9", &json!({ "created": {"gte": 5, "lt": 9} }));
    check(
        endpoint,
        "created[about]=5",
        &json!([
            "Received unknown parameter: created[about]",
            "created[about]",
            "parameter_unknown",
        ]),
    );
}

#[test]
fn currencies_of_a_map_are_lower_case_and_known() {
    let form = "currency=usd&unit_amount=1&product=p&currency_options";
    check(
        "POST /v1/prices",
        &format!("{form}[EUR][unit_amount]=1"),
        &json!([
            "Currencies must be lowercase when used as keys in a map. Use `eur` instead of `EUR`.",
            "currency_options[EUR]",
            "",
        ]),
    );
}

#[test]
fn a_value_of_another_shape_is_refused() {
    product("name[a]=x", &json!(["Invalid string: {...}", "name", ""]));
    product("name=x&images=y", &json!(["Invalid array", "images", ""]));
    link("automatic_tax=true", &json!(["Invalid object", "automatic_tax", ""]));
}
