"""What the alerts and the dashboard name is there: runbooks, metrics, tests of their own."""

import json
import re
import subprocess

import yaml

import chart

DOCS = chart.ROOT.parent / "docs"
METRIC = re.compile(r"\b(?:paylink|rpc|http|db)_[a-z_]+")
# What Prometheus makes of a histogram.
SERIES = re.compile(r"_(?:bucket|sum|count)$")

# What the chart's ServiceMonitor makes Prometheus call the series of a release.
OWN = {"namespace": "payments", "service": "shop-paylink-operations"}
RULES = "shop-paylink-paylink"


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
    tests = _tests()
    checks = [check for test in tests for check in test["alert_rule_test"]]
    fired = {check["alertname"] for check in checks if check["exp_alerts"]}
    silent = {check["alertname"] for check in tests[0]["alert_rule_test"]}
    assert fired == silent == {rule["alert"] for rule in _rules()}


def each_alert_of_a_release_fires_for_that_release_as_its_file_says(tmp_path):
    tests = _tests()
    for test in tests:
        for check in test["alert_rule_test"]:
            for expected in check["exp_alerts"]:
                expected["exp_labels"] |= OWN
    _check_release(tests, OWN, tmp_path)


def no_alert_of_a_release_is_about_another_release(tmp_path):
    for other in ({"namespace": "staging"}, {"service": "preview-paylink-operations"}):
        tests = _tests()
        for test in tests:
            checks = [it for it in test["alert_rule_test"] if it["alertname"] != "PaylinkDown"]
            test["alert_rule_test"] = [it | {"exp_alerts": []} for it in checks]
        said = {"summary": "No paylink is scraped.", "runbook": "docs/operations.md#paylinkdown"}
        down = {"exp_labels": OWN | {"severity": "critical"}, "exp_annotations": said}
        # All is well there, and nothing is here.
        tests[0]["alert_rule_test"].append(
            {"alertname": "PaylinkDown", "eval_time": "6m", "exp_alerts": [down]}
        )
        _check_release(tests, OWN | other, tmp_path)


def a_release_can_be_known_by_other_labels():
    rules = {"enabled": True, "seriesLabels": {"app": "paylink", "kubernetes_namespace": "pay"}}
    objects = chart.render({"monitoring": {"rules": rules}})
    down = chart.one(objects, "PrometheusRule", RULES)["spec"]["groups"][0]["rules"][0]
    assert down["expr"] == 'absent(paylink_build_info{app="paylink",kubernetes_namespace="pay"})'
    assert down["labels"] == rules["seriesLabels"] | {"severity": "critical"}


def every_series_that_an_alert_asks_for_can_be_held_to_one_release():
    for rule in _rules():
        outside_labels = re.sub(r"\{[^}]*\}|by \([^)]*\)", "", rule["expr"])
        asked = len(METRIC.findall(outside_labels))
        held = re.findall(METRIC.pattern + r'\{namespace=~"\.\*"[,}]', rule["expr"])
        assert len(held) == asked > 0, rule["alert"]


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


def _tests():
    # As text, since `0x10` is ten more zeros to Prometheus and sixteen to YAML.
    text = (chart.ROOT / "tests/alerts.yaml").read_text()
    return yaml.load(text, Loader=yaml.BaseLoader)["tests"]


def _check_release(tests, labels, folder):
    """Lets Prometheus run tests of the rules of a release over series with further labels."""
    monitoring = {"rules": {"enabled": True}, "serviceMonitor": {"enabled": True}}
    made = chart.one(chart.render({"monitoring": monitoring}), "PrometheusRule", RULES)
    (folder / "rules.yaml").write_text(yaml.safe_dump(made["spec"]))
    given = ",".join(f'{name}="{value}"' for name, value in labels.items())
    for series in (it for test in tests for it in test["input_series"]):
        metric, _, others = series["series"].partition("{")
        series["series"] = f"{metric}{{{given},{others or '}'}"
    file = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(file))
    done = subprocess.run(
        ["promtool", "test", "rules", folder / "tests.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _rules():
    for path in (chart.ROOT / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]
