"""What the alerts and the dashboard name is there: runbooks, metrics, tests of their own."""

import json
import re

import yaml

import chart

DOCS = chart.ROOT.parent / "docs"
METRIC = re.compile(r"\b(?:paylink|rpc|http|db)_[a-z_]+")
# What Prometheus makes of a histogram.
SERIES = re.compile(r"_(?:bucket|sum|count)$")


def each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert():
    page = (DOCS / "operations.md").read_text().partition("## When an alert fires")[2]
    for rule in _rules():
        said = rule["annotations"]
        assert said["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        entry = page.partition(f"### {rule['alert']}\n\n")[2]
        severity = rule["labels"]["severity"].capitalize()
        assert entry.startswith(f"*{severity}.* {said['summary']}\n\nWhat it means: ")
        assert "\n\nWhat to do: " in entry.partition("\n### ")[0]
    names = [rule["alert"] for rule in _rules()]
    assert sorted(re.findall(r"^### (.*)$", page, re.MULTILINE)) == sorted(names)


def each_alert_is_seen_to_fire_and_to_be_silent():
    tests = yaml.safe_load((chart.ROOT / "tests/alerts.yaml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    fired = {check["alertname"] for check in checks if check["exp_alerts"]}
    silent = {check["alertname"] for check in tests[0]["alert_rule_test"]}
    assert fired == silent == {rule["alert"] for rule in _rules()}


def what_the_alerts_and_the_dashboard_ask_for_is_on_the_page_of_metrics():
    known = set(
        re.findall(r"^\| `[^`]+` \| `([^`]+)`", (DOCS / "telemetry.md").read_text(), re.MULTILINE)
    )
    queries = [rule["expr"] for rule in _rules()]
    for path in (chart.ROOT / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            queries += [target["expr"] for target in panel.get("targets", [])]
    for query in queries:
        # Labels are in braces, or behind `by`.
        bare = re.sub(r"\{[^}]*\}|by \([^)]*\)", "", query)
        asked = METRIC.findall(bare)
        assert asked, query
        assert {SERIES.sub("", name) if name not in known else name for name in asked} <= known


def _rules():
    for path in (chart.ROOT / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]
