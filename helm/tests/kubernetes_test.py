"""Every object is one that Kubernetes knows, by its own published schemas."""

import json
import subprocess

import kubernetes_validate
import pytest

import chart

# The oldest version that the chart admits, and the newest whose schemas are at hand.
VERSIONS = ["1.30", "1.37"]

# Whose objects Kubernetes itself does not know.
OPERATORS = {"cert-manager.io", "gateway.networking.k8s.io", "monitoring.coreos.com"}

TOOLS = chart.ROOT.parent / ".tools/operators"


@pytest.mark.parametrize("version", VERSIONS)
def every_object_is_valid(objects, version):
    for rendered in objects:
        if not _is_of_an_operator(rendered):
            kubernetes_validate.validate(rendered, version, strict=True)


def every_object_of_an_operator_is_valid(objects):
    assert _mistakes([it for it in objects if _is_of_an_operator(it)]) == ""


def the_check_of_operators_refuses_another_type_and_another_word():
    objects = chart.render(chart.PROFILES["everything"])
    monitor = chart.one(objects, "ServiceMonitor")
    monitor["spec"]["endpoints"][0]["interval"] = 30
    route = chart.one(objects, "HTTPRoute", "shop-paylink-webhook")
    route["spec"]["rules"][0]["matches"][0]["path"]["type"] = "Exactly"
    found = _mistakes([monitor, route])
    assert "ServiceMonitor shop-paylink" in found and "HTTPRoute shop-paylink-webhook" in found


def _is_of_an_operator(rendered):
    return rendered["apiVersion"].partition("/")[0] in OPERATORS


def _mistakes(objects):
    """What the operators' own schemas say of their objects."""
    script = chart.ROOT / "tests/operators.mjs"
    done = subprocess.run(
        ["node", script, TOOLS],
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def every_object_says_where_it_belongs(objects):
    for rendered in objects:
        labels = rendered["metadata"]["labels"]
        assert rendered["metadata"]["namespace"] == "payments"
        assert labels["app.kubernetes.io/instance"] == chart.RELEASE
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def no_object_is_made_twice(objects):
    names = chart.kinds(objects)
    assert len(names) == len(set(names))


def the_check_refuses_a_field_it_does_not_know():
    broken = chart.render()
    chart.container(broken)["readOnlyRoot"] = True
    deployment = chart.one(broken, "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)
