//! What an error tells, in short.

use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The code and the stable reason of an error.
pub fn code_of(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{status:?} has an ErrorInfo"));
    assert_eq!(info.domain, "paylink");
    (status.code(), info.reason.clone())
}

/// Every violation of an error, as field path and reason.
pub fn violations(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let found = details.bad_request().unwrap_or_else(|| panic!("{status:?} has a BadRequest"));
    found.field_violations.iter().map(|v| format!("{} {}", v.field, v.reason)).collect()
}

/// When an error says that the call can be made again.
pub fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info().and_then(|retry| retry.retry_delay)
}

/// The id of a call, from the header of its answer.
pub fn request_id(metadata: &MetadataMap) -> String {
    let id = metadata.get("paylink-request-id").expect("every answer names its request");
    id.to_str().unwrap().to_owned()
}
