"""Renders the chart with Helm's own engine and finds objects in the result."""

import tomllib
from pathlib import Path

import helm_python as helm
import yaml

ROOT = Path(__file__).parent.parent
RELEASE = "shop"


def _profile(name):
    return yaml.safe_load((ROOT / "profiles" / f"{name}.yaml").read_text())


# Sets of values that a reader may meet. Every promise about all objects is checked over all of
# them.
PROFILES = {
    "defaults": {},
    "sqlite": _profile("sqlite"),
    "postgresql": _profile("postgresql"),
    "preview": _profile("preview"),
    "created secret": {
        "stripe": {
            "secret": {
                "create": True,
                "apiKey": "rk_test_4eC39HqLyjWDarjtT1zdp7dc",
                "webhookSecrets": ["whsec_one", "whsec_two"],
            }
        }
    },
    "plaintext": {
        "config": {"auth": {"require": [], "anyone_may_call": True}},
        "grpc": {"plaintext": True},
    },
    "tokens": {
        "config": {"auth": {"require": ["token"]}},
        "auth": {"kubernetes": {"enabled": True}},
        "grpc": {"plaintext": True},
        "networkPolicy": {"apiServerTo": [{"ipBlock": {"cidr": "10.96.0.1/32"}}]},
    },
    "accounts": {
        "stripe": {
            "accounts": {
                "eu": {"secretName": "paylink-stripe-eu"},
                "partner_1": {"secretName": "paylink-stripe-partner"},
            }
        },
        "config": {
            "stripe": {"accounts": {"partner_1": {"stripe_account": "acct_1032D82eZvKYlo2C"}}},
            "telemetry": {"log_filter_file": "/etc/paylink/log/filter"},
        },
        "webhook": {
            "ingress": {"enabled": True, "host": "pay.example.com", "tlsSecretName": "pay-tls"},
            "route": {
                "enabled": True,
                "parentRefs": [{"name": "public"}],
                "host": "pay.example.com",
            },
        },
        "extraVolumes": [{"name": "log", "configMap": {"name": "paylink-log"}}],
        "extraVolumeMounts": [{"name": "log", "mountPath": "/etc/paylink/log"}],
    },
    "autoscaled": _profile("postgresql") | {"autoscaling": {"enabled": True}},
    "everything": {
        "image": {"digest": "sha256:" + "ab" * 32, "pullSecrets": [{"name": "registry"}]},
        "storage": {
            "persistence": {
                "size": "10Gi",
                "storageClassName": "fast",
                "accessMode": "ReadWriteOncePod",
            }
        },
        "grpc": {
            "tls": {
                "secretName": "shop-tls",
                "revocation": True,
                "certificate": {
                    "enabled": True,
                    "issuerName": "internal",
                    "issuerKind": "ClusterIssuer",
                    "dnsNames": ["paylink.example.com"],
                },
            },
            "service": {"type": "LoadBalancer", "annotations": {"example.com/lb": "internal"}},
        },
        "webhook": {
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "host": "pay.example.com",
                "tlsSecretName": "pay-tls",
                "annotations": {"example.com/body": "1m"},
            },
            "route": {
                "enabled": True,
                "parentRefs": [{"name": "public", "namespace": "gateways"}],
                "host": "pay.example.com",
                "annotations": {"example.com/timeout": "10s"},
            },
        },
        "operations": {"service": {"annotations": {"prometheus.io/scrape": "true"}}},
        "monitoring": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Payments"}},
        },
        "env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"},
        "serviceAccount": {"annotations": {"example.com/identity": "paylink"}},
        "podAnnotations": {"example.com/team": "payments"},
        "podLabels": {"team": "payments"},
        "nodeSelector": {"disk": "local"},
        "tolerations": [{"key": "payments", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}
                    ]
                }
            }
        },
        "priorityClassName": "payments",
        "networkPolicy": {
            "collectorTo": [{"namespaceSelector": {}}],
            "extraEgress": [
                {"to": [{"namespaceSelector": {}}], "ports": [{"port": 9000}]},
            ],
        },
    },
}


def render(values=None, root=ROOT):
    """Returns every object that a release with `values` consists of."""
    objects = []
    for path, body in _templates(values, root).items():
        if path.endswith(".yaml"):
            objects += [found for found in yaml.safe_load_all(body) if found]
    return objects


def text(values=None):
    """Returns the objects as they are written, one template after another by name."""
    written = sorted(_templates(values).items())
    return "".join(
        f"--- # {path.removeprefix('paylink/')}\n{body.strip()}\n"
        for path, body in written
        if path.endswith(".yaml") and body.strip()
    )


def notes(values=None):
    """Returns what a person reads after the release is installed."""
    return _templates(values)["paylink/templates/NOTES.txt"]


def refusal(values):
    """Returns what Helm says on refusing `values`; fails if it accepts them."""
    try:
        _templates(values)
    except (helm.HelmValuesError, helm.HelmRenderError) as refused:
        return str(refused)
    raise AssertionError(f"the chart accepted {values}")


def one(objects, kind, name=f"{RELEASE}-paylink"):
    """Returns the single object of this kind and name."""
    found = [it for it in objects if it["kind"] == kind and it["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects are {kind} {name}"
    return found[0]


def kinds(objects):
    """Returns the kinds and names of the objects, sorted."""
    return sorted(f"{it['kind']} {it['metadata']['name']}" for it in objects)


def pod(objects):
    """Returns the specification of the deployment's pod."""
    return one(objects, "Deployment")["spec"]["template"]["spec"]


def container(objects):
    """Returns the one container of the pod."""
    containers = pod(objects)["containers"]
    assert len(containers) == 1
    return containers[0]


def settings(values=None):
    """Returns the program's configuration as the release renders it."""
    return tomllib.loads(one(render(values), "ConfigMap")["data"]["paylink.toml"])


def _templates(values, root=ROOT):
    with helm.Chart.load(root) as loaded:
        return loaded.render(values or {}, name=RELEASE, namespace="payments")
