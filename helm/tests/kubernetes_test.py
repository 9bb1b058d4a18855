"""Every object is one that Kubernetes knows, by its own published schemas."""

import kubernetes_validate
import pytest

import chart

# The oldest version that the chart admits, and the newest whose schemas are at hand.
VERSIONS = ["1.30", "1.37"]

# Whose objects Kubernetes itself does not know.
OPERATORS = {"cert-manager.io", "gateway.networking.k8s.io", "monitoring.coreos.com"}


@pytest.mark.parametrize("version", VERSIONS)
def every_object_is_valid(objects, version):
    for rendered in objects:
        if rendered["apiVersion"].partition("/")[0] in OPERATORS:
            continue
        kubernetes_validate.validate(rendered, version, strict=True)


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
