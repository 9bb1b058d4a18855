"""The contract as `buf` reads it: services, methods, messages, fields and enums, each with its
comment and the options that callers care about."""

import json
import re
import subprocess
from dataclasses import dataclass, field

PACKAGE = "paylink.v1"

PERMISSION = "[paylink.annotations.v1.permission]"

# Where a descriptor keeps its parts, by the field numbers of descriptor.proto, which is how
# comments are addressed.
FILE_MESSAGES, FILE_ENUMS, FILE_SERVICES = 4, 5, 6
MESSAGE_FIELDS, MESSAGE_NESTED, MESSAGE_ENUMS, MESSAGE_ONEOFS = 2, 3, 4, 8
SERVICE_METHODS = ENUM_VALUES = 2


@dataclass
class Method:
    """A method of a service."""

    name: str
    comment: str
    request: str
    response: str
    streams: bool
    reads_only: bool
    permission: str


@dataclass
class Service:
    """A service, with the names of what its file declares beside it."""

    name: str
    comment: str
    methods: list
    types: list


@dataclass
class Field:
    """A field. `oneof` names the group of which one alone is given."""

    name: str
    comment: str
    type: str
    behaviors: list
    rules: dict
    mapping: dict
    oneof: str | None
    repeated: bool


@dataclass
class Oneof:
    """A group of fields of which one alone is given."""

    name: str
    comment: str
    required: bool


@dataclass
class Message:
    """A message. `choices` are fields of which one alone is given, by a rule."""

    name: str
    comment: str
    fields: list
    oneofs: list
    choices: list


@dataclass
class Enum:
    """An enum, with the name and comment of each value."""

    name: str
    comment: str
    values: list


@dataclass
class Contract:
    """All services, and all types by their names below the package."""

    services: list = field(default_factory=list)
    types: dict = field(default_factory=dict)


def read(root):
    """Returns the contract of the protos below a root, which `buf` must accept."""
    built = subprocess.run(
        ["buf", "build", "--as-file-descriptor-set", "-o", "-#format=json"],
        cwd=root,
        stdout=subprocess.PIPE,
        check=True,
    )
    contract = Contract()
    for file in json.loads(built.stdout)["file"]:
        if file.get("package") == PACKAGE:
            _read_file(file, contract)
    return contract


def short(type_name):
    """Returns the name of a type below the package, and any other name as it is."""
    return type_name.lstrip(".").removeprefix(f"{PACKAGE}.")


def _read_file(file, contract):
    comments = {
        tuple(at.get("path", ())): _prose(at.get("leadingComments", ""))
        for at in file["sourceCodeInfo"]["location"]
    }
    before = set(contract.types)
    for index, message in enumerate(file.get("messageType", [])):
        _read_message(message, (FILE_MESSAGES, index), "", comments, contract)
    for index, enum in enumerate(file.get("enumType", [])):
        _read_enum(enum, (FILE_ENUMS, index), "", comments, contract)
    types = [name for name in contract.types if name not in before]
    for index, service in enumerate(file.get("service", [])):
        path = (FILE_SERVICES, index)
        methods = [
            _method(method, comments[(*path, SERVICE_METHODS, at)])
            for at, method in enumerate(service["method"])
        ]
        contract.services.append(Service(service["name"], comments[path], methods, types))


def _read_message(message, path, outside, comments, contract):
    name = outside + message["name"]
    options = message.get("options", {})
    oneofs = [
        Oneof(
            oneof["name"],
            comments.get((*path, MESSAGE_ONEOFS, at), ""),
            oneof.get("options", {}).get("[buf.validate.oneof]", {}).get("required", False),
        )
        for at, oneof in enumerate(message.get("oneofDecl", []))
    ]
    nested = {f"{name}.{inner['name']}": inner for inner in message.get("nestedType", [])}
    fields = [
        _field(field, comments[(*path, MESSAGE_FIELDS, at)], oneofs, nested)
        for at, field in enumerate(message.get("field", []))
    ]
    used = {field.oneof for field in fields}
    contract.types[name] = Message(
        name,
        comments[path],
        fields,
        [oneof for oneof in oneofs if oneof.name in used],
        options.get("[buf.validate.message]", {}).get("oneof", []),
    )
    for at, enum in enumerate(message.get("enumType", [])):
        _read_enum(enum, (*path, MESSAGE_ENUMS, at), f"{name}.", comments, contract)
    for at, inner in enumerate(message.get("nestedType", [])):
        if not _is_map_entry(inner):
            _read_message(inner, (*path, MESSAGE_NESTED, at), f"{name}.", comments, contract)


def _read_enum(enum, path, outside, comments, contract):
    name = outside + enum["name"]
    values = [
        (value["name"], comments[(*path, ENUM_VALUES, at)])
        for at, value in enumerate(enum["value"])
    ]
    contract.types[name] = Enum(name, comments[path], values)


def _method(method, comment):
    level = method.get("options", {}).get("idempotencyLevel")
    return Method(
        method["name"],
        comment,
        short(method["inputType"]),
        short(method["outputType"]),
        method.get("serverStreaming", False),
        level == "NO_SIDE_EFFECTS",
        method["options"][PERMISSION],
    )


def _field(field, comment, oneofs, nested):
    options = field.get("options", {})
    repeated = field["label"] == "LABEL_REPEATED"
    type_name = _type(field)
    entry = nested.get(type_name)
    if entry and _is_map_entry(entry):
        key, value = (_type(part) for part in entry["field"])
        type_name, repeated = f"map<{key}, {value}>", False
    grouped = "oneofIndex" in field and not field.get("proto3Optional", False)
    return Field(
        field["name"],
        comment,
        type_name,
        options.get("[google.api.field_behavior]", []),
        options.get("[buf.validate.field]", {}),
        options.get("[paylink.annotations.v1.stripe]", {}),
        oneofs[field["oneofIndex"]].name if grouped else None,
        repeated,
    )


def _type(field):
    if "typeName" in field:
        return short(field["typeName"])
    return field["type"].removeprefix("TYPE_").lower()


def _is_map_entry(message):
    return message.get("options", {}).get("mapEntry", False)


def _prose(comment):
    """Joins the lines of each paragraph of a comment."""
    paragraphs = re.split(r"\n\s*\n", comment.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
