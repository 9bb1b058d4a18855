//! Findings, by how it is.

use crate::pb::Finding;
use crate::pb::finding::Verdict;

/// All is well.
pub(super) fn well(check: &str, message: impl Into<String>) -> Finding {
    found(check, Verdict::Well, message, "")
}

/// It works, and will not always, or not as well as it could.
pub(super) fn doubtful(
    check: &str,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    found(check, Verdict::Doubtful, message, advice)
}

/// A promise cannot be kept.
pub(super) fn broken(
    check: &str,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    found(check, Verdict::Broken, message, advice)
}

/// It does not apply, or could not be looked at.
pub(super) fn skipped(check: &str, message: impl Into<String>) -> Finding {
    found(check, Verdict::Skipped, message, "")
}

fn found(
    check: &str,
    verdict: Verdict,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding {
        check: check.to_owned(),
        verdict: verdict.into(),
        message: message.into(),
        advice: advice.into(),
    }
}
