"""The program's settings, read from its commented defaults: as a page, and as a JSON schema for the
chart."""

import json
import re
import tomllib

# Settings and tables that the chart makes itself: ports that its Services lead to, secrets and
# certificates, which are files, and where TLS ends. Values cannot name them.
MADE_BY_THE_CHART = {
    "auth.policy_path",
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
    "stripe.accounts.*.api_key_file",
    "stripe.accounts.*.webhook_secrets_file",
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
    "telemetry.otlp_protocol": {"enum": ["grpc", "http"]},
    "telemetry.trace_ratio": {"maximum": 1},
}

# A table that is commented out is one of many, and its last name is an example.
TABLE = re.compile(r"(# )?\[([a-z_.]+)\]")
ANY = "*"
SETTING = re.compile(r"(# )?([a-z_0-9]+) = (.+)")

INTRODUCTION = """# Configuration

Every setting of paylink, written out of [`src/config/default.toml`](../src/config/default.toml),
which is compiled in. `paylink config` prints what is in force, with secrets masked.

- A file given by `--config` needs only what differs.
- Over it comes the environment: `listen` in `[grpc]` is `PAYLINK__GRPC__LISTEN`, with two
  underscores between levels.
- A secret can stand in a file of its own: `api_key_file = "/path"`, or
  `PAYLINK__STRIPE__API_KEY_FILE=/path`.
- A key that is not listed here is refused at start, by name.
- Variables that begin with `OTEL_` mean what OpenTelemetry says.
- In the chart, [`config`](../helm/README.md#the-programs-own-settings) is this file as YAML.
"""


def schema(defaults):
    """Returns the closed schema of everything that `defaults`, a commented TOML file, has."""
    root = _table("The program's own configuration file, as YAML. Its defaults apply where unset.")
    for path, value, meaning, _ in settings(defaults):
        *tables, key = path.split(".")
        if {path, ".".join(tables)} & MADE_BY_THE_CHART:
            continue
        parent = root
        for name in tables:
            parent = _inner(parent, name)
        parent["properties"][key] = {"description": meaning} | _type(value) | _narrower(path)
    return root


def page(defaults):
    """Returns Markdown that tells of every setting, table by table."""
    tables = {}
    for path, value, meaning, applies in settings(defaults):
        table, _, key = path.rpartition(".")
        shown = f"`{json.dumps(value, ensure_ascii=False)}`"
        default = shown if applies else f"unset, for example {shown}"
        rows = tables.setdefault(table.replace(ANY, "NAME"), [])
        told = meaning.replace("|", "\\|").replace("<", "&lt;")
        rows.append(f"| `{key}` | {default} | {told} |")
    head = ["| key | default | meaning |", "|---|---|---|"]
    parts = (["", f"## `[{table}]`", "", *head, *rows] for table, rows in tables.items())
    return INTRODUCTION + "\n".join(line for part in parts for line in part) + "\n"


def settings(defaults):
    """Yields of each setting, in order: its path, its default, its meaning, and whether the default
    applies. Where it is commented out it does not, and its value is an example. In a path, `*` is a
    name of the operator's choice."""
    table, comment = "", []
    for line in defaults.splitlines():
        if opened := TABLE.fullmatch(line):
            table, comment = opened[2], []
            if opened[1]:
                table = f"{table.rpartition('.')[0]}.{ANY}"
        elif found := SETTING.fullmatch(line):
            value = tomllib.loads(f"it = {found[3]}")["it"]
            if not comment:
                raise ValueError(f"the defaults say nothing about {table}.{found[2]}")
            yield f"{table}.{found[2]}", value, " ".join(comment), not found[1]
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
