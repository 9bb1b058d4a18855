"""Writes what Stripe's published description states about answers as JSON Schemas without prose."""

import json

# Ways to pay that no link takes. What is left out may not be in an answer either.
LEFT_OUT = ("_present", "account_controller_", "acss_debit", "amazon_pay", "crypto")
LEFT_OUT += ("customer_balance", "financial_address", "interac", "kakao", "kr_card", "legal_entity")
LEFT_OUT += ("mandate_options", "naver_pay", "nz_bank", "payco", "revolut", "samsung_pay")
LEFT_OUT += ("scalapay", "treasury")


def text(description, endpoints):
    """The schemas of the answers of some endpoints, one a line."""
    schemas = _Schemas(description["components"]["schemas"])
    answers = {}
    for path, methods in endpoints.items():
        for method in methods.split():
            answer = description["paths"][path][method]["responses"]["200"]
            schema = answer["content"]["application/json"]["schema"]
            answers[f"{method.upper()} {path}"] = schema
    schemas.serve(answers.values())
    shown = {name: schemas.convert(schema) for name, schema in answers.items()}
    error = schemas.convert({"$ref": "#/components/schemas/error"})
    sections = {"answers": {**shown, "error": error}, "schemas": schemas.written()}
    version = json.dumps(description["info"]["version"])
    body = ",\n".join(_section(name, section) for name, section in sections.items())
    return f'{{\n"version": {version},\n{body}\n}}\n'


def _section(name, section):
    lines = (
        f"{json.dumps(key)}: {json.dumps(section[key], separators=(',', ':'), sort_keys=True)}"
        for key in sorted(section)
    )
    return f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}"


class _Schemas:
    """The schemas that are needed, gathered while they are converted."""

    def __init__(self, described):
        self.described = described
        self.served = set()
        self.converted = {}

    def serve(self, answers):
        """Notes which objects have endpoints here; of others only identifiers are shown."""
        for answer in answers:
            self.served |= set(_names(answer))

    def written(self):
        return {name: schema for name, schema in self.converted.items() if schema is not None}

    def convert(self, schema):
        inner = self._inner(schema)
        if not schema.get("nullable"):
            return inner
        if inner == {}:
            return inner
        return {"anyOf": [inner, {"type": "null"}]}

    def _inner(self, schema):
        if "$ref" in schema:
            return self._reference(schema["$ref"].rsplit("/", 1)[1])
        if "anyOf" in schema:
            kept = [one for one in schema["anyOf"] if not self._is_left_out(one)]
            if "x-expansionResources" in schema:
                kept = [one for one in kept if not self._is_foreign(one)]
            return {"anyOf": [self.convert(one) for one in kept]}
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return {"type": "array", "items": self.convert(schema["items"])}
        inner = {"type": kind} if kind else {}
        if "enum" in schema:
            inner["enum"] = schema["enum"]
        return inner

    def _object(self, schema):
        further = schema.get("additionalProperties")
        if "properties" not in schema:
            values = self.convert(further) if isinstance(further, dict) else {}
            return {"type": "object", "additionalProperties": values}
        members = schema["properties"].items()
        shown = {name: self.convert(one) for name, one in members if not self._is_left_out(one)}
        required = [name for name in schema.get("required", []) if name in shown]
        inner = {"type": "object", "properties": shown, "additionalProperties": False}
        return {**inner, "required": required} if required else inner

    def _reference(self, name):
        if name not in self.converted:
            self.converted[name] = None
            self.converted[name] = self._inner(self.described[name])
        return {"$ref": f"#/schemas/{name}"}

    def _is_left_out(self, schema):
        """Whether a schema is only of other ways to pay."""
        names = list(_names(schema)) if "anyOf" in schema or "$ref" in schema else []
        texts = [one for one in schema.get("anyOf", []) if "$ref" not in one]
        other = (any(word in name for word in LEFT_OUT) for name in names)
        return bool(names) and not texts and all(other)

    def _is_foreign(self, schema):
        """Whether a schema is of an object without endpoints here."""
        name = schema.get("$ref", "").rsplit("/", 1)[-1]
        return bool(name) and name not in self.served and not name.startswith("deleted_")


def _names(schema):
    """The names of the schemas that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rsplit("/", 1)[1]
        for key, value in schema.items():
            if key != "x-expansionResources":
                yield from _names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _names(value)
