//! What of the configuration the doctor examines.

use std::sync::Arc;

use anyhow::Result;

use crate::config::Config;
use crate::doctor::{Certificates, Doctor, Patient};

/// Makes a doctor for a configuration that nothing was started with.
pub fn doctor(config: &Config) -> Result<Doctor> {
    Ok(Doctor::new(patient(config), config.stripe.client()?)?)
}

/// Gives what is to be examined.
pub(super) fn patient(config: &Config) -> Patient {
    let listeners = [("grpc", config.grpc.tls.clone()), ("webhook", config.webhook.tls.clone())];
    let certificates = move || {
        let examined = listeners.iter().map(|(listener, tls)| Certificates {
            listener,
            ends: tls.examine().map_err(|error| error.to_string()),
        });
        examined.collect()
    };
    Patient {
        stripe: config.stripe.clone(),
        storage: config.storage.clone(),
        auth: config.auth.clone(),
        listen: config.grpc.listen,
        sees_certificates: config.grpc.tls.sees_certificates(),
        kinds: config.payments.event_kinds(),
        tolerance_secs: config.webhook.tolerance_secs,
        certificates: Arc::new(certificates),
    }
}
