"""The examples of the documentation: calls in the order of `docs/examples.json`, and the answers
that a paylink gave to them, in `docs/answers.json`.

What differs from run to run, such as ids and times, is written in `Fixed` words, so that an
answer is the same in every run, and two answers speak of the same thing by the same id.
"""

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import Template

from paylink_dev import Broken

from . import buyer

HEX_ALPHABET = "0123456789abcdef"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# When every example of the documentation was made, and where its sandbox is.
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SANDBOX = "127.0.0.1:12111"

ID = re.compile(r"\b((?:[a-z]+_)+)([0-9A-Za-z]{14,})\b")
HEX = re.compile(
    r"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
PAGE_TOKEN_CHARACTERS = 48
# How much of an image is the same in every run.
IMAGE_CHARACTERS = 32


@dataclass
class Example:
    """A call, as the documentation shows it, with the answer: all messages of a stream.

    `header` is a name and a value to show with the answer. `show` are the paths of the answer that
    are worth reading; without any, all of it is."""

    method: str
    about: str
    asked: dict
    answer: object
    header: tuple | None
    refused: bool
    show: list


def read(folder):
    """Returns the examples with the committed answers."""
    steps = json.loads((folder / "examples.json").read_text())
    answers = json.loads((folder / "answers.json").read_text())
    calls = [step for step in steps if "method" in step]
    if [call["method"] for call in calls] != [told["method"] for told in answers]:
        raise Broken("docs/answers.json is not of docs/examples.json; `just examples` makes it")
    names, examples = {}, []
    for call, told in zip(calls, answers, strict=True):
        header = call.get("header")
        examples.append(
            Example(
                call["method"],
                call.get("about", ""),
                _filled(call["request"], names),
                told["answer"],
                header and (header, told["header"]),
                call.get("refused", False),
                call.get("show", []),
            )
        )
        names |= _saved(call, told["answer"])
    return examples


def run(folder, api, sandbox):
    """Makes every call and payment, and returns the answers as they are committed."""
    fixed = Fixed(sandbox)
    names, answers = {}, []
    for step in json.loads((folder / "examples.json").read_text()):
        if "pay" in step:
            buyer.pay(Template(step["pay"]).substitute(names))
            continue
        request = _filled(step["request"], names)
        told = _told(step, request, api)
        names |= _saved(step, told["answer"])
        before = sum(1 for answer in answers if answer["method"] == step["method"])
        place = f"{step['method']}#{before}"
        answers.append({"method": step["method"], **fixed.words(told, place)})
    return answers


class Fixed:
    """Words in place of those that differ from run to run: the same for the same."""

    def __init__(self, sandbox):
        self._sandbox = sandbox.removeprefix("http://")
        self._start = datetime.now(UTC).replace(microsecond=0)
        self._known = {}

    def words(self, value, place):
        """Returns a value in fixed words; where it stands decides on the new ones."""
        if isinstance(value, dict):
            # A drawing of what differs differs everywhere.
            value = {k: v[:IMAGE_CHARACTERS] if k == "image" else v for k, v in value.items()}
            return {key: self.words(inner, f"{place}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [self.words(inner, f"{place}.{at}") for at, inner in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, place)
        return value

    def _text(self, text, place):
        if place.endswith(".nextPageToken"):
            return self._same(text, lambda: _digits(HEX_ALPHABET, PAGE_TOKEN_CHARACTERS, place))
        if TIME.fullmatch(text):
            return self._time(text)
        text = text.replace(self._sandbox, SANDBOX)
        text = HEX.sub(lambda found: self._same(found[0], lambda: _hex(found[0], place)), text)
        return ID.sub(lambda found: found[1] + self._id(found[2], place + found[1]), text)

    def _id(self, word, place):
        return self._same(word, lambda: _digits(ALPHABET, len(word), place))

    def _same(self, word, new):
        if word not in self._known:
            self._known[word] = new()
        return self._known[word]

    def _time(self, text):
        passed = datetime.fromisoformat(text) - self._start + timedelta(minutes=1)
        hours = passed // timedelta(hours=1)
        return (NOW + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _told(step, request, api):
    method = step["method"]
    if step.get("refused"):
        return {"answer": api.status(method, request)}
    if "messages" in step:
        wanted = step["messages"]
        # A heartbeat comes when nothing has happened, which no example is about.
        told = (message for message in api.watch(method, request) if "heartbeat" not in message)
        messages = list(itertools.islice(told, wanted))
        if len(messages) < wanted:
            raise Broken(f"{method} gave {len(messages)} messages in time, not {wanted}")
        return {"answer": messages}
    if "header" in step:
        headers, answer = api.call_with_headers(method, request)
        if step["header"] not in headers:
            raise Broken(f"{method} gave no header {step['header']}, only {headers}")
        return {"answer": answer, "header": headers[step["header"]]}
    return {"answer": api.call(method, request)}


def _filled(value, names):
    return json.loads(Template(json.dumps(value)).substitute(names))


def _saved(step, answer):
    first = answer[0] if "messages" in step else answer
    return {name: _at(first, path) for name, path in step.get("save", {}).items()}


def _at(answer, path):
    value = answer
    try:
        for key in path.split("."):
            value = value[int(key) if isinstance(value, list) else key]
    except (KeyError, IndexError):
        raise Broken(f"there is no `{path}` to save in {answer}") from None
    return value


def _hex(word, place):
    digits = iter(_digits(HEX_ALPHABET, len(word), place))
    return "".join(character if character == "-" else next(digits) for character in word)


def _digits(alphabet, length, place):
    """Digits that look random, and are the same for the same place."""
    number = int.from_bytes(hashlib.sha512(place.encode()).digest())
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(digits)
