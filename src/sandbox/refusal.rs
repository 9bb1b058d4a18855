//! Stripe's error object: every answer of the API that is not what was asked for.
//!
//! | status | type                    | cause                                                   |
//! |--------|-------------------------|---------------------------------------------------------|
//! | 400    | `invalid_request_error` | a parameter, or what the parameters mean together       |
//! | 400    | `idempotency_error`     | a key used again with other parameters                  |
//! | 401    | `invalid_request_error` | no API key, or not one of a test mode                   |
//! | 403    | `invalid_request_error` | a restricted key without the permission                 |
//! | 404    | `invalid_request_error` | no such object or no such address                       |
//! | 409    | `idempotency_error`     | a key whose first request is still being carried out    |
//! | 429    | `invalid_request_error` | too many requests of a key in a second                  |
//! | 500    | `api_error`             | a fault of the sandbox itself                           |

use axum::http::StatusCode;
use serde_json::{Map, Value};

/// A request that is refused, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status of the answer.
    pub(super) status: StatusCode,
    /// One of Stripe's four types of error.
    pub(super) kind: &'static str,
    /// Stripe's error code, if this error has one.
    pub(super) code: Option<&'static str>,
    /// The text for the developer.
    pub(super) message: String,
    /// The parameter at fault, with brackets.
    pub(super) param: Option<String>,
    /// Stripe's word for the rate limit that was broken, which a header of the answer tells.
    pub(super) limit: Option<&'static str>,
}

// === impl Refusal ===

impl Refusal {
    /// A request that cannot be carried out as it stands.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
            param: None,
            limit: None,
        }
    }

    /// An object named by the path that does not exist.
    pub(super) fn missing(noun: &str, id: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::dangling(noun, id, "id") }
    }

    /// An object named by a parameter that does not exist.
    pub(super) fn dangling(noun: &str, id: &str, param: &str) -> Self {
        Self::invalid(format!("No such {noun}: '{id}'")).code("resource_missing").param(param)
    }

    /// Two parameters of which one at most may be sent.
    pub(super) fn only_one_of(first: &str, second: &str) -> Self {
        Self::invalid(format!("You may only specify one of these parameters: {first}, {second}."))
    }

    /// A required parameter that was not sent.
    pub(super) fn required(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}."))
            .code("parameter_missing")
            .param(param)
    }

    /// One request too many in a second.
    pub(super) fn rate_limited(reason: &'static str) -> Self {
        let message = "Request rate limit exceeded. You can learn more about rate limits here \
                       https://stripe.com/docs/rate-limits.";
        let refusal = Self::invalid(message).code("rate_limit");
        Self { status: StatusCode::TOO_MANY_REQUESTS, limit: Some(reason), ..refusal }
    }

    /// A fault of the sandbox itself.
    pub(super) fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "api_error",
            ..Self::invalid("An unknown error occurred")
        }
    }

    /// The same refusal with Stripe's error code.
    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same refusal with the parameter at fault.
    pub(super) fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The body of the answer. Attributes that do not apply are left out, as Stripe does.
    pub(super) fn body(&self, request_id: &str) -> Value {
        let mut error = Map::new();
        if let Some(code) = self.code {
            error.insert("code".into(), code.into());
            let page = code.replace('_', "-");
            let doc_url = format!("https://stripe.com/docs/error-codes/{page}");
            error.insert("doc_url".into(), doc_url.into());
        }
        error.insert("message".into(), self.message.clone().into());
        if let Some(param) = &self.param {
            error.insert("param".into(), param.clone().into());
        }
        let log = format!("https://dashboard.stripe.com/test/logs/{request_id}");
        error.insert("request_log_url".into(), log.into());
        error.insert("type".into(), self.kind.into());
        serde_json::json!({ "error": error })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_names_the_code_its_page_and_the_parameter() {
        let body = Refusal::required("name").body("req_1");
        let expected = json!({ "error": {
            "code": "parameter_missing",
            "doc_url": "https://stripe.com/docs/error-codes/parameter-missing",
            "message": "Missing required param: name.",
            "param": "name",
            "request_log_url": "https://dashboard.stripe.com/test/logs/req_1",
            "type": "invalid_request_error",
        }});
        assert_eq!(body, expected);
    }

    #[test]
    fn an_error_without_code_has_no_page() {
        let body = Refusal::invalid("no").body("req_1");
        assert!(body["error"].get("doc_url").is_none());
        assert!(body["error"].get("param").is_none());
    }
}
