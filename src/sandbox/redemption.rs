//! Whether coupons and promotion codes can still be redeemed.
//!
//! Both end with time and with use. A code gives no more than its coupon does, so it is active only
//! while its coupon is valid, whatever its own switch says.

use serde_json::Value;

use super::agenda::Due;
use super::api::Origin;
use super::object::Members;
use super::store::State;
use super::{events, object};

/// Notes when a coupon or a promotion code ends, if it does.
pub(super) fn note_end(state: &mut State, end: &Value, id: &str) {
    if let Some(end) = end.as_i64() {
        // In its last second it can still be redeemed.
        state.agenda.note(end.saturating_add(1), Due::EndRedeemable(id.to_owned()));
    }
}

/// Ends a coupon or a promotion code whose time has come.
pub(super) fn end(state: &mut State, id: &str) {
    refresh_coupon(state, id);
    refresh_code(state, id);
}

/// Whether a promotion code could be redeemed if it were switched on.
pub(super) fn code_is_redeemable(state: &State, code: &Value) -> bool {
    let coupon = code.at("promotion").at("coupon").as_str().and_then(|id| state.coupons.get(id));
    coupon.is_some_and(|coupon| coupon.at("valid") == true)
        && is_open(code, "expires_at", state.clock.now())
}

/// Finds out anew whether the codes of a coupon are active.
pub(super) fn refresh_codes_of(state: &mut State, coupon: &str) {
    let of_coupon = |code: &&Value| code.at("promotion").at("coupon") == coupon;
    let codes = state.promotion_codes.newest().filter(of_coupon);
    let ids: Vec<String> = codes.filter_map(|code| Some(code.at("id").as_str()?.into())).collect();
    for id in ids {
        refresh_code(state, &id);
    }
}

/// Counts the use of a promotion code and of its coupon, and tells of both.
pub(super) fn redeem(state: &mut State, code: &str) {
    let Some(before) = state.promotion_codes.get(code).cloned() else {
        return;
    };
    let coupon = before.at("promotion").at("coupon").as_str().unwrap_or_default().to_owned();
    let coupon_before = state.coupons.get(&coupon).cloned();
    count(state.coupons.get_mut(&coupon));
    count(state.promotion_codes.get_mut(code));
    refresh_coupon(state, &coupon);
    refresh_code(state, code);
    let nobody = Origin::default();
    if let (Some(before), Some(after)) = (coupon_before, state.coupons.get(&coupon).cloned()) {
        events::emit_updated(state, "coupon.updated", &before, &after, &nobody);
    }
    if let Some(after) = state.promotion_codes.get(code).cloned() {
        events::emit_updated(state, "promotion_code.updated", &before, &after, &nobody);
    }
}

fn count(used: Option<&mut Value>) {
    if let Some(used) = used {
        let times = used.at("times_redeemed").as_i64().unwrap_or_default();
        object::set(used, "times_redeemed", times + 1);
    }
}

fn refresh_coupon(state: &mut State, id: &str) {
    let now = state.clock.now();
    if let Some(coupon) = state.coupons.get_mut(id) {
        let valid = is_open(coupon, "redeem_by", now);
        object::set(coupon, "valid", valid);
        refresh_codes_of(state, id);
    }
}

/// Finds out anew whether a code is active.
pub(super) fn refresh_code(state: &mut State, id: &str) {
    let Some(code) = state.promotion_codes.get(id) else {
        return;
    };
    let active = code.at("enabled") == true && code_is_redeemable(state, code);
    if let Some(code) = state.promotion_codes.get_mut(id) {
        object::set(code, "active", active);
    }
}

/// Whether neither time nor use has ended a coupon or a code.
fn is_open(redeemable: &Value, end: &str, now: i64) -> bool {
    let times = redeemable.at("times_redeemed").as_i64().unwrap_or_default();
    redeemable.at(end).as_i64().is_none_or(|end| now <= end)
        && redeemable.at("max_redemptions").as_i64().is_none_or(|max| times < max)
}
