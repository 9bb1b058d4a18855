//! The mapping between the contract and Stripe's wire: one set of conventions
//! over the descriptors, and no code per field.
//!
//! | proto | form parameter | JSON |
//! |---|---|---|
//! | message `a { b }` | `a[b]=…` | `{"a":{"b":…}}` |
//! | `repeated` | `a[0]=…` | an array, or the `data` of a list object |
//! | `map<string, …>` | `a[key]=…` | an object |
//! | enum `SUBMIT_TYPE_PAY` | `pay` | `"pay"`; an unknown word reads as 0 and is counted |
//! | `Timestamp` | unix seconds | unix seconds |
//! | string | verbatim | a string, a number's text, or an expanded object's `id` |
//! | oneof with a discriminator | `type=redirect` and the case | the case, or `type` alone |
//! | unset | absent | absent or null |
//! | named by `update_mask` and unset | `key=` | |
//!
//! Exceptions are options in `proto/paylink/annotations/v1`.

pub mod form;
pub mod json;

#[cfg(test)]
mod properties;
