"""The sections of values.yaml as tables for the chart's README."""

import json
import re

import yaml

RULE = re.compile(r"# -{40,}")


class Undocumented(Exception):
    """A key without a sentence."""


def tables(text):
    """Returns the Markdown of every section of `text`, which is values.yaml."""
    lines = text.splitlines()
    written = []
    for title, rows in _sections(lines, yaml.compose(text)):
        written += [f"### {title}", "", "| key | default | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(written).strip() + "\n"


def _sections(lines, root):
    titles = {at: lines[at][2:] for at in range(1, len(lines)) if _is_title(lines, at)}
    sections = {title: [] for title in titles.values()}
    for key, value in root.value:
        at = key.start_mark.line
        title = titles[max(line for line in titles if line < at)]
        sections[title] += _rows(lines, key, value, ())
    return sections.items()


def _is_title(lines, at):
    return bool(RULE.match(lines[at - 1]) and at + 1 < len(lines) and RULE.match(lines[at + 1]))


def _rows(lines, key, value, above):
    """A mapping without a sentence of its own, or whose keys have one each, is a group; anything
    else is a value."""
    path = (*above, key.value)
    meaning = _comment(lines, key)
    inside = value.value if isinstance(value, yaml.MappingNode) else []
    if inside and (not meaning or any(_comment(lines, it) for it, _ in inside)):
        rows = [f"| `{'.'.join(path)}` | | {_cell(meaning)} |"] if meaning else []
        for inner, held in inside:
            rows += _rows(lines, inner, held, path)
        return rows
    if not meaning:
        raise Undocumented(f"values.yaml says nothing about {'.'.join(path)}")
    return [f"| `{'.'.join(path)}` | `{_default(value)}` | {_cell(meaning)} |"]


def _comment(lines, key):
    """The sentences right above a key."""
    found = []
    prefix = " " * key.start_mark.column + "# "
    at = key.start_mark.line - 1
    while at >= 0 and lines[at].startswith(prefix) and not RULE.match(lines[at].strip()):
        found.append(lines[at].removeprefix(prefix))
        at -= 1
    return " ".join(reversed(found))


def _default(node):
    value = yaml.safe_load(yaml.serialize(node))
    return json.dumps(value) if not isinstance(value, str) or not value else value


def _cell(text):
    return text.replace("|", "\\|")
