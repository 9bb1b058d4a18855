"""What the chart refuses before anything reaches a cluster, and that it names the key."""

import chart

# A Secret that the chart may make.
KEY = {"create": True, "apiKey": "rk_test_1", "webhookSecrets": ["whsec_1"]}


def _check(values, key):
    assert f"'{key}'" in chart.refusal(values)


def _check_variable(name):
    _check({"env": {name: "x"}}, name)


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


def a_publishable_key_is_refused():
    _check({"stripe": {"secret": KEY | {"apiKey": "pk_live_1"}}}, "/stripe/secret/apiKey")


def a_key_given_to_a_preview_is_refused():
    _check({"mode": "dev", "stripe": {"secret": KEY}}, "/stripe/secret/create")


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
    _check({"storage": {"url": "postgres://paylink:word@database/paylink"}}, "/storage/url")


def a_database_outside_the_volume_is_refused():
    _check({"storage": {"url": "sqlite:/tmp/paylink.db"}}, "/storage/url")


def a_secret_in_the_environment_is_refused():
    for name in ("API_KEY", "API_KEY_FILE", "WEBHOOK_SECRETS"):
        _check_variable(f"PAYLINK__STRIPE__{name}")


def a_setting_that_the_chart_makes_itself_is_refused_in_the_environment():
    for name in ("GRPC__LISTEN", "STORAGE__URL", "STRIPE__BASE_URL", "TELEMETRY__LOG_FILTER"):
        _check_variable(f"PAYLINK__{name}")


def a_variable_of_another_program_is_refused():
    _check_variable("LD_PRELOAD")


def an_unquoted_number_in_the_environment_is_refused():
    _check({"env": {"PAYLINK__WRITES__ATTEMPTS_MAX": 3}}, "/env/PAYLINK__WRITES__ATTEMPTS_MAX")


def an_ingress_without_a_host_or_a_certificate_is_refused():
    _check({"webhook": {"ingress": {"enabled": True}}}, "/webhook/ingress/host")
    ingress = {"enabled": True, "host": "pay.example.com"}
    _check({"webhook": {"ingress": ingress}}, "/webhook/ingress/tlsSecretName")


def a_headless_load_balancer_is_refused():
    service = {"type": "LoadBalancer", "headless": True}
    _check({"grpc": {"service": service}}, "/grpc/service/type")


def a_base_url_without_a_scheme_is_refused():
    _check({"stripe": {"baseUrl": "api.stripe.com"}}, "/stripe/baseUrl")


def a_grace_period_shorter_than_the_drain_is_refused():
    _check({"termination": {"gracePeriodSeconds": 30}}, "/termination/gracePeriodSeconds")


def an_open_network_rule_is_refused():
    _check({"networkPolicy": {"grpcFrom": []}}, "/networkPolicy/grpcFrom")


def a_label_that_selects_pods_is_refused():
    _check({"podLabels": {"app.kubernetes.io/name": "other"}}, "app.kubernetes.io/name")
