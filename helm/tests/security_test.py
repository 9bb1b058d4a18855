"""What an attacker who reaches the pod does not find, whatever the values."""

import json

import chart


def every_pod_meets_the_restricted_standard(objects):
    for kind in ("Deployment", "Job"):
        for it in [it for it in objects if it["kind"] == kind]:
            _check_restricted(it["spec"]["template"]["spec"])
    for it in [it for it in objects if it["kind"] == "Pod"]:
        _check_restricted(it["spec"])


def _check_restricted(spec):
    (container,) = spec["containers"]
    inside = container["securityContext"]
    assert spec["automountServiceAccountToken"] is False
    assert inside["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    allowed = {"name", "configMap", "projected", "emptyDir", "persistentVolumeClaim"}
    assert all(set(volume) <= allowed for volume in spec["volumes"])


def the_root_file_system_is_read_only_and_scratch_space_is_bounded(objects):
    assert chart.container(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    scratch = [it["emptyDir"] for it in chart.pod(objects)["volumes"] if "emptyDir" in it]
    assert scratch and all("sizeLimit" in it for it in scratch)


def the_pod_has_no_token_for_the_cluster(objects):
    assert chart.pod(objects)["automountServiceAccountToken"] is False
    assert chart.one(objects, "ServiceAccount")["automountServiceAccountToken"] is False


def memory_is_limited(objects):
    assert chart.container(objects)["resources"]["limits"]["memory"]


def secrets_are_files_that_only_the_program_may_read():
    volumes = {it["name"]: it for it in chart.pod(chart.render())["volumes"]}
    projected = volumes["secrets"]["projected"]
    assert projected["defaultMode"] == 0o400
    (source,) = projected["sources"]
    files = {it["key"]: it["path"] for it in source["secret"]["items"]}
    assert files == {"api-key": "stripe-api-key", "webhook-secrets": "stripe-webhook-secrets"}


def the_configuration_names_the_secret_files():
    objects = chart.render()
    mounts = {it["name"]: it["mountPath"] for it in chart.container(objects)["volumeMounts"]}
    assert chart.settings()["stripe"] == {
        "allow_live": False,
        "api_key_file": f"{mounts['secrets']}/stripe-api-key",
        "webhook_secrets_file": f"{mounts['secrets']}/stripe-webhook-secrets",
    }
    assert "env" not in chart.container(objects)


def a_secret_from_values_shows_in_the_secret_alone():
    objects = chart.render(chart.PROFILES["created secret"])
    others = json.dumps([it for it in objects if it["kind"] != "Secret"])
    assert "rk_test" not in others and "whsec_" not in others


def a_new_release_denies_what_is_not_named():
    policy = chart.one(chart.render(), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] and rule["ports"] for rule in policy["ingress"])
    assert all(rule["to"] and rule["ports"] for rule in policy["egress"])


def serving_may_reach_names_and_stripe_and_nothing_private():
    names, stripe = chart.one(chart.render(), "NetworkPolicy")["spec"]["egress"]
    assert {it["port"] for it in names["ports"]} == {53}
    assert stripe["ports"] == [{"port": 443}]
    (peer,) = stripe["to"]
    assert "169.254.0.0/16" in peer["ipBlock"]["except"]


def a_database_and_a_collector_may_be_reached_where_they_are_named():
    def check(values, port):
        rules = chart.one(chart.render(values), "NetworkPolicy")["spec"]["egress"]
        (rule,) = [it for it in rules if it["ports"] == [{"port": port}]]
        assert rule["to"]

    check(chart.PROFILES["postgresql"], 5432)
    check({"networkPolicy": {"collectorTo": [{"podSelector": {}}]}}, 4317)


def a_preview_may_reach_nothing_but_names():
    (names,) = chart.one(chart.render({"mode": "dev"}), "NetworkPolicy")["spec"]["egress"]
    assert {it["port"] for it in names["ports"]} == {53}
