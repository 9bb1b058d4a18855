"""What each switch changes, and that it changes nothing else."""

import tomllib

import chart

EVERYTHING = chart.PROFILES["everything"]
SHARED = chart.PROFILES["shared database"]


def a_preview_needs_no_secret_and_keeps_nothing():
    objects = chart.render({"mode": "dev"})
    volumes = {it["name"]: it for it in chart.pod(objects)["volumes"]}
    assert chart.container(objects)["args"][0] == "dev"
    assert "secrets" not in volumes
    assert "emptyDir" in volumes["data"]
    assert not [it for it in objects if it["kind"] == "PersistentVolumeClaim"]


def a_preview_opens_the_sandbox_and_a_service_does_not():
    sandbox = "Service shop-paylink-sandbox"
    assert sandbox in chart.kinds(chart.render({"mode": "dev"}))
    assert sandbox not in chart.kinds(chart.render())


def a_previews_links_start_with_the_public_url():
    values = {"mode": "dev", "sandbox": {"publicUrl": "https://pay.preview.example.com"}}
    assert _settings(values)["sandbox"]["public_url"] == "https://pay.preview.example.com"


def the_configuration_is_toml_and_listens_on_every_address():
    settings = _settings({})
    listens = {name: table["listen"] for name, table in settings.items() if "listen" in table}
    assert listens == {
        "grpc": "0.0.0.0:50051",
        "webhook": "0.0.0.0:8080",
        "operations": "0.0.0.0:9090",
    }


def the_configuration_carries_the_settings_of_stripe_and_of_logs():
    settings = _settings(
        {
            "stripe": {"baseUrl": "http://other-sandbox:12111"},
            "telemetry": {"logFilter": "info,paylink=debug", "logFormat": "text"},
        }
    )
    assert settings["stripe"] == {"base_url": "http://other-sandbox:12111"}
    assert settings["telemetry"] == {"log_filter": "info,paylink=debug", "log_format": "text"}


def a_service_demands_request_ids_unless_told_otherwise_and_a_preview_does_not():
    assert _settings({})["writes"] == {"require_request_id": True}
    relaxed = _settings({"writes": {"requireRequestId": False}})
    assert relaxed["writes"] == {"require_request_id": False}
    assert "writes" not in _settings({"mode": "dev"})


def a_secret_is_made_from_values_only_when_asked():
    created = chart.one(chart.render(chart.PROFILES["created secret"]), "Secret", "paylink-stripe")
    assert created["stringData"] == {
        "api-key": "rk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "webhook-secrets": "whsec_one\nwhsec_two",
    }


def a_changed_setting_or_secret_replaces_the_pod():
    before = _checksums({})
    assert _checksums({"telemetry": {"logFilter": "debug"}}) != before
    created = chart.PROFILES["created secret"]
    secret = created["stripe"]["secret"] | {"webhookSecrets": ["whsec_three"]}
    assert _checksums(created) != _checksums({"stripe": {"secret": secret}})


def sqlite_gets_one_pod_one_claim_and_no_overlap():
    objects = chart.render()
    deployment = chart.one(objects, "Deployment")["spec"]
    claim = chart.one(objects, "PersistentVolumeClaim", "shop-paylink-data")
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def an_existing_claim_is_used_and_none_is_made():
    objects = chart.render({"storage": {"persistence": {"existingClaim": "restored"}}})
    volumes = {it["name"]: it for it in chart.pod(objects)["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "restored"}
    assert not [it for it in objects if it["kind"] == "PersistentVolumeClaim"]


def a_shared_database_is_read_from_its_secret_and_needs_no_volume():
    objects = chart.render(SHARED)
    sources = _volume(objects, "secrets")["projected"]["sources"]
    assert sources[1]["secret"]["name"] == "paylink-database"
    assert _variables(objects)["PAYLINK__STORAGE__URL_FILE"] == "/etc/paylink/secrets/storage-url"
    assert "storage" not in _settings(SHARED)
    assert "data" not in [it["name"] for it in chart.pod(objects)["volumes"]]


def several_pods_roll_spread_and_have_a_disruption_budget():
    objects = chart.render(SHARED)
    budget = chart.one(objects, "PodDisruptionBudget")["spec"]
    assert chart.one(objects, "Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"
    assert chart.pod(objects)["topologySpreadConstraints"]
    assert budget["maxUnavailable"] == 1


def one_pod_has_no_disruption_budget():
    assert "PodDisruptionBudget shop-paylink" not in chart.kinds(chart.render())


def the_grpc_service_can_be_headless():
    objects = chart.render({"grpc": {"service": {"headless": True}}})
    assert chart.one(objects, "Service")["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in chart.one(chart.render(), "Service")["spec"]


def the_ingress_lets_one_path_through_to_webhooks_alone():
    ingress = chart.one(chart.render(EVERYTHING), "Ingress", "shop-paylink-webhook")["spec"]
    (rule,) = ingress["rules"]
    (path,) = rule["http"]["paths"]
    assert path["pathType"] == "Exact"
    assert path["backend"]["service"]["name"] == "shop-paylink-webhook"
    assert ingress["tls"] == [{"hosts": ["pay.example.com"], "secretName": "pay-tls"}]


def there_is_no_ingress_by_default():
    assert not [it for it in chart.render() if it["kind"] == "Ingress"]


def a_digest_wins_over_the_tag():
    assert chart.container(chart.render(EVERYTHING))["image"].endswith("@sha256:" + "ab" * 32)


def further_settings_reach_the_environment():
    variables = _variables(chart.render(EVERYTHING))
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4317"


def the_pod_goes_where_it_is_told():
    spec = chart.pod(chart.render(EVERYTHING))
    assert spec["nodeSelector"] == {"disk": "local"}
    assert spec["tolerations"] == [{"key": "payments", "operator": "Exists"}]
    assert spec["priorityClassName"] == "payments"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]


def another_service_account_can_be_used():
    objects = chart.render({"serviceAccount": {"create": False, "name": "shared"}})
    assert chart.pod(objects)["serviceAccountName"] == "shared"
    assert not [it for it in objects if it["kind"] == "ServiceAccount"]


def the_network_policy_can_be_left_to_the_cluster():
    objects = chart.render({"networkPolicy": {"enabled": False}})
    assert not [it for it in objects if it["kind"] == "NetworkPolicy"]


def names_follow_the_release_and_can_be_replaced():
    assert chart.one(chart.render({"fullnameOverride": "links"}), "Deployment", "links")


def _settings(values):
    return tomllib.loads(chart.one(chart.render(values), "ConfigMap")["data"]["paylink.toml"])


def _variables(objects):
    return {it["name"]: it["value"] for it in chart.container(objects)["env"]}


def _volume(objects, name):
    (found,) = [it for it in chart.pod(objects)["volumes"] if it["name"] == name]
    return found


def _checksums(values):
    template = chart.one(chart.render(values), "Deployment")["spec"]["template"]
    return template["metadata"]["annotations"]
