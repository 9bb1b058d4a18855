"""What Stripe's description says about answers and events, held against those of the sandbox."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

SCHEMAS = json.loads((Path(__file__).parent / "schemas.json").read_text())

# Members that Stripe's own answers have and its description has not.
UNDESCRIBED = {"product": {"type"}, "recurring": {"trial_period_days"}}


class Answers:
    """Holds answers against the description, and remembers where they differ."""

    def __init__(self):
        for name, members in UNDESCRIBED.items():
            described = SCHEMAS["schemas"][name]["properties"]
            described.update({member: {} for member in members})
        self.endpoints = [name.split(" ") for name in SCHEMAS["answers"] if " " in name]
        self.validators = {}
        self.seen = set()
        self.checked = 0
        self.wrong = []

    def answer(self, method, path, status, body):
        """Checks the answer to a request."""
        endpoint = self._endpoint(method, path)
        name = "error" if status >= 400 else endpoint
        if name is None:
            self.wrong.append(f"{method} {path}: {status}, but is not described")
            return
        self.seen |= {name, endpoint}
        self._check(f"{method} {path} {status}", SCHEMAS["answers"][name], name, body)
        if isinstance(body, dict):
            self._events(body)

    def event(self, event):
        """Checks an event that was delivered."""
        self._check(f"event {event['type']}", {"$ref": "#/schemas/event"}, "event", event)
        self._events(event)

    def missing(self):
        """The endpoints that no answer came from."""
        return sorted(SCHEMAS["answers"].keys() - self.seen)

    def _events(self, body):
        """An event's object is described by its own name."""
        many = body["data"] if body.get("object") == "list" else [body]
        for event in many:
            if event.get("object") == "event":
                shown = event["data"]["object"]
                name = shown["object"]
                where = f"the {name} of event {event['type']}"
                self._check(where, {"$ref": f"#/schemas/{name}"}, f"object {name}", shown)

    def _check(self, where, schema, key, body):
        self.checked += 1
        if key not in self.validators:
            whole = {**schema, "schemas": SCHEMAS["schemas"]}
            self.validators[key] = Draft202012Validator(whole)
        error = best_match(self.validators[key].iter_errors(body))
        if error is not None:
            self.wrong.append(f"{where}: {error.json_path}: {error.message[:300]}")

    def _endpoint(self, method, path):
        """The endpoint of a request; one without placeholders is the nearer one."""
        fitting = [
            pattern
            for its, pattern in self.endpoints
            if its == method and _fits(pattern.split("/"), path.split("/"))
        ]
        nearest = min(fitting, key=lambda pattern: pattern.count("{"), default=None)
        return nearest and f"{method} {nearest}"


def _fits(pattern, path):
    return len(pattern) == len(path) and all(
        want == have or want.startswith("{") for want, have in zip(pattern, path, strict=True)
    )
