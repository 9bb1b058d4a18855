"""What each switch changes, and that it changes nothing else."""

import json
import shutil
import tomllib

import chart

EVERYTHING = chart.PROFILES["everything"]
SHARED = chart.PROFILES["postgresql"]


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


def a_previews_links_begin_with_its_ingress_or_a_port_forward_or_what_is_asked_for():
    def check(ingress, settings, expected):
        values = {"mode": "dev", "sandbox": {"ingress": ingress}, "config": {"sandbox": settings}}
        assert chart.settings(values)["sandbox"]["public_url"] == expected

    opened = {"enabled": True, "host": "pay.preview.example.com"}
    check({}, {}, "http://localhost:12111")
    check(opened, {}, "http://pay.preview.example.com")
    check(opened | {"tlsSecretName": "tls"}, {}, "https://pay.preview.example.com")
    check({}, {"public_url": "https://tunnel.example.com"}, "https://tunnel.example.com")


def a_previews_ingress_opens_its_pages_and_not_its_api():
    ingress = chart.one(chart.render(chart.PROFILES["preview"]), "Ingress", "shop-paylink-sandbox")
    (rule,) = ingress["spec"]["rules"]
    assert [it["path"] for it in rule["http"]["paths"]] == ["/b", "/c"]
    assert {it["backend"]["service"]["name"] for it in rule["http"]["paths"]} == {
        "shop-paylink-sandbox"
    }


def the_configuration_is_toml_and_listens_on_every_address():
    settings = chart.settings()
    listens = {name: table["listen"] for name, table in settings.items() if "listen" in table}
    assert listens == {
        "grpc": "0.0.0.0:50051",
        "webhook": "0.0.0.0:8080",
        "operations": "0.0.0.0:9090",
    }


def every_setting_of_the_program_reaches_its_file_as_it_was_given():
    given = {
        "connections": {"drain_ms": 20000},
        "payments": {"far_sweep_interval_ms": 86400000, "source": "poll"},
        "storage": {"url": "sqlite:/data/other.db", "retention": {"event_body_days": 7}},
        "stripe": {"proxy_url": 'http://proxy:3128/"\\é<&>'},
        "telemetry": {"log_filter": "info,paylink=debug", "log_format": "text", "otlp": True},
    }
    settings = chart.settings({"config": given})
    for table, keys in given.items():
        assert keys.items() <= settings[table].items()


def a_caller_must_give_a_request_id_unless_told_otherwise():
    assert chart.settings()["writes"]["require_request_id"] is True


def a_secret_is_made_from_values_only_when_asked():
    created = chart.one(chart.render(chart.PROFILES["created secret"]), "Secret", "paylink-stripe")
    assert created["stringData"] == {
        "api-key": "rk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "webhook-secrets": "whsec_one\nwhsec_two",
    }


def each_stripe_account_has_a_secret_of_its_own_and_a_way_in_for_its_webhooks():
    accounts = chart.PROFILES["accounts"]
    objects, settings = chart.render(accounts), chart.settings(accounts)["stripe"]["accounts"]
    mount = "/etc/paylink/secrets/accounts"
    assert settings["partner_1"] == {
        "stripe_account": "acct_1032D82eZvKYlo2C",
        "api_key_file": f"{mount}/partner_1/api-key",
        "webhook_secrets_file": f"{mount}/partner_1/webhook-secrets",
    }
    (_, eu, _) = _volume(objects, "secrets")["projected"]["sources"]
    assert eu["secret"]["name"] == "paylink-stripe-eu"
    assert [it["path"] for it in eu["secret"]["items"]] == [
        "accounts/eu/api-key",
        "accounts/eu/webhook-secrets",
    ]
    ways = [f"/webhooks/stripe{name}" for name in ("", "/eu", "/partner_1")]
    ingress = chart.one(objects, "Ingress", "shop-paylink-webhook")["spec"]["rules"][0]["http"]
    assert [(it["path"], it["pathType"]) for it in ingress["paths"]] == [
        (way, "Exact") for way in ways
    ]
    route = chart.one(objects, "HTTPRoute", "shop-paylink-webhook")["spec"]["rules"][0]
    assert [it["path"] for it in route["matches"]] == [
        {"type": "Exact", "value": way} for way in ways
    ]
    assert all(f"https://pay.example.com{way}\n" in chart.notes(accounts) for way in ways)


def further_files_reach_the_pod_read_only():
    objects = chart.render(chart.PROFILES["accounts"])
    mount = {"name": "log", "mountPath": "/etc/paylink/log", "readOnly": True}
    assert mount in chart.container(objects)["volumeMounts"]
    assert _volume(objects, "log")["configMap"] == {"name": "paylink-log"}


def a_changed_setting_or_secret_replaces_the_pod():
    before = _checksums({})
    assert _checksums({"config": {"telemetry": {"log_filter": "debug"}}}) != before
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
    assert chart.settings(SHARED)["storage"] == {"url_file": "/etc/paylink/secrets/storage-url"}
    assert "data" not in [it["name"] for it in chart.pod(objects)["volumes"]]


def several_pods_roll_spread_and_have_a_disruption_budget():
    objects = chart.render(SHARED)
    budget = chart.one(objects, "PodDisruptionBudget")["spec"]
    assert chart.one(objects, "Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"
    spread = {it["topologyKey"] for it in chart.pod(objects)["topologySpreadConstraints"]}
    assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert budget["maxUnavailable"] == 1


def one_pod_has_no_disruption_budget():
    assert "PodDisruptionBudget shop-paylink" not in chart.kinds(chart.render())


def several_pods_share_what_stripe_allows_an_account_even_while_they_roll():
    pods = chart.one(chart.render(SHARED), "Deployment")["spec"]["replicas"] + 1
    stripe = chart.settings(SHARED)["stripe"]
    for setting, allowed in (("rate_live", 100), ("rate_test", 25), ("rate_endpoint", 25)):
        assert pods * stripe[setting] <= allowed


def an_autoscaler_decides_alone_how_many_pods_there_are():
    objects = chart.render(chart.PROFILES["autoscaled"])
    scaler = chart.one(objects, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["scaleTargetRef"]["name"] == "shop-paylink"
    assert "replicas" not in chart.one(objects, "Deployment")["spec"]
    assert "HorizontalPodAutoscaler shop-paylink" not in chart.kinds(chart.render(SHARED))


def a_shared_database_is_migrated_before_anything_else_of_the_release():
    job = chart.one(chart.render(SHARED), "Job", "shop-paylink-migrate")
    hooks = job["metadata"]["annotations"]["helm.sh/hook"]
    (migrate,) = job["spec"]["template"]["spec"]["containers"]
    assert hooks == "pre-install,pre-upgrade"
    assert migrate["args"] == ["migrate"]
    # Whatever else a release makes is not there yet.
    (volume,) = job["spec"]["template"]["spec"]["volumes"]
    (source,) = volume["projected"]["sources"]
    assert source["secret"]["name"] == "paylink-database"


def the_pod_that_migrates_reaches_names_and_the_database_and_is_reached_by_nobody():
    objects = chart.render(SHARED)
    policy = chart.one(objects, "NetworkPolicy", "shop-paylink-migrate")["spec"]
    job = chart.one(objects, "Job", "shop-paylink-migrate")["spec"]["template"]["metadata"]
    assert policy["podSelector"]["matchLabels"] == job["labels"]
    assert [it["port"] for rule in policy["egress"] for it in rule["ports"]] == [53, 53, 5432]
    assert "ingress" not in policy and "Ingress" in policy["policyTypes"]


def a_database_on_another_port_is_reached_by_all_that_need_it():
    rule = {
        "to": [{"podSelector": {"matchLabels": {"app": "pgbouncer"}}}],
        "ports": [{"port": 6432}],
    }
    network = SHARED["networkPolicy"] | {"extraEgress": [rule]}
    objects = chart.render(SHARED | {"networkPolicy": network})
    policies = [it for it in objects if it["kind"] == "NetworkPolicy"]
    assert len(policies) == 3 and all(rule in it["spec"]["egress"] for it in policies)


def nobody_may_call_until_a_rule_permits_it():
    assert chart.settings()["auth"] == {
        "require": ["certificate"],
        "trust_domains": ["cluster.local"],
        "policy_path": "/etc/paylink/policy/policy.toml",
    }
    assert _policy({}) == {"rule": [{"identities": [], "permissions": []}]}
    mounts = [it["mountPath"] for it in chart.container(chart.render())["volumeMounts"]]
    assert "/etc/paylink/policy" in mounts


def rules_reach_the_policy_as_they_were_given_and_replace_no_pod():
    rules = [
        {"identities": ["spiffe://cluster.local/ns/shop/*"], "permissions": ["*"], "owner": "shop"},
        {"identities": ["a", "b"], "permissions": ["links.*"], "all_owners": True},
    ]
    values = {"auth": {"policy": rules}}
    assert _policy(values) == {"rule": rules}
    assert _checksums(values) == _checksums({})


def anyone_may_call_a_preview_and_where_it_is_said():
    for values in ({"mode": "dev"}, chart.PROFILES["plaintext"]):
        auth = chart.settings(values)["auth"]
        assert auth["anyone_may_call"] is True and "policy" not in auth
        assert "ConfigMap shop-paylink-policy" not in chart.kinds(chart.render(values))


def tokens_of_the_cluster_are_checked_with_keys_that_it_publishes():
    tokens = chart.PROFILES["tokens"]
    cluster = chart.settings(tokens)["auth"]["issuers"]["cluster"]
    objects = chart.render(tokens)
    sources = _volume(objects, "cluster")["projected"]["sources"]
    assert cluster["kubernetes"] is True and cluster["audience"] == "paylink"
    assert {cluster["token_path"], cluster["ca_path"]} == {
        "/etc/paylink/cluster/token",
        "/etc/paylink/cluster/ca.crt",
    }
    assert sources[0]["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
    rules = chart.one(objects, "NetworkPolicy")["spec"]["egress"]
    assert [{"port": 443}, {"port": 6443}] in [it["ports"] for it in rules]


def callers_and_the_service_show_certificates_unless_told_otherwise():
    tls = chart.settings()["grpc"]["tls"]
    mount = "/etc/paylink/tls"
    assert tls == {
        "certificate_path": f"{mount}/tls.crt",
        "key_path": f"{mount}/tls.key",
        "client_ca_path": f"{mount}/ca.crt",
    }
    objects = chart.render()
    (source,) = _volume(objects, "tls")["projected"]["sources"]
    assert source["secret"]["name"] == "paylink-grpc-tls"
    assert {it["path"] for it in source["secret"]["items"]} == {"tls.crt", "tls.key", "ca.crt"}
    assert mount in [it["mountPath"] for it in chart.container(objects)["volumeMounts"]]


def authorities_of_callers_are_asked_for_only_where_callers_show_certificates():
    anyone = {"require": [], "anyone_may_call": True}
    values = {"config": {"auth": anyone, "grpc": {"tls": {"client_certificates": "off"}}}}
    (source,) = _volume(chart.render(values), "tls")["projected"]["sources"]
    assert "ca.crt" not in [it["key"] for it in source["secret"]["items"]]
    assert "client_ca_path" not in chart.settings(values)["grpc"]["tls"]
    assert chart.settings(EVERYTHING)["grpc"]["tls"]["client_crl_path"].endswith("/ca.crl")


def plaintext_is_said_in_so_many_words_and_needs_no_certificate():
    settings = chart.settings(chart.PROFILES["plaintext"])
    assert settings["grpc"] == {"listen": "0.0.0.0:50051", "plaintext": "anywhere"}
    volumes = chart.pod(chart.render(chart.PROFILES["plaintext"]))["volumes"]
    assert "tls" not in [it["name"] for it in volumes]


def the_certificate_is_for_every_name_of_the_service():
    certificate = chart.one(chart.render(EVERYTHING), "Certificate", "shop-paylink-grpc")["spec"]
    assert certificate["secretName"] == "shop-tls"
    assert certificate["issuerRef"] == {"name": "internal", "kind": "ClusterIssuer"}
    assert certificate["dnsNames"] == [
        "shop-paylink",
        "shop-paylink.payments",
        "shop-paylink.payments.svc",
        "shop-paylink.payments.svc.cluster.local",
        "paylink.example.com",
    ]


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


def the_route_lets_one_path_through_to_webhooks_alone():
    route = chart.one(chart.render(EVERYTHING), "HTTPRoute", "shop-paylink-webhook")["spec"]
    (rule,) = route["rules"]
    assert rule["matches"] == [
        {"method": "POST", "path": {"type": "Exact", "value": "/webhooks/stripe"}}
    ]
    assert rule["backendRefs"] == [{"name": "shop-paylink-webhook", "port": 8080}]
    assert route["parentRefs"] == [{"name": "public", "namespace": "gateways"}]


def the_monitor_finds_the_operations_port_alone():
    objects = chart.render(EVERYTHING)
    monitor = chart.one(objects, "ServiceMonitor")
    labels = monitor["spec"]["selector"]["matchLabels"].items()
    services = [it for it in objects if it["kind"] == "Service"]
    (found,) = [it for it in services if labels <= it["metadata"]["labels"].items()]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert found["metadata"]["name"] == "shop-paylink-operations"
    assert endpoint["port"] in [it["name"] for it in found["spec"]["ports"]]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def each_file_of_rules_and_dashboards_becomes_an_object(tmp_path):
    copy = shutil.copytree(chart.ROOT, tmp_path / "paylink")
    for folder in ("rules", "dashboards"):
        shutil.rmtree(copy / folder, ignore_errors=True)
        (copy / folder).mkdir()
    rule = '{"alert": "Down", "expr": "up == 0", "annotations": {"summary": "{{ $labels.pod }}"}}'
    (copy / "rules/slo.yaml").write_text(f"groups:\n  - name: slo\n    rules: [{rule}]\n")
    (copy / "dashboards/calls.json").write_text('{\n  "title": "{{method}}"\n}\n')

    objects = chart.render(EVERYTHING, copy)
    made = chart.one(objects, "PrometheusRule", "shop-paylink-slo")
    labels = {"namespace": "payments", "service": "shop-paylink-operations"}
    assert made["spec"]["groups"][0]["rules"] == [json.loads(rule) | {"labels": labels}]
    assert made["metadata"]["labels"]["release"] == "prometheus"
    board = chart.one(objects, "ConfigMap", "shop-paylink-dashboard-calls")
    assert json.loads(board["data"]["calls.json"]) == {"title": "{{method}}"}
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"]["grafana_folder"] == "Payments"
    assert not {"PrometheusRule", "shop-paylink-dashboard-calls"} & {
        word for it in chart.kinds(chart.render({}, copy)) for word in it.split()
    }


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


def _policy(values):
    policy = chart.one(chart.render(values), "ConfigMap", "shop-paylink-policy")
    return tomllib.loads(policy["data"]["policy.toml"])


def _variables(objects):
    return {it["name"]: it["value"] for it in chart.container(objects)["env"]}


def _volume(objects, name):
    (found,) = [it for it in chart.pod(objects)["volumes"] if it["name"] == name]
    return found


def _checksums(values):
    template = chart.one(chart.render(values), "Deployment")["spec"]["template"]
    return template["metadata"]["annotations"]
