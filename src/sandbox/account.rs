//! The account behind the key, and every connected one: a shop in the United States that may do
//! everything.

use serde_json::{Value, json};

use super::api::Call;
use super::refusal::Refusal;
use super::store::State;

/// The platform's own account, by its identifier.
pub(super) const ID: &str = "acct_1SandboxSandboxS";
/// When it was opened: 2026-01-01.
const CREATED: i64 = 1_767_225_600;

/// `GET /v1/account`.
#[expect(clippy::unnecessary_wraps, reason = "every endpoint may refuse, this one never does")]
pub(super) fn retrieve(state: &mut State, _: &Call) -> Result<Value, Refusal> {
    let id = state.account.as_deref().unwrap_or(ID);
    Ok(json!({
        "id": id,
        "object": "account",
        "business_profile": {
            "annual_revenue": null,
            "estimated_worker_count": null,
            "mcc": null,
            "minority_owned_business_designation": null,
            "name": "Sandbox",
            "product_description": null,
            "support_address": null,
            "support_email": null,
            "support_phone": null,
            "support_url": null,
            "url": null,
        },
        "business_type": "company",
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "controller": { "type": "account" },
        "country": "US",
        "created": CREATED,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "sandbox@example.com",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": false,
            "url": format!("/v1/accounts/{id}/external_accounts"),
        },
        "metadata": {},
        "payouts_enabled": true,
        "settings": settings(),
        "type": "standard",
    }))
}

fn settings() -> Value {
    json!({
        "branding": {
            "icon": null, "logo": null, "primary_color": null, "secondary_color": null,
        },
        "card_payments": {
            "statement_descriptor_prefix": null,
            "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": { "display_name": "Sandbox", "timezone": "Etc/UTC" },
        "payments": {
            "statement_descriptor": "SANDBOX",
            "statement_descriptor_kana": null,
            "statement_descriptor_kanji": null,
        },
    })
}
