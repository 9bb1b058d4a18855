"""How the kubelet asks, routes to, and stops the pod."""

import tomllib

import chart


def readiness_is_asked_on_the_port_that_callers_use():
    inside = chart.container(chart.render(chart.PROFILES["plaintext"]))
    assert inside["startupProbe"]["grpc"] == {"port": _ports(inside)["grpc"]}
    assert inside["readinessProbe"]["grpc"] == {"port": _ports(inside)["grpc"]}


def readiness_is_asked_elsewhere_over_tls_which_the_kubelets_probe_does_not_speak():
    inside = chart.container(chart.render())
    expected = {"path": "/ready", "port": "operations"}
    assert inside["startupProbe"]["httpGet"] == expected
    assert inside["readinessProbe"]["httpGet"] == expected


def liveness_does_not_depend_on_the_grpc_port():
    probe = chart.container(chart.render())["livenessProbe"]["httpGet"]
    assert probe == {"path": "/live", "port": "operations"}


def the_ports_are_the_programs_own():
    expected = {"grpc": 50051, "webhook": 8080, "operations": 9090}
    assert _ports(chart.container(chart.render())) == expected
    preview = chart.container(chart.render({"mode": "dev"}))
    assert _ports(preview) == expected | {"sandbox": 12111}


def every_service_leads_to_a_port_of_the_pod(objects):
    ports = _ports(chart.container(objects))
    for service in [it for it in objects if it["kind"] == "Service"]:
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


def every_selector_finds_the_pod(objects):
    deployment = chart.one(objects, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    selectors = [deployment["selector"]["matchLabels"]]
    selectors += [it["spec"]["selector"] for it in objects if it["kind"] == "Service"]
    assert all(selector.items() <= labels for selector in selectors)


def every_mount_has_its_volume(objects):
    volumes = {it["name"] for it in chart.pod(objects)["volumes"]}
    mounts = {it["name"] for it in chart.container(objects)["volumeMounts"]}
    assert mounts == volumes


def load_balancers_have_time_before_the_drain_and_the_drain_before_the_kill():
    objects = chart.render()
    pause = chart.container(objects)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = _drain_seconds()
    assert pause == 5
    assert chart.pod(objects)["terminationGracePeriodSeconds"] == 45 > pause + drain


def the_drain_that_the_chart_counts_with_is_the_programs_own():
    least = 5 + _drain_seconds() + 10
    assert chart.render({"termination": {"gracePeriodSeconds": least}})
    chart.refusal({"termination": {"gracePeriodSeconds": least - 1}})


def _drain_seconds():
    defaults = (chart.ROOT.parent / "src/config/default.toml").read_text()
    return tomllib.loads(defaults)["connections"]["drain_ms"] // 1000


def _ports(inside):
    return {it["name"]: it["containerPort"] for it in inside["ports"]}
