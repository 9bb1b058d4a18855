"""`helm test` examines the release's own settings."""

import pytest

import chart

SERVING = [name for name, values in chart.PROFILES.items() if values.get("mode") != "dev"]


@pytest.mark.parametrize("profile", SERVING)
def the_doctor_examines_what_the_service_is_started_with(profile):
    objects = chart.render(chart.PROFILES[profile])
    pod, service = chart.one(objects, "Pod", "shop-paylink-doctor"), chart.container(objects)
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (doctor,) = pod["spec"]["containers"]
    assert doctor["args"] == ["doctor", *service["args"][1:]]
    assert doctor["image"] == service["image"] and doctor.get("env") == service.get("env")
    own = [it for it in service["volumeMounts"] if it["name"] not in ("data", "tmp")]
    assert doctor["volumeMounts"] == own
    volumes = [it for it in chart.pod(objects)["volumes"] if it["name"] not in ("data", "tmp")]
    assert pod["spec"]["volumes"] == volumes


@pytest.mark.parametrize("profile", SERVING)
def nothing_is_sent_to_the_doctor_and_it_may_ask_whom_the_service_may(profile):
    objects = chart.render(chart.PROFILES[profile])
    labels = chart.one(objects, "Pod", "shop-paylink-doctor")["metadata"]["labels"].items()
    for service in [it for it in objects if it["kind"] == "Service"]:
        assert not service["spec"]["selector"].items() <= labels
    policies = {it["metadata"]["name"]: it["spec"] for it in objects if "Policy" in it["kind"]}
    own = next(spec for name, spec in policies.items() if name.endswith("-doctor"))
    assert own["podSelector"]["matchLabels"].items() <= labels
    assert "ingress" not in own
    assert own["egress"] == policies["shop-paylink"]["egress"]


def a_preview_has_nothing_to_examine():
    objects = chart.render({"mode": "dev"})
    assert not [it for it in objects if it["kind"] == "Pod"]
