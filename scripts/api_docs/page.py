"""Writes the documentation of the API: one page of Markdown."""

import json
import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from paylink_dev import Broken

from . import limits
from .descriptors import PACKAGE, Enum

INTRO = Path(__file__).with_name("intro.md")
ADDRESS = "localhost:50051"
# A longer answer needs a `show`, which says what of it is worth reading.
ANSWER_LINES_MAX = 50
# A longer line of a command is broken.
LINE_CHARACTERS_MAX = 100
# A longer part of a request is written over several lines.
PART_CHARACTERS_MAX = 66

# Marks are shown in a column of their own.
MARKS = re.compile(r"((Required|Optional|Immutable|Output only|Input only|Identifier)\.(\s+|$))+")
HEALTH = "grpc.health.v1.Health/Check"
HEALTH_COMMENT = (
    "Tells whether the service takes calls: SERVING, or NOT_SERVING while its storage fails or it "
    "stops. The request's `service` is empty or a service's full name. This is gRPC's own "
    "protocol: https://grpc.io/docs/guides/health-checking/."
)


def written(contract, examples, errors):
    """Returns the page. `errors` are the lines of a table of statuses."""
    page = _Page(contract, examples)
    sections = [
        INTRO.read_text().strip(),
        page.contents(),
        "## Errors\n\nEvery error carries `google.rpc.ErrorInfo` with domain `paylink`, and one of "
        "these reasons. RI is `RetryInfo`: the call can be made again, under the same "
        "`request_id`.\n\n" + "\n".join(errors),
        *(page.service(service) for service in contract.services),
        f"## Health\n\n{HEALTH_COMMENT}\n\n{page.examples(HEALTH)}",
    ]
    page.require_all_told()
    text = "\n\n".join(sections) + "\n"
    _require_own_anchors(text)
    return text


class _Page:
    def __init__(self, contract, examples):
        self._contract = contract
        self._examples = examples
        self._told = set()
        self._inline = {
            name
            for service in contract.services
            for method in service.methods
            for name in (method.request, method.response)
            if name in (f"{method.name}Request", f"{method.name}Response")
        }

    def contents(self):
        lines = ["## Contents", "", "- [Errors](#errors)"]
        for service in self._contract.services:
            methods = ", ".join(_link(method.name) for method in service.methods)
            types = ", ".join(_link(name) for name in self._resources(service) if "." not in name)
            lines += [f"- {_link(service.name)}: {methods}", f"  - messages: {types}"]
        lines.append("- [Health](#health)")
        return "\n".join(lines)

    def service(self, service):
        parts = [f"## {service.name}", service.comment]
        parts += [self._method(service, method) for method in service.methods]
        parts += [self._type(name) for name in self._resources(service)]
        return "\n\n".join(parts)

    def examples(self, method):
        """Returns the calls of a method, with their answers."""
        found = [example for example in self._examples if example.method == method]
        if not found:
            raise Broken(f"docs/examples.json has no example of {method}")
        return "\n\n".join(_example(example) for example in found)

    def require_all_told(self):
        """Fails if a message or an enum is nowhere on the page, or an example is of no method."""
        if missing := set(self._contract.types) - self._told:
            raise Broken(f"the page does not tell of {sorted(missing)}")
        known = {
            f"{PACKAGE}.{service.name}/{method.name}"
            for service in self._contract.services
            for method in service.methods
        } | {HEALTH}
        if strange := {example.method for example in self._examples} - known:
            raise Broken(f"docs/examples.json calls methods that are none: {sorted(strange)}")

    def _resources(self, service):
        return [name for name in service.types if name not in self._inline]

    def _method(self, service, method):
        kind = " Reads only." if method.reads_only else ""
        kind += f" Needs the permission `{method.permission}`."
        stream = "a stream of " if method.streams else ""
        parts = [f"### {method.name}", method.comment + kind]
        parts += [f"Takes `{method.request}`:", self._fields(method.request)]
        if method.response in self._inline:
            parts += [f"Answers with {stream}`{method.response}`:", self._fields(method.response)]
        elif method.response in self._contract.types:
            parts.append(f"Answers with {_link(method.response)}.")
        else:
            parts.append(f"Answers with `{method.response}`, which has no fields.")
        parts.append(self.examples(f"{PACKAGE}.{service.name}/{method.name}"))
        return "\n\n".join(parts)

    def _type(self, name):
        depth = "#" * (4 if "." in name else 3)
        told = self._contract.types[name]
        body = self._values(told) if isinstance(told, Enum) else self._fields(name)
        return f"{depth} {name}\n\n{told.comment}\n\n{body}"

    def _values(self, enum):
        self._told.add(enum.name)
        rows = [(f"`{value}`", comment) for value, comment in enum.values]
        return _table(["value", "meaning"], rows)

    def _fields(self, name):
        self._told.add(name)
        message = self._contract.types[name]
        if not message.fields:
            return "It has no fields."
        columns = ["field", "given", "type", "meaning"]
        rows = [self._field(field) for field in message.fields]
        if not any(given for _, given, _, _ in rows):
            columns, rows = [columns[0], *columns[2:]], [(row[0], *row[2:]) for row in rows]
        return "\n\n".join([_table(columns, rows), *_choices(message)])

    def _field(self, field):
        meaning = MARKS.sub("", field.comment, count=1)
        if bounds := limits.told(field.rules, meaning):
            meaning += f" Limits: {', '.join(bounds)}."
        given = ", ".join(limits.marks(field))
        return f"`{field.name}`", given, self._type_of(field), meaning

    def _type_of(self, field):
        def linked(name):
            return _link(name) if name in self._contract.types else f"`{name}`"

        mapped = re.fullmatch(r"map<(.+), (.+)>", field.type)
        if mapped:
            return f"map of {linked(mapped[1])} to {linked(mapped[2])}"
        return ("list of " if field.repeated else "") + linked(field.type)


def _require_own_anchors(text):
    """Fails if two headings have one anchor, for then links lead to the first of them."""
    anchors = Counter(_anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", text))
    if shared := [anchor for anchor, times in anchors.items() if times > 1]:
        raise Broken(f"headings of the page share the anchors {shared}")


def _choices(message):
    """Says which fields exclude each other."""
    lines = []
    for oneof in message.oneofs:
        names = [field.name for field in message.fields if field.oneof == oneof.name]
        meaning = MARKS.sub("", oneof.comment, count=1)
        lines.append(f"{_one_of(names, oneof.required)}: {meaning[0].lower()}{meaning[1:]}")
    for choice in message.choices:
        lines.append(f"{_one_of(choice['fields'], choice.get('required', False))} is given.")
    return lines


def _one_of(names, required):
    quoted = [f"`{name}`" for name in names]
    if len(quoted) == 1:
        return f"{quoted[0]} is {'required' if required else 'optional'}"
    listed = f"{', '.join(quoted[:-1])} and {quoted[-1]}"
    return f"{'Exactly' if required else 'At most'} one of {listed}"


def _example(example):
    parts = [example.about] if example.about else []
    command = ["grpcurl", "-plaintext"]
    if example.header:
        command.append("-v")
    if example.refused:
        command.append("-format-error")
    if example.asked:
        request = _compact(example.asked)
        if "'" in request:
            raise Broken(f"an apostrophe would end the shell's quotes: {request}")
        command += ["-d", f"'{request}'"]
    command.append(f"{ADDRESS} {example.method}")
    lines = [f"$ {' '.join(command)}"]
    if len(lines[0].splitlines()[-1]) > LINE_CHARACTERS_MAX:
        lines = [f"$ {' '.join(command[:-1])} \\", f"    {command[-1]}"]
    if example.header:
        name, value = example.header
        lines += ["...", f"{name}: {value}", "..."]
    answers = example.answer if isinstance(example.answer, list) else [example.answer]
    for answer in answers:
        lines += _answer(answer, example)
    parts.append("\n".join(["```console", *lines, "```"]))
    return "\n\n".join(parts)


def _answer(answer, example):
    wanted = [path.split(".") for path in example.show]
    text = json.dumps(_shown(answer, wanted), ensure_ascii=False, indent=2)
    # A place where something was left out is marked by a key or an item that is an ellipsis.
    text = re.sub(r'"\.\.\."(: "\.\.\.")?', "...", text)
    lines = text.splitlines()
    if len(lines) > ANSWER_LINES_MAX:
        raise Broken(f"the answer of {example.method} is long; name in `show` what to show of it")
    return lines


def _shown(value, wanted):
    """Returns the part of an answer below the wanted paths: all of it when there are none."""
    if not wanted or not isinstance(value, (dict, list)):
        return value
    items = value.items() if isinstance(value, dict) else enumerate(value)
    by_key = {
        key: [path[1:] for path in paths]
        for key, paths in groupby(sorted(wanted), key=lambda path: path[0])
    }
    kept = {
        key: _shown(inner, [path for path in by_key[str(key)] if path])
        for key, inner in items
        if str(key) in by_key
    }
    left_out = len(kept) < len(value)
    if isinstance(value, dict):
        return kept | ({"...": "..."} if left_out else {})
    return [*kept.values(), *(["..."] if left_out else [])]


def _compact(value, indent=""):
    """Writes JSON with whatever fits on a line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(indent + flat) <= PART_CHARACTERS_MAX:
        return flat
    inside = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_compact(part, inside)}" for key, part in value.items()]
    else:
        items = [_compact(part, inside) for part in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = ",\n".join(inside + item for item in items)
    return f"{opening}\n{lines}\n{indent}{closing}"


def _table(columns, rows):
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _link(name):
    return f"[{name}](#{_anchor(name)})"


def _anchor(heading):
    """Returns the anchor that GitHub gives a heading."""
    return re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-"))


def _cell(text):
    return text.replace("\n\n", " ").replace("|", "\\|")
