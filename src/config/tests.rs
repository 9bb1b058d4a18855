use secrecy::{ExposeSecret as _, SecretString};

use super::*;

fn load(profile: Profile, variables: &[(&str, &str)]) -> Result<Config, String> {
    let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let sources = Sources { profile, file: None, environment };
    sources.load().map_err(|error| error.to_string())
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("paylink-{}-{name}", uuid::Uuid::new_v4()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn dev_needs_nothing_and_serve_needs_a_key() {
    assert!(load(Profile::Dev, &[]).is_ok());
    assert_eq!(load(Profile::Serve, &[]).unwrap_err(), "stripe.api_key: must be set");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = written("a.toml", "[grpc]\nlisten = \"127.0.0.1:1\"\ntimeout_ms_max = 7\n");
    let environment = vec![("PAYLINK__GRPC__LISTEN".into(), "127.0.0.1:2".into())];
    let sources = Sources { profile: Profile::Dev, file: Some(file), environment };
    let grpc = sources.load().unwrap().grpc;
    assert_eq!(grpc.listen.to_string(), "127.0.0.1:2");
    assert_eq!((grpc.timeout_ms_max, grpc.timeout_ms_default), (7, 15_000));
}

#[test]
fn an_error_names_the_key_and_hides_the_value() {
    let check = |variable: &str, value: &str| load(Profile::Dev, &[(variable, value)]).unwrap_err();
    let unknown = check("PAYLINK__GRPC__LISTN", "hunter2");
    assert!(unknown.starts_with("grpc.listn: unknown key; known here are listen"), "{unknown}");
    assert!(check("PAYLINK__NONSENSE__A", "hunter2").starts_with("nonsense: unknown key"));
    for (variable, key) in [
        ("PAYLINK__GRPC__LISTEN", "grpc.listen"),
        ("PAYLINK__STRIPE__ATTEMPTS_MAX", "stripe.attempts_max"),
        ("PAYLINK__TELEMETRY__LOG_FORMAT", "telemetry.log_format"),
    ] {
        let error = check(variable, "hunter2");
        assert!(error.starts_with(key) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_can_stand_in_a_file_of_its_own() {
    let key = written("key", "rk_test_1\n");
    let secrets = written("secrets", "whsec_new\nwhsec_old\n");
    let config = load(
        Profile::Serve,
        &[
            ("PAYLINK__STRIPE__API_KEY_FILE", key.to_str().unwrap()),
            ("PAYLINK__STRIPE__WEBHOOK_SECRETS_FILE", secrets.to_str().unwrap()),
        ],
    )
    .unwrap();
    assert_eq!(config.stripe.api_key.expose_secret(), "rk_test_1");
    let secrets: Vec<_> =
        config.stripe.webhook_secrets.iter().map(SecretString::expose_secret).collect();
    assert_eq!(secrets, ["whsec_new", "whsec_old"]);

    let both = load(
        Profile::Serve,
        &[("PAYLINK__STRIPE__API_KEY", "rk_test_2"), ("PAYLINK__STRIPE__API_KEY_FILE", "/nowhere")],
    );
    assert_eq!(both.unwrap_err(), "stripe.api_key: give api_key or api_key_file, not both");
}

#[test]
fn an_account_has_secrets_of_its_own_and_its_files_are_told_of() {
    let key = written("key", "rk_test_hunter2\n");
    let file = written(
        "accounts.toml",
        &format!(
            "[stripe]\napi_key_file = {key:?}\n[stripe.accounts.eu]\napi_key_file = {key:?}\n\
             webhook_secrets = [\"whsec_hunter2\"]\n"
        ),
    );
    let environment = vec![("PAYLINK__STRIPE__API_KEY".into(), "rk_test_1".into())];
    let sources = Sources { profile: Profile::Serve, file: Some(file), environment };
    let stripe = sources.load().unwrap().stripe;
    let eu = &stripe.accounts["eu"];
    assert_eq!(eu.api_key.expose_secret(), "rk_test_hunter2");
    assert_eq!(eu.api_key_file.as_ref(), Some(&key));
    // The environment gives a key in the place of the file's.
    assert_eq!(stripe.api_key.expose_secret(), "rk_test_1");
    assert_eq!(stripe.api_key_file, Some(PathBuf::new()));
    let shown = sources.effective().unwrap();
    assert!(!shown.contains("hunter2") && shown.contains(key.to_str().unwrap()), "{shown}");
    assert!(!format!("{:?}", sources.load().unwrap()).contains("hunter2"));
}

#[test]
fn several_secrets_are_separated_by_commas_and_digits_stay_text() {
    let config = load(
        Profile::Dev,
        &[
            ("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_1, whsec_2"),
            ("PAYLINK__STRIPE__API_KEY", "123"),
        ],
    )
    .unwrap();
    assert_eq!(config.stripe.webhook_secrets.len(), 2);
    assert_eq!(config.stripe.api_key.expose_secret(), "123");
}

#[test]
fn the_effective_configuration_shows_no_secret() {
    let environment = vec![
        ("PAYLINK__STRIPE__API_KEY".into(), "sk_test_hunter2".into()),
        ("PAYLINK__STRIPE__WEBHOOK_SECRETS".into(), "whsec_hunter2".into()),
    ];
    let sources = Sources { profile: Profile::Serve, file: None, environment };
    let shown = sources.effective().unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
    assert!(!format!("{:?}", sources.load().unwrap()).contains("hunter2"));
}

#[test]
fn a_file_that_is_no_toml_is_told_of_by_its_line_and_not_by_its_text() {
    for (text, line) in [
        ("# A key.\n[stripe]\napi_key = \"sk_live_hunter2\n", 3),
        ("[stripe]\napi_key = sk_live_hunter2\n", 2),
        ("[stripe]\napi_key = \"1\"\napi_key = \"sk_live_hunter2\"\n", 3),
        ("[stripe]\nwebhook_secrets = [\"whsec_hunter2\n\n", 2),
    ] {
        let file = Some(written("broken.toml", text));
        let sources = Sources { profile: Profile::Serve, file, environment: Vec::new() };
        for told in [sources.load().err(), sources.storage().err(), sources.effective().err()] {
            let told = told.unwrap().to_string();
            assert!(told.starts_with(&format!("--config: line {line}: ")), "{told}");
            assert!(!told.contains("hunter") && !told.contains('\n'), "{told}");
        }
    }
}

#[test]
fn an_error_of_a_file_names_the_key_as_one_of_the_environment_does() {
    for (text, expected) in [
        ("[grpc]\nlistn = 1\n", "grpc.listn: unknown key; known here are listen"),
        ("[stripe]\nattempts_max = \"hunter2\"\n", "stripe.attempts_max: must be u32"),
        ("[grpc]\nlisten = \"hunter2\"\n", "grpc.listen: invalid socket address syntax"),
        ("[stripe]\nrate_test = -1\n", "stripe.rate_test: must be u32"),
    ] {
        let file = Some(written("wrong.toml", text));
        let sources = Sources { profile: Profile::Dev, file, environment: Vec::new() };
        let told = sources.load().unwrap_err().to_string();
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn a_password_within_a_url_is_shown_nowhere() {
    let check = |url: &str, proxy: &str, shown_url: &str, shown_proxy: &str| {
        let environment = [
            ("PAYLINK__STRIPE__API_KEY", "sk_test_1"),
            ("PAYLINK__STORAGE__URL", url),
            ("PAYLINK__STRIPE__PROXY_URL", proxy),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources =
            Sources { profile: Profile::Serve, file: None, environment: environment.into() };
        let shown: toml::Table = sources.effective().unwrap().parse().unwrap();
        assert_eq!(shown["storage"]["url"].as_str(), Some(shown_url));
        assert_eq!(shown["stripe"]["proxy_url"].as_str(), Some(shown_proxy));
        assert!(!format!("{:?}", sources.load().unwrap()).contains("hunter2"));
    };
    let (file, proxy) = ("sqlite:/a@b/paylink.db", "http://proxy.example:3128");
    check(file, proxy, file, proxy);
    check("postgres://db/paylink?user=p&password=hunter2", proxy, "***", proxy);
    check("postgres://p:hunter2@db/paylink", "http://p:hunter2@proxy.example", "***", "***");
}

#[test]
fn opentelemetrys_own_variables_switch_the_export_on() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    assert!(!load(Profile::Dev, &[]).unwrap().telemetry.otlp);
    assert!(load(Profile::Dev, &[endpoint]).unwrap().telemetry.otlp);
    assert!(
        !load(Profile::Dev, &[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap().telemetry.otlp
    );
}
