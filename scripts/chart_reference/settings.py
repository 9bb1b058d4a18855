"""The program's settings, read from its commented defaults, as a JSON schema for the chart."""

import re
import tomllib

# Settings and tables that the chart makes itself: ports that its Services lead to, secrets and
# certificates, which are files, and where TLS ends. Values cannot name them.
MADE_BY_THE_CHART = {
    "auth.policy",
    "grpc.listen",
    "grpc.plaintext",
    "grpc.tls.certificate_path",
    "grpc.tls.client_ca_path",
    "grpc.tls.client_crl_path",
    "grpc.tls.key_path",
    "webhook.listen",
    "webhook.plaintext",
    "webhook.tls",
    "operations.listen",
    "sandbox.listen",
    "sandbox.api_key",
    "sandbox.webhook_secret",
    "sandbox.webhook_url",
    "stripe.api_key",
    "stripe.webhook_secrets",
}

# What a type alone does not say. A pod has no use for what these leave out.
NARROWER = {
    "auth.require": {
        "items": {"enum": ["certificate", "token"]},
        "uniqueItems": True,
    },
    "grpc.tls.client_certificates": {"enum": ["required", "optional", "off"]},
    "payments.source": {"enum": ["webhook", "poll"]},
    "sandbox.public_url": {"pattern": "^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$"},
    "storage.url": {"pattern": "^sqlite:/data/[A-Za-z0-9._-]+$"},
    "stripe.base_url": {"pattern": "^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$"},
    "telemetry.log_format": {"enum": ["json", "text"]},
}

# A table that is commented out is one of many, and its last name is an example.
TABLE = re.compile(r"(# )?\[([a-z_.]+)\]")
ANY = "*"
SETTING = re.compile(r"(# )?([a-z_0-9]+) = (.+)")


def schema(defaults):
    """Returns the closed schema of everything that `defaults`, a commented TOML file, has."""
    root = _table("The program's own configuration file, as YAML. Its defaults apply where unset.")
    for path, value, meaning in settings(defaults):
        *tables, key = path.split(".")
        if {path, ".".join(tables)} & MADE_BY_THE_CHART:
            continue
        parent = root
        for name in tables:
            parent = _inner(parent, name)
        parent["properties"][key] = {"description": meaning} | _type(value) | _narrower(path)
    return root


def settings(defaults):
    """Yields the path, the default and the meaning of each setting, in order. What is commented
    out counts: its value is an example. In a path, `*` is a name of the operator's choice."""
    table, comment = "", []
    for line in defaults.splitlines():
        if opened := TABLE.fullmatch(line):
            table, comment = opened[2], []
            if opened[1]:
                table = f"{table.rpartition('.')[0]}.{ANY}"
        elif found := SETTING.fullmatch(line):
            value = tomllib.loads(f"it = {found[3]}")["it"]
            yield f"{table}.{found[2]}", value, " ".join(comment)
            comment = []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        else:
            comment = []


def _inner(parent, name):
    """The table of that name in another, made where there is none."""
    if name == ANY:
        if parent.get("additionalProperties") is False:
            parent["additionalProperties"] = _table()
        return parent["additionalProperties"]
    return parent["properties"].setdefault(name, _table())


def _table(meaning=None):
    described = {"description": meaning} if meaning else {}
    return described | {"type": "object", "additionalProperties": False, "properties": {}}


def _type(value):
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer", "minimum": 0}
        case float():
            return {"type": "number", "minimum": 0}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": _type(value[0] if value else "")}
    raise ValueError(f"no schema for {value!r}")


def _narrower(path):
    return NARROWER.get(path, {})
