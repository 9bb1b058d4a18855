"""Lets Checkov look for what an attacker would like in every profile, and proves first that it
sees: a pod with all rights must be found.

    python helm/tests/scan.py .tools/checkov/bin/checkov
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

import chart

CONFIG = Path(__file__).parent / "checkov.yaml"
SECONDS_MAX = 300


def main(checkov):
    privileged = chart.one(chart.render(), "Deployment")
    chart.container([privileged])["securityContext"] = {"privileged": True}
    if not _scan(checkov, {"planted": yaml.safe_dump(privileged)})["results"]["failed_checks"]:
        sys.exit("Checkov did not find the pod with all rights")

    profiles = {name: chart.text(values) for name, values in chart.PROFILES.items()}
    report = _scan(checkov, profiles)
    summary = report["summary"]
    for failed in report["results"]["failed_checks"]:
        place = f"{failed['file_path']} {failed['resource']}"
        print(f"{failed['check_id']} {failed['check_name']}: {place}", file=sys.stderr)
    if summary["failed"] or summary["parsing_errors"]:
        sys.exit(f"{summary['failed']} failed, {summary['parsing_errors']} could not be read")
    if summary["resource_count"] < len(profiles):
        sys.exit(f"only {summary['resource_count']} objects were read")
    print(f"ok  {summary['passed']} checks of {summary['resource_count']} objects passed")


def _scan(checkov, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / f"{name.replace(' ', '-')}.yaml").write_text(text)
        command = [checkov, "--config-file", CONFIG, "--directory", folder, "--output", "json"]
        # Its advice is looked up on the network unless it is told not to.
        done = subprocess.run(
            [*command, "--skip-download"],
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"Checkov said nothing that could be read:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main(sys.argv[1])
