//! The key of an account and the secrets of its webhook endpoint, as they are now:
//! where they stand in files, these are followed, so that both can be rolled while
//! the service runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use super::accounts::Config;
use super::transport::SetupError;
use crate::caller::account_name;
use crate::kept::{Kept, Source};

/// How many webhook secrets one endpoint may have: each costs every webhook a hash.
const WEBHOOK_SECRETS_MAX: usize = 8;

/// What an account is worked at with. Clones share it. Nothing of it can be printed.
#[derive(Debug, Clone)]
pub struct Credentials {
    key: Held<HeaderValue>,
    secrets: Held<Vec<SecretString>>,
}

/// What a key says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyKind {
    /// Whether it is for real money; `None` where it does not say.
    pub livemode: Option<bool>,
    /// Whether it may do only what it was made for.
    pub is_restricted: bool,
}

/// A secret, and whether it stands in a file that is followed.
#[derive(Debug)]
struct Held<T> {
    kept: Arc<Kept<T>>,
    is_followed: bool,
}

/// What stands before a key in its header.
const SCHEME: &str = "Bearer ";

// === impl KeyKind ===

impl KeyKind {
    /// Reads what a key says.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let is = |kinds: [&str; 2]| kinds.iter().any(|kind| key.starts_with(kind));
        let livemode = match (is(["sk_live_", "rk_live_"]), is(["sk_test_", "rk_test_"])) {
            (false, false) => None,
            (livemode, _) => Some(livemode),
        };
        Self { livemode, is_restricted: key.starts_with("rk_") }
    }
}

// === impl Credentials ===

impl Credentials {
    /// Whether a key is one for real money; `None` where it does not say.
    pub(super) fn livemode(key: &SecretString) -> Option<bool> {
        KeyKind::of(key.expose_secret()).livemode
    }

    /// What the key says of itself, as it is now.
    pub(super) fn key_kind(&self) -> KeyKind {
        let header = self.key.kept.now();
        let key = header.to_str().ok().and_then(|value| value.strip_prefix(SCHEME));
        KeyKind::of(key.unwrap_or_default())
    }

    /// Takes what the configuration has read. Files are looked at again `every` so often.
    pub(super) fn new(name: &str, config: &Config, every: Duration) -> Result<Self, SetupError> {
        let said = config.livemode();
        let key = authorization(&config.api_key, said)
            .map_err(|what| SetupError::setting(name, "api_key", what))?;
        if config.webhook_secrets.len() > WEBHOOK_SECRETS_MAX {
            return Err(SetupError::setting(name, "webhook_secrets", TOO_MANY));
        }
        let account = account_name(name);
        if config.api_key.expose_secret().starts_with("sk_live_") {
            tracing::warn!(account, "The key can do everything; a restricted key is safer");
        }
        let read_key = move |bytes: &[u8]| Ok(authorization(&text(bytes)?, said)?);
        let file = config.api_key_file.clone();
        let key = Held::new(format!("{account}.api_key"), file, every, key, read_key);
        let (file, secrets) = (config.webhook_secrets_file.clone(), config.webhook_secrets.clone());
        let called = format!("{account}.webhook_secrets");
        let secrets = Held::new(called, file, every, secrets, webhook_secrets);
        Ok(Self { key, secrets })
    }

    /// Takes what the configuration says once for all, for a client without HTTP.
    pub(super) fn fixed(config: &Config) -> Self {
        let secrets = config.webhook_secrets.clone();
        let none = HeaderValue::from_static("");
        let fixed = |_: &[u8]| Err(String::new());
        Self {
            key: Held::new(String::new(), None, Duration::MAX, none, fixed),
            secrets: Held::new(String::new(), None, Duration::MAX, secrets, webhook_secrets),
        }
    }

    /// The value of the header that carries the key.
    pub(super) fn authorization(&self) -> Arc<HeaderValue> {
        self.key.kept.now()
    }

    /// Whether there is a newer key than one that Stripe has refused.
    pub(super) async fn has_newer(&self, refused: &Arc<HeaderValue>) -> bool {
        self.key.is_followed && self.key.kept.clone().look_for_missing(refused).await
    }

    /// The secrets of the webhook endpoint.
    pub(super) fn webhook_secrets(&self) -> Arc<Vec<SecretString>> {
        self.secrets.kept.now()
    }

    /// Keeps both up to date, until it is stopped.
    pub(super) async fn follow(self, stop: CancellationToken) {
        tokio::join!(self.key.follow(stop.clone()), self.secrets.follow(stop));
    }
}

// === impl Held ===

impl<T: Send + Sync + 'static> Held<T> {
    fn new(
        name: String,
        file: Option<PathBuf>,
        every: Duration,
        first: T,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        // An empty path is that of no file.
        let file = file.unwrap_or_default();
        let is_followed = !file.as_os_str().is_empty();
        let source = Source::file(file, every).eager();
        Self { kept: Arc::new(Kept::new(name, source, read, first)), is_followed }
    }

    async fn follow(self, stop: CancellationToken) {
        if self.is_followed {
            self.kept.follow(stop).await;
        }
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { kept: self.kept.clone(), is_followed: self.is_followed }
    }
}

const TOO_MANY: &str = "are more than 8, and each costs every webhook a hash";

/// Makes the header that carries a key of that mode.
fn authorization(key: &SecretString, livemode: Option<bool>) -> Result<HeaderValue, &'static str> {
    if key.expose_secret().is_empty() {
        return Err("is empty");
    }
    let shown = Credentials::livemode(key);
    if shown.is_some() && livemode.is_some() && shown != livemode {
        return Err("is a key of the other mode");
    }
    let mut header = HeaderValue::try_from(format!("{SCHEME}{}", key.expose_secret()))
        .map_err(|_| "has characters that an HTTP header cannot carry")?;
    header.set_sensitive(true);
    Ok(header)
}

fn text(bytes: &[u8]) -> Result<SecretString, String> {
    let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    Ok(text.trim().into())
}

/// Splits a text that holds several secrets: one a line, or separated by commas.
pub fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

fn webhook_secrets(bytes: &[u8]) -> Result<Vec<SecretString>, String> {
    let text = text(bytes)?;
    let secrets: Vec<SecretString> = listed(text.expose_secret()).map(SecretString::from).collect();
    match secrets.len() {
        0 => Err("has no secret".into()),
        1..=WEBHOOK_SECRETS_MAX => Ok(secrets),
        _ => Err(TOO_MANY.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, livemode: Option<bool>) -> Result<HeaderValue, &'static str> {
        authorization(&text.into(), livemode)
    }

    #[test]
    fn a_key_of_the_other_mode_is_not_taken_over() {
        assert!(key("rk_live_1", Some(true)).is_ok());
        assert!(key("rk_live_1", Some(false)).is_err());
        assert!(key("sk_test_1", Some(true)).is_err());
        assert!(key("other", Some(true)).is_ok());
        assert!(key("", None).is_err());
        assert!(key("rk_test_\n1", None).is_err());
    }

    #[test]
    fn a_file_without_a_secret_is_broken() {
        let read = |text: &str| webhook_secrets(text.as_bytes()).map(|secrets| secrets.len());
        assert_eq!(read("whsec_1\nwhsec_2, whsec_3\n"), Ok(3));
        assert!(read(" \n,").is_err() && read(&"whsec_1\n".repeat(9)).is_err());
        assert!(webhook_secrets(&[0xff]).is_err());
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let mut config = crate::stripe::Config::testing();
        config.api_key = "rk_test_canary".into();
        config.webhook_secrets = vec!["whsec_canary".into()];
        let client = config.client().unwrap();
        for shown in [format!("{config:?}"), format!("{client:?}"), format!("{client:#?}")] {
            assert!(!shown.contains("canary"), "{shown}");
        }
        let broken = crate::stripe::Config { api_key: "rk_test_canary\n".into(), ..config };
        let error = broken.client().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
