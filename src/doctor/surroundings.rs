//! What is around the service on its own side: the clock, the memory, the
//! certificates, and who may call.

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::finding::{broken, doubtful, skipped, well};
use super::{Certificates, Patient};
use crate::pb::Finding;
use crate::storage::examine::Place;
use crate::storage::{self, Error};
use crate::stripe::examine::Outside;

const CLOCK: &str = "clock";
const STORAGE: &str = "storage";
const SCHEMA: &str = "schema";
const CERTIFICATE: &str = "certificate";
const POLICY: &str = "policy";

/// How wrong a clock is that nobody keeps right, in seconds.
const SKEW_DOUBTED_SECS: i64 = 10;
/// When a certificate is to be replaced, in days before its end.
const NEAR_DAYS: i64 = 14;
const DAY_SECS: i64 = 24 * 60 * 60;

/// Examines the clock, which decides about signatures that are `tolerance_secs` old.
pub(super) async fn clock(outside: &Outside, tolerance_secs: i64) -> Finding {
    match outside.seconds_ahead().await {
        Some(ahead) => skew(ahead, tolerance_secs),
        None => skipped(CLOCK, "Stripe does not answer, and so does not say what time it is"),
    }
}

fn skew(ahead: i64, tolerance_secs: i64) -> Finding {
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    let message = format!("the clock is {} s {way} Stripe's", ahead.abs());
    let advice = "see that this machine's clock is kept right, by NTP for example";
    match ahead.abs() {
        0 => well(CLOCK, "the clock agrees with Stripe's"),
        // Stripe's own delays need the other half.
        skew if skew * 2 > tolerance_secs => broken(CLOCK, message, advice),
        skew if skew > SKEW_DOUBTED_SECS => doubtful(CLOCK, message, advice),
        _ => well(CLOCK, message),
    }
}

/// Examines the memory.
pub(super) async fn storage(config: &storage::Config, deadline: Instant) -> Vec<Finding> {
    let Ok(examined) = timeout_at(deadline, config.examine()).await else {
        return vec![broken(STORAGE, "the database does not answer", "see whether it runs")];
    };
    let examined = match examined {
        Ok(examined) => examined,
        Err(error) => return vec![unusable(&error)],
    };
    let place = match examined.place {
        Place::Process => {
            let advice = "set storage.url where payments are to outlive the process";
            return vec![doubtful(STORAGE, "the memory ends with the process", advice)];
        }
        Place::NoFile => {
            return vec![skipped(
                STORAGE,
                "there is no such file here: either the first start will make it, or this process \
                 does not see the volume that it is on; ask DiagnosticsService.Diagnose of a \
                 process that runs",
            )];
        }
        Place::File => well(STORAGE, "a SQLite file, whose commits wait for the disk"),
        Place::Server => well(STORAGE, "PostgreSQL, whose commits wait for the disk"),
    };
    let schema = match (&examined.lacking[..], examined.unknown) {
        ([], 0) => well(SCHEMA, "the schema is up to date"),
        ([], unknown) => {
            let message = format!("the schema is {unknown} ahead of this release, and fits it");
            well(SCHEMA, message)
        }
        (lacking, _) => doubtful(
            SCHEMA,
            format!("the schema lacks {}", lacking.join(", ")),
            "the next start brings it up to date, or `paylink migrate` beforehand",
        ),
    };
    vec![place, schema]
}

/// Says why the memory cannot be used. Texts of drivers are left out: they can
/// repeat what they were given.
fn unusable(error: &Error) -> Finding {
    match error {
        Error::Setting { .. } => {
            let advice = "a commit would not wait for the disk: change the setting in the database";
            broken(STORAGE, error.to_string(), advice)
        }
        Error::TooNew { .. } => {
            let advice = "start the release that has changed it, or a later one";
            broken(SCHEMA, error.to_string(), advice)
        }
        Error::Url(_) => broken(STORAGE, error.to_string(), "correct storage.url"),
        Error::Unreachable(_) => {
            let advice = "see whether it runs, and whether this machine may connect to it";
            broken(STORAGE, "the database cannot be reached", advice)
        }
        _ => {
            let advice = "see whether name and password are right, and the file is readable";
            broken(STORAGE, "the database cannot be used", advice)
        }
    }
}

/// Examines the certificates of listeners.
pub(super) fn certificates(listeners: Vec<Certificates>) -> Vec<Finding> {
    let now = Timestamp::now().as_second();
    let mut findings = Vec::new();
    for Certificates { listener, ends } in listeners {
        match ends {
            Err(why) => {
                let advice = "correct the file or the setting";
                findings.push(broken(CERTIFICATE, format!("{listener}.{why}"), advice));
            }
            Ok(ends) if ends.is_empty() => {
                findings.push(skipped(CERTIFICATE, format!("{listener} is without TLS")));
            }
            Ok(ends) => findings.extend(
                ends.iter()
                    .map(|(file, end)| lifetime(&format!("{listener}.tls, {file}"), end - now)),
            ),
        }
    }
    findings
}

fn lifetime(what: &str, left_secs: i64) -> Finding {
    let advice = "replace the file: it is taken over while the service runs";
    match left_secs / DAY_SECS {
        _ if left_secs <= 0 => broken(CERTIFICATE, format!("{what}: its time is over"), advice),
        days if days < NEAR_DAYS => {
            doubtful(CERTIFICATE, format!("{what}: good for {days} more days"), advice)
        }
        days => well(CERTIFICATE, format!("{what}: good for {days} more days")),
    }
}

/// Examines who may call.
pub(super) async fn policy(patient: &Patient) -> Vec<Finding> {
    let examined = patient.auth.examine(patient.listen, patient.sees_certificates).await;
    match examined {
        Err(error) => vec![broken(POLICY, error.to_string(), "correct the setting or the file")],
        Ok(examined) if examined.doubts.is_empty() => vec![match examined.identities {
            None => well(POLICY, "anyone on this machine may call everything"),
            Some(count) => well(POLICY, format!("{count} identities may call")),
        }],
        Ok(examined) => {
            let advice = "see whether that is meant: docs/security.md";
            examined.doubts.iter().map(|doubt| doubtful(POLICY, doubt, advice)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::finding::Verdict;

    #[test]
    fn a_clock_that_would_refuse_true_signatures_is_broken() {
        for (ahead, expected) in [
            (0, Verdict::Well),
            (-3, Verdict::Well),
            (11, Verdict::Doubtful),
            (-150, Verdict::Doubtful),
            (151, Verdict::Broken),
            (-151, Verdict::Broken),
        ] {
            assert_eq!(skew(ahead, 300).verdict(), expected, "{ahead}");
        }
    }

    #[test]
    fn a_certificate_is_doubted_before_its_end() {
        for (days, expected) in [
            (15, Verdict::Well),
            (14, Verdict::Well),
            (13, Verdict::Doubtful),
            (0, Verdict::Broken),
            (-1, Verdict::Broken),
        ] {
            assert_eq!(lifetime("it", days * DAY_SECS).verdict(), expected, "{days}");
        }
    }
}
