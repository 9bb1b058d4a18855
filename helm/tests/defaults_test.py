"""What a release is when nobody asked for anything."""

import subprocess
import sys

import helm_python as helm
import yaml

import chart


def defaults_pass_the_strict_linter():
    report = helm.lint(chart.ROOT, {}, strict=True)
    assert report["errors"] == []


def the_default_release_is_as_reviewed():
    # `just chart-accept` writes this file anew; its diff is what a reviewer reads.
    assert chart.text() == (chart.ROOT / "tests" / "defaults.yaml").read_text()


def every_key_of_the_values_is_known_to_the_schema():
    # A closed schema refuses an unknown key, so accepting the file proves that all are known.
    values = yaml.safe_load((chart.ROOT / "values.yaml").read_text())
    assert chart.kinds(chart.render(values)) == chart.kinds(chart.render())


def the_schema_of_settings_and_the_readme_are_up_to_date():
    script = chart.ROOT.parent / "scripts/reference"
    subprocess.run([sys.executable, script, "--check"], check=True)


def every_key_of_the_schema_stands_in_the_values():
    with helm.Chart.load(chart.ROOT) as loaded:
        schema, values = loaded.schema, loaded.values
    assert set(schema["properties"]) - {"global"} == set(values)


def the_chart_serves_unless_told_otherwise():
    assert chart.container(chart.render())["args"][0] == "serve"


def the_image_is_the_one_of_the_charts_own_version():
    with helm.Chart.load(chart.ROOT) as loaded:
        version = loaded.metadata["appVersion"]
    assert chart.container(chart.render())["image"].endswith(f":{version}")


def the_chart_and_the_program_have_one_version():
    manifest = (chart.ROOT.parent / "Cargo.toml").read_text()
    with helm.Chart.load(chart.ROOT) as loaded:
        assert f'version = "{loaded.metadata["appVersion"]}"' in manifest


def no_default_value_is_a_secret():
    assert not [it for it in chart.render() if it["kind"] == "Secret"]


def the_notes_say_how_to_make_the_secret_and_the_first_call():
    text = chart.notes()
    assert "create secret generic paylink-stripe" in text
    assert "create secret generic paylink-grpc-tls" in text
    assert "port-forward service/shop-paylink 50051" in text
    assert "grpcurl -authority shop-paylink -cacert" in text
    assert "-proto paylink/v1/catalog_service.proto" in text
    assert "Nobody may call yet" in text
    # What the rules of the profiles permit; where there are none, more.
    assert "CatalogService/ListProducts" in text and "CreateProduct" not in text
    plain = chart.notes(chart.PROFILES["plaintext"])
    assert "grpcurl -plaintext localhost:50051 list" in plain
    assert "CatalogService/CreateProduct" in plain
