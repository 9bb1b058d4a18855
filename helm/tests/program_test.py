"""The release binary starts with what the chart renders. `just chart-program` says which binary."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.request

import pytest

import chart

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 40

# What the Secrets hold in the test, by their keys. The database is a file here: what is tested is
# the way from values to the program, and PostgreSQL has tests of its own.
SECRETS = {
    "api-key": "rk_test_4eC39HqLyjWDarjtT1zdp7dc\n",
    "webhook-secrets": "whsec_one\nwhsec_two\n",
    "uri": "sqlite:{data}/paylink.db\n",
}

# What OpenSSL asks of an authority before it writes a list of revoked certificates.
AUTHORITY = """
[ca]
default_ca = it
[it]
database = index.txt
crlnumber = number
crl_extensions = of_lists
[of_lists]
authorityKeyIdentifier = keyid
"""


@pytest.fixture
def binary():
    found = os.environ.get("PAYLINK_BINARY")
    assert found, "PAYLINK_BINARY names no program; `just chart-program` does"
    return found


@pytest.mark.parametrize("values", chart.PROFILES.values(), ids=chart.PROFILES)
def the_rendered_configuration_starts_the_program(binary, values, tmp_path):
    objects = chart.render(values)
    arguments = chart.container(objects)["args"]
    ports = {name: _free_port() for name in ("50051", "8080", "9090", "12111")}
    config = _as_if_in_the_pod(objects, tmp_path, ports)

    command = [binary, arguments[0], arguments[1], config]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    killer = threading.Timer(START_SECONDS_MAX + STOP_SECONDS_MAX, process.kill)
    killer.start()
    try:
        # `serve` logs where it listens and `dev` prints it; both say the ports.
        said = ""
        while not all(port in said for port in list(ports.values())[:3]):
            line = process.stdout.readline()
            assert line, f"it ended by itself:\n{said}"
            said += line
        live = f"http://127.0.0.1:{ports['9090']}/live"
        assert urllib.request.urlopen(live, timeout=START_SECONDS_MAX).status == 200
        process.terminate()
        process.stdout.read()
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
        killer.cancel()


def the_program_knows_every_setting_of_the_schema(binary, tmp_path):
    schema = json.loads((chart.ROOT / "values.schema.json").read_text())["$defs"]["config"]
    given = _examples(schema)
    needed = {
        "stripe": {"accounts": {"it": {"secretName": "paylink-stripe-it"}}},
        "extraVolumes": [{"name": "files", "configMap": {"name": "files"}}],
        "extraVolumeMounts": [{"name": "files", "mountPath": "/etc/paylink/files"}],
    }
    objects = chart.render(needed | {"config": given})
    assert _paths(given) <= _paths(chart.settings(needed | {"config": given}))
    config = _as_if_in_the_pod(objects, tmp_path, {})
    done = subprocess.run(
        [binary, "config", "--config", config],
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _as_if_in_the_pod(objects, folder, ports):
    """Writes the files that the pod would have, with its folders and ports moved here."""
    data, secrets, config = folder / "data", folder / "secrets", folder / "paylink.toml"
    data.mkdir()
    for item in _secret_files(objects):
        path = secrets / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRETS[item["key"]].format(data=data))
    text = chart.one(objects, "ConfigMap")["data"]["paylink.toml"]
    text = text.replace("/etc/paylink/secrets", str(secrets)).replace("/data", str(data))
    policy = [it for it in objects if it["metadata"]["name"].endswith("-policy")]
    for rules in (it for it in policy if it["kind"] == "ConfigMap"):
        (folder / "policy.toml").write_text(rules["data"]["policy.toml"])
    text = text.replace("/etc/paylink/policy/", f"{folder}/")
    text = text.replace("/etc/paylink/cluster", str(_cluster(folder / "cluster")))
    text = text.replace("/etc/paylink/tls", str(_certificates(folder / "tls")))
    moved = re.sub(r'"0\.0\.0\.0:(\d+)"', lambda it: f'"127.0.0.1:{ports.get(it[1], 0)}"', text)
    config.write_text(moved)
    return config


def _secret_files(objects):
    """Which key of a Secret becomes which file of the pod."""
    for volume in chart.pod(objects)["volumes"]:
        if volume["name"] == "secrets":
            for source in volume["projected"]["sources"]:
                yield from source["secret"]["items"]


def _cluster(folder):
    """What a pod is given to ask the cluster for its keys with. Nobody answers there, and a service
    whose issuer is away starts all the same."""
    _certificates(folder)
    (folder / "token").write_text("token")
    return folder


def _certificates(folder):
    """An authority that has certified itself, and a list in which it has revoked nothing."""
    folder.mkdir()
    (folder / "ca.cnf").write_text(AUTHORITY)
    (folder / "index.txt").touch()
    (folder / "number").write_text("01\n")
    made = ["-subj", "/CN=shop-paylink", "-addext", "subjectAltName=DNS:shop-paylink"]
    made += ["-addext", "keyUsage=digitalSignature,keyCertSign,cRLSign"]
    pair = ["-keyout", "tls.key", "-out", "tls.crt"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    signed = ["-keyfile", "tls.key", "-cert", "tls.crt", "-md", "sha256", "-crldays", "2"]
    for command in (
        ["req", "-x509", *curve, *pair, *made],
        ["ca", "-config", "ca.cnf", "-gencrl", *signed, "-out", "ca.crl"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    shutil.copy(folder / "tls.crt", folder / "ca.crt")
    return folder


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _examples(schema):
    """One allowed value for every setting."""
    chosen = {
        "auth.anyone_may_call": False,
        "auth.issuers.it.ca_path": "/etc/paylink/files/ca.crt",
        "auth.issuers.it.jwks_path": "/etc/paylink/files/jwks.json",
        "auth.issuers.it.token_path": "/etc/paylink/files/token",
        "storage.url": "sqlite:/data/paylink.db",
        "stripe.accounts.it.stripe_account": "acct_1QyZ8tLkdIwHu7ix",
        "stripe.accounts.it.mode": "test",
        "stripe.base_url": "https://api.stripe.com",
        "stripe.mode": "test",
        "stripe.proxy_url": "http://proxy.example.com:3128",
        "sandbox.public_url": "https://pay.example.com",
        "telemetry.log_filter": "info",
        "telemetry.log_filter_file": "/etc/paylink/files/log-filter",
    }

    def example(path, node):
        if (name := ".".join(path)) in chosen:
            return chosen[name]
        match node:
            case {"additionalProperties": {"properties": inside}}:
                return {"it": example([*path, "it"], {"properties": inside})}
            case {"properties": inside}:
                return {key: example([*path, key], it) for key, it in inside.items()}
            case {"enum": [first, *_]}:
                return first
            case {"type": "boolean"}:
                return True
            case {"type": "integer" | "number"}:
                # A week's worth of days, and below every bound that a pod has.
                return min(7, node.get("maximum", 7))
            case {"type": "array", "items": items}:
                return [example(path, items)]
        return "text"

    return example([], schema)


def _paths(tree, above=()):
    if not isinstance(tree, dict):
        return {above}
    return set().union(*(_paths(held, (*above, key)) for key, held in tree.items()))
