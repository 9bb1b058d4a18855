"""What the rules of a field demand, in words that a table has room for."""

import re

BEHAVIORS = {
    "REQUIRED": "required",
    "OPTIONAL": "optional",
    "IDENTIFIER": "identifier",
    "IMMUTABLE": "immutable",
    "INPUT_ONLY": "input only",
    "OUTPUT_ONLY": "output only",
}


def marks(field):
    """Returns who gives a field, and when."""
    found = [BEHAVIORS[behavior] for behavior in field.behaviors]
    if field.mapping.get("updateOnly"):
        found.append("update only")
    if field.mapping.get("clearable"):
        found.append("clearable")
    return found


def told(rules, meaning):
    """Returns the limits of a field that its comment does not tell already."""
    found = []
    for kind, rule in rules.items():
        found += _KINDS[kind](rule)
    return [limit for limit in found if not _is_told(limit, meaning)]


def _string(rule):
    found = []
    if "minLen" in rule or "maxLen" in rule:
        found.append(_span(rule.get("minLen"), rule.get("maxLen"), "characters"))
    if "pattern" in rule:
        found.append(f"`{rule['pattern']}`")
    if rule.get("uuid"):
        found.append("a UUID")
    return found


def _number(rule):
    return [_span(rule.get("gte"), rule.get("lte"), "")]


def _repeated(rule):
    found = []
    if "minItems" in rule or "maxItems" in rule:
        found.append(_span(rule.get("minItems"), rule.get("maxItems"), "items"))
    return found + _each("each", rule.get("items", {}))


def _map(rule):
    found = []
    if "maxPairs" in rule:
        found.append(_span(None, rule["maxPairs"], "entries"))
    return found + _each("keys", rule.get("keys", {})) + _each("values", rule.get("values", {}))


def _each(what, rules):
    inner = [limit for kind, rule in rules.items() for limit in _KINDS[kind](rule)]
    return [f"{what} {limit}" for limit in inner]


def _enum(rule):
    # Every enum takes its own values only, which nobody needs to be told.
    return []


def _span(least, most, unit):
    if least is None:
        text = f"up to {most}"
    elif most is None:
        text = f"{least} or more"
    else:
        text = f"{least} to {most}"
    return f"{text} {unit}".strip()


def _is_told(limit, meaning):
    """Tells whether the comment has the numbers of a limit in it."""
    if "`" in limit:
        return limit.split(" ")[-1] in meaning
    if limit == "a UUID":
        return "UUID" in meaning
    numbers = re.findall(r"\d+", limit)
    said = set(re.findall(r"\d+", meaning))
    return all(number in said for number in numbers)


# A kind of rule that is not here stops the page: what it demands would go untold.
_KINDS = {
    "string": _string,
    "int32": _number,
    "int64": _number,
    "repeated": _repeated,
    "map": _map,
    "enum": _enum,
}
