"""What docs/install.md tells a newcomer to type."""

import json
import re
import shlex
from itertools import pairwise

import yaml

import chart

GUIDE = (chart.ROOT.parent / "docs/install.md").read_text()


def every_installation_of_the_guide_is_accepted():
    commands = re.findall(r"helm install (?:[^\n]*\\\n)*[^\n]*", GUIDE)
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "))
        assert chart.render(_values(words))


def the_page_that_the_guide_leads_to_makes_certificates_of_the_guides_callers():
    page = (chart.ROOT.parent / "docs/security.md").read_text()
    names = re.search(r"for name in (.*); do", page)[1].split()
    uri = re.search(r'URI:(\S+)"', page)[1]
    made = {uri.replace("$name", name) for name in names}
    permitted = {
        it for group in re.findall(r"identities: (\[.*\])", GUIDE) for it in json.loads(group)
    }
    assert permitted and permitted <= made
    (domain,) = chart.settings()["auth"]["trust_domains"]
    assert all(it.startswith(f"spiffe://{domain}/") for it in permitted)


def _values(words):
    """The files and settings of a command, one over the other."""
    values = {}
    for option, value in pairwise(words):
        if option == "-f" and value == "values.yaml":
            block = re.search(r"```yaml\n\s*# values.yaml\n(.*?)```", GUIDE, re.DOTALL)
            values = _over(values, yaml.safe_load(block[1]))
        elif option == "-f":
            values = _over(values, yaml.safe_load((chart.ROOT.parent / value).read_text()))
        elif option == "--set":
            path, text = value.split("=", 1)
            for key in reversed(path.split(".")):
                text = {key: text}
            values = _over(values, text)
    return values


def _over(below, above):
    """Merges as Helm does: tables by key, and the rest replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _over(below.get(key), held) for key, held in above.items()}
