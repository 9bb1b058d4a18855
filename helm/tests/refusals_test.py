"""What the chart refuses before anything reaches a cluster, and that it names the key."""

import chart

# A Secret that the chart may make.
KEY = {"create": True, "apiKey": "rk_test_1", "webhookSecrets": ["whsec_1"]}


def _check(values, key):
    assert f"'{key}'" in chart.refusal(values)


def _check_variable(name):
    _check({"env": {name: "x"}}, name)


def _check_setting(table, key, value):
    _check({"config": {table: {key: value}}}, f"/config/{table}/{key}")


def an_unknown_key_is_refused():
    _check({"replicas": 2}, "replicas")


def an_unknown_key_is_refused_at_every_depth():
    _check({"image": {"version": "1"}}, "version")
    _check({"storage": {"persistence": {"class": "fast"}}}, "class")


def an_unknown_mode_is_refused():
    _check({"mode": "production"}, "/mode")


def more_than_one_replica_with_sqlite_is_refused():
    _check({"replicaCount": 2}, "/replicaCount")


def more_than_one_replica_of_a_preview_is_refused():
    _check({"mode": "dev", "replicaCount": 2}, "/replicaCount")


def serving_without_a_secret_is_refused():
    _check({"stripe": {"secret": {"name": ""}}}, "/stripe/secret/name")


def a_created_secret_without_a_key_is_refused():
    _check({"stripe": {"secret": KEY | {"apiKey": ""}}}, "/stripe/secret/apiKey")


def a_created_secret_without_a_signing_secret_is_refused():
    _check({"stripe": {"secret": KEY | {"webhookSecrets": []}}}, "/stripe/secret/webhookSecrets")


def a_key_that_no_secret_would_hold_is_refused():
    _check({"stripe": {"secret": KEY | {"create": False}}}, "/stripe/secret/apiKey")


def a_live_key_is_refused_unless_the_program_is_told_to_take_it():
    for key in ("rk_live_1", "sk_live_1"):
        live = {"stripe": {"secret": KEY | {"apiKey": key}}}
        assert "allow_live" in chart.refusal(live | {"config": {"stripe": {"rate_live": 40}}})
        _check(live | {"config": {"stripe": {"allow_live": False}}}, "/config/stripe/allow_live")
        allowed = live | {"config": {"stripe": {"allow_live": True}}}
        assert chart.settings(allowed)["stripe"]["allow_live"] is True
    _check({"stripe": {"secret": {"live": True}}}, "live")


def a_stripe_account_without_a_secret_is_refused():
    account = {"stripe_account": "acct_1032D82eZvKYlo2C"}
    said = chart.refusal({"config": {"stripe": {"accounts": {"eu": account}}}})
    assert "stripe.accounts.eu.secretName" in said
    for key in ("api_key_file", "webhook_secrets_file"):
        values = {"config": {"stripe": {"accounts": {"eu": {key: "/secrets/it"}}}}}
        _check(values | {"stripe": {"accounts": {"eu": {"secretName": "it"}}}}, key)
    for name in ("default", "EU", "1"):
        refused = chart.refusal({"stripe": {"accounts": {name: {"secretName": "it"}}}})
        assert f"invalid propertyName '{name}'" in refused


def a_file_that_no_volume_has_is_refused():
    issuer = {"issuer": "https://login.example.com", "audience": "paylink"}
    keys = {"auth": {"issuers": {"it": issuer | {"jwks_path": "/etc/keys/jwks.json"}}}}
    assert "config.auth.issuers.it.jwks_path" in chart.refusal({"config": keys})
    filter_file = {"telemetry": {"log_filter_file": "/etc/paylink/logs"}}
    mounted = {
        "extraVolumes": [{"name": "log", "configMap": {"name": "log"}}],
        "extraVolumeMounts": [{"name": "log", "mountPath": "/etc/paylink/log"}],
    }
    said = chart.refusal(mounted | {"config": filter_file})
    assert "config.telemetry.log_filter_file" in said


def a_volume_of_the_host_or_in_the_place_of_the_charts_own_is_refused():
    _check({"extraVolumes": [{"name": "it", "hostPath": {"path": "/"}}]}, "hostPath")
    secret = {"name": "secrets", "secret": {"secretName": "it"}}
    _check({"extraVolumes": [secret]}, "/extraVolumes/0/name")
    for path in ("/etc/paylink/secrets", "/data/it", "/it/..", "/etc/paylink", "etc", "/"):
        mounts = [{"name": "it", "mountPath": path}]
        _check({"extraVolumeMounts": mounts}, "/extraVolumeMounts/0/mountPath")


def a_publishable_key_is_refused():
    _check({"stripe": {"secret": KEY | {"apiKey": "pk_live_1"}}}, "/stripe/secret/apiKey")


def a_key_given_to_a_preview_is_refused():
    _check({"mode": "dev", "stripe": {"secret": KEY}}, "/stripe/secret/create")
    accounts = {"eu": {"secretName": "paylink-stripe-eu"}}
    _check({"mode": "dev", "stripe": {"accounts": accounts}}, "/stripe/accounts")


def a_shared_database_given_to_a_preview_is_refused():
    values = {"mode": "dev", "storage": {"urlSecret": {"name": "database"}}}
    _check(values, "/storage/urlSecret/name")


def the_latest_tag_is_refused():
    _check({"image": {"tag": "latest"}}, "/image/tag")


def a_tag_inside_the_repository_is_refused():
    _check({"image": {"repository": "example.com/paylink:latest"}}, "/image/repository")


def a_half_digest_is_refused():
    _check({"image": {"digest": "sha256:abc"}}, "/image/digest")


def a_database_password_in_plain_values_is_refused():
    _check_setting("storage", "url", "postgres://paylink:word@database/paylink")


def a_database_outside_the_volume_is_refused():
    _check_setting("storage", "url", "sqlite:/tmp/paylink.db")


def a_setting_that_the_program_does_not_know_is_refused():
    _check({"config": {"payment": {}}}, "payment")
    _check({"config": {"payments": {"sweep_ms": 1}}}, "sweep_ms")
    _check({"config": {"storage": {"retention": {"days": 1}}}}, "days")


def a_setting_of_another_type_is_refused():
    _check_setting("payments", "watchers_max", "many")
    _check_setting("payments", "watchers_max", 1.5)
    _check_setting("payments", "source", "pigeon")
    _check_setting("telemetry", "otlp", "yes")


def a_secret_among_the_settings_is_refused():
    for key in ("api_key", "api_key_file", "webhook_secrets"):
        _check({"config": {"stripe": {key: "x"}}}, key)


def an_address_that_no_service_leads_to_is_refused():
    for table in ("grpc", "webhook", "sandbox"):
        _check({"config": {table: {"listen": "0.0.0.0:1"}}}, "listen")
    # Its address is all that this table has.
    _check({"config": {"operations": {"listen": "0.0.0.0:1"}}}, "operations")


def a_setting_in_the_environment_is_refused():
    for name in ("STRIPE__API_KEY", "GRPC__LISTEN", "PAYMENTS__WATCHERS_MAX"):
        _check_variable(f"PAYLINK__{name}")


def a_variable_of_another_program_is_refused():
    _check_variable("LD_PRELOAD")


def an_unquoted_number_in_the_environment_is_refused():
    _check({"env": {"OTEL_BSP_MAX_QUEUE_SIZE": 3}}, "/env/OTEL_BSP_MAX_QUEUE_SIZE")


def an_ingress_without_a_host_or_a_certificate_is_refused():
    _check({"webhook": {"ingress": {"enabled": True}}}, "/webhook/ingress/host")
    ingress = {"enabled": True, "host": "pay.example.com"}
    _check({"webhook": {"ingress": ingress}}, "/webhook/ingress/tlsSecretName")


def a_route_without_a_gateway_or_a_host_is_refused():
    _check({"webhook": {"route": {"enabled": True}}}, "/webhook/route/parentRefs")
    route = {"enabled": True, "parentRefs": [{"name": "public"}]}
    _check({"webhook": {"route": route}}, "/webhook/route/host")


def payment_pages_of_a_service_that_has_none_are_refused():
    ingress = {"enabled": True, "host": "pay.example.com"}
    _check({"sandbox": {"ingress": ingress}}, "/sandbox/ingress/enabled")


def webhooks_from_outside_for_a_preview_are_refused():
    ingress = {"enabled": True, "host": "pay.example.com", "tlsSecretName": "tls"}
    _check({"mode": "dev", "webhook": {"ingress": ingress}}, "/webhook/ingress/enabled")


def calls_in_plaintext_are_refused_unless_it_is_said():
    grpc = {"tls": {"secretName": ""}}
    _check({"grpc": grpc}, "/grpc/tls/secretName")
    assert chart.render(chart.PROFILES["plaintext"])
    for table in ("grpc", "webhook"):
        _check({"config": {table: {"plaintext": "anywhere"}}}, "plaintext")


def a_certificate_without_an_issuer_is_refused():
    certificate = {"enabled": True}
    _check({"grpc": {"tls": {"certificate": certificate}}}, "/grpc/tls/certificate/issuerName")


def a_certificate_for_what_is_not_encrypted_is_refused():
    grpc = {"tls": {"certificate": {"enabled": True, "issuerName": "internal"}}}
    plain = chart.PROFILES["plaintext"]
    _check(plain | {"grpc": grpc | {"plaintext": True}}, "/grpc/tls/certificate/enabled")
    _check({"mode": "dev", "grpc": grpc}, "/grpc/tls/certificate/enabled")


def a_headless_load_balancer_is_refused():
    service = {"type": "LoadBalancer", "headless": True}
    _check({"grpc": {"service": service}}, "/grpc/service/type")


def _check_callers(auth, key):
    _check({"config": {"auth": auth}}, key)


def that_anyone_may_call_is_refused_unless_it_is_said():
    _check_callers({"require": []}, "/config/auth/require")
    _check_callers({"require": [], "anyone_may_call": False}, "/config/auth/require")
    assert chart.render({"config": {"auth": {"require": [], "anyone_may_call": True}}})


def a_proof_or_a_rule_where_anyone_may_call_is_refused():
    _check_callers({"anyone_may_call": True}, "/config/auth/require")
    anyone = {"require": [], "anyone_may_call": True}
    rule = {"identities": ["spiffe://cluster.local/*"], "permissions": ["*"]}
    _check({"config": {"auth": anyone}, "auth": {"policy": [rule]}}, "/auth/policy")


def certificates_without_tls_or_without_a_domain_are_refused():
    _check({"grpc": {"plaintext": True}}, "/grpc/plaintext")
    _check_callers({"trust_domains": []}, "/config/auth/trust_domains")
    off = {"grpc": {"tls": {"client_certificates": "off"}}}
    _check({"config": off}, "/config/grpc/tls/client_certificates")


def tokens_without_an_issuer_are_refused():
    _check_callers({"require": ["token"]}, "issuers")


def tokens_of_the_cluster_that_nobody_asks_for_are_refused():
    kubernetes = {"kubernetes": {"enabled": True}}
    to = {"apiServerTo": [{"podSelector": {}}]}
    _check({"auth": kubernetes, "networkPolicy": to}, "/config/auth/require")


def keys_of_the_cluster_that_the_policy_does_not_let_through_are_refused():
    tokens = chart.PROFILES["tokens"]
    _check(tokens | {"networkPolicy": {}}, "/networkPolicy/apiServerTo")


def a_permission_that_no_method_asks_for_is_refused():
    rule = {"identities": ["spiffe://cluster.local/*"], "permissions": ["links.destroy"]}
    _check({"auth": {"policy": [rule]}}, "/auth/policy/0/permissions/0")


def a_policy_for_a_preview_is_refused():
    rule = {"identities": ["spiffe://cluster.local/*"], "permissions": ["*"]}
    _check({"mode": "dev", "auth": {"policy": [rule]}}, "/auth/policy")


def a_base_url_that_would_carry_the_key_in_the_clear_is_refused():
    _check_setting("stripe", "base_url", "api.stripe.com")
    _check_setting("stripe", "base_url", "http://api.stripe.com")


def a_grace_period_shorter_than_the_drain_is_refused():
    def check(seconds, drain_ms):
        config = {"connections": {"drain_ms": drain_ms}} if drain_ms else {}
        values = {"termination": {"gracePeriodSeconds": seconds}, "config": config}
        assert "termination.gracePeriodSeconds" in chart.refusal(values)

    check(39, None)
    check(45, 31000)


def fewer_pods_at_most_than_at_least_are_refused():
    shared = chart.PROFILES["postgresql"]
    scaled = {"enabled": True, "minReplicas": 9, "maxReplicas": 3}
    assert "autoscaling.maxReplicas" in chart.refusal(shared | {"autoscaling": scaled})
    assert chart.render(shared | {"autoscaling": scaled | {"maxReplicas": 9}})


def a_reading_that_may_take_longer_than_its_interval_is_refused():
    def monitor(interval, timeout):
        read = {"enabled": True, "interval": interval, "scrapeTimeout": timeout}
        return {"monitoring": {"serviceMonitor": read}}

    for interval, timeout in (("5s", "10s"), ("1s", "1001ms"), ("90s", "2m")):
        said = chart.refusal(monitor(interval, timeout))
        assert "monitoring.serviceMonitor.scrapeTimeout" in said
    for interval, timeout in (("10s", "10s"), ("1m", "59s"), ("2s", "900ms")):
        assert chart.render(monitor(interval, timeout))


def alerts_about_series_that_nobody_labels_are_refused():
    # Without its labels no series is of this release, and the release would count as down.
    rules = {"enabled": True}
    _check({"monitoring": {"rules": rules}}, "/monitoring/rules/seriesLabels")
    assert chart.render({"monitoring": {"rules": rules, "serviceMonitor": {"enabled": True}}})


def limits_without_memory_are_refused():
    _check({"resources": {"limits": {"memory": None, "cpu": "1"}}}, "memory")


def a_database_that_the_policy_does_not_name_is_refused():
    values = {"storage": {"urlSecret": {"name": "database"}}}
    _check(values, "/networkPolicy/databaseTo")
    assert chart.render(values | {"networkPolicy": {"enabled": False}})


def autoscaling_with_sqlite_is_refused():
    _check({"autoscaling": {"enabled": True}}, "/autoscaling/enabled")


def a_migration_job_with_sqlite_is_refused():
    _check({"storage": {"migrationJob": True}}, "/storage/migrationJob")


def an_open_network_rule_is_refused():
    _check({"networkPolicy": {"grpcFrom": []}}, "/networkPolicy/grpcFrom")


def a_label_that_selects_pods_is_refused():
    _check({"podLabels": {"app.kubernetes.io/name": "other"}}, "app.kubernetes.io/name")
