# The commands of this repository; `just` lists them. CI runs these same recipes.

set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / ".tools/venv/bin:" + env("PATH")
export PYTHONDONTWRITEBYTECODE := "1"

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
chaos_scale := env("PAYLINK_CHAOS_SCALE", "20")

[private]
default:
    @just --list --unsorted

# Install the tools that the other recipes need, into .tools/.
tools:
    scripts/setup-tools

# Everything that CI checks, but for the release build and what runs it.
check: fmt-check lint test proto chart alerts deny unused words scripts image

# Run the tests.
test *arguments:
    cargo test --locked {{ arguments }}

# Simulate writes: a thousand seeds, days without Stripe, planted bugs. PAYLINK_SEED=7 repeats one.
simulate *arguments:
    cargo test --locked --test simulation {{ arguments }} -- --nocapture

# Plant each bug that CONTRIBUTING.md lists, and show how it is caught.
planted:
    cargo test --locked --test simulation planted:: -- --nocapture

# Refuse every warning.
lint:
    cargo clippy --locked --all-targets -- -D warnings

# Format Rust, protos and Python.
fmt:
    cargo fmt
    buf format --write --exclude-path proto/buf --exclude-path proto/google
    ruff format --quiet

# Refuse what `fmt` would change.
fmt-check:
    cargo fmt --check
    buf format --diff --exit-code --exclude-path proto/buf --exclude-path proto/google
    ruff format --quiet --diff

# Run the service with its sandbox: `just run`, then `grpcurl -plaintext localhost:50051 list`.
run *arguments:
    cargo run --locked -- dev {{ arguments }}

# Run the sandbox Stripe alone, on port 12111.
sandbox *arguments:
    cargo run --locked -- sandbox {{ arguments }}

# Measure what the mapping, the layers to Stripe and whole calls cost; docs/performance.md has the figures.
bench *arguments:
    cargo bench --locked --bench wire --bench stack --bench service {{ arguments }}

# Check the contract: buf's rules, that nothing breaks callers, and that docs/api.md tells of it.
proto:
    buf lint
    scripts/proto-breaking
    scripts/api-docs --check

# Write docs/api.md out of the contract and the examples.
api-docs:
    scripts/api-docs

# Check the Helm chart: YAML, Helm's linter, and one promise a test.
chart *arguments:
    yamllint --strict .
    pytest helm/tests --ignore helm/tests/program_test.py {{ arguments }}

# Write docs/configuration.md, and the chart's tables of values and its schema, anew.
reference:
    scripts/reference

# Scan every profile of the chart for what an attacker would like.
chart-scan:
    python helm/tests/scan.py .tools/checkov/bin/checkov

# Start the release binary with the configuration that each profile of the chart renders.
chart-program program=(target / "release/paylink"):
    PAYLINK_BINARY="{{ program }}" pytest helm/tests/program_test.py

# Accept a changed default release of the chart, for review of its diff.
chart-accept:
    python helm/tests/accept.py

# Advisories are not among these checks: their database is a Git repository, which CI cannot reach.
# Where it can be reached, run `cargo-deny check advisories`.

# Check licences, banned crates and sources.
deny:
    cargo fetch --locked --quiet
    cargo-deny --offline check licenses bans sources

# Refuse dependencies that nothing uses.
unused:
    cargo-shear

# Check spelling.
words:
    typos

# Follow docs/sandbox.md or docs/debugging.md with the release binary, and compare what it prints.
guide page program=(target / "release/paylink"):
    scripts/guide "{{ program }}" "{{ page }}"

# Accept what a guide prints now, for review of the diff.
guide-accept page program=(target / "release/paylink"):
    scripts/guide "{{ program }}" "{{ page }}" --accept

# Check the alerts of the chart: each fires when it should, and none while all is well.
alerts:
    promtool check rules helm/rules/*.yaml
    promtool test rules helm/tests/alerts.yaml

# Let Prometheus scrape the release binary, and ask it all that the dashboard and the alerts ask.
dashboard program=(target / "release/paylink"):
    scripts/dashboard "{{ program }}"

# Measure the sandbox: links a second, start, memory; docs/performance.md has the figures.
bench-sandbox:
    cargo bench --locked --bench sandbox

# Check the shell and Python scripts.
scripts:
    shellcheck .ci/run examples/python/generate scripts/image-root scripts/setup-tools \
      scripts/proto-breaking
    ruff check --quiet

# Check the Dockerfile.
image:
    hadolint Dockerfile

# Build the image of the release binary without a Docker engine, look into it, and run it.
image-check program=(target / "release/paylink"):
    scripts/image-check "{{ program }}"

# Write a bill of what is linked into the program: CycloneDX, as JSON.
sbom file=(target / "paylink.cdx.json"):
    mkdir -p "$(dirname "{{ file }}")"
    scripts/sbom "{{ file }}"

# Build the example clients in four languages, and let each sell, be paid and ship.
example-clients program=(target / "release/paylink") *names:
    scripts/example-clients "{{ program }}" {{ names }}

# Build the release binary.
release:
    cargo build --release --locked --bin paylink

# Kill, race, cut off and attack the release binary in full, and print the figures.
chaos *arguments: release
    PAYLINK_CHAOS_BINARY="{{ target }}/release/paylink" PAYLINK_CHAOS_SCALE="{{ chaos_scale }}" \
      cargo test --locked --profile load --test chaos -- --nocapture --test-threads 1 {{ arguments }}

# Follow the README with the release binary and a real browser.
transcript pictures=(target / "transcript"): release
    scripts/transcript "{{ target }}/release/paylink" --pictures "{{ pictures }}"

# Take a real browser through every option of the sandbox's payment page.
page pictures=(target / "page-tour"): release
    scripts/page-tour "{{ target }}/release/paylink" --pictures "{{ pictures }}"

# Let Stripe's own programs judge the sandbox: both SDKs, the command line, the description.
judges program=(target / "release/paylink"):
    PYTHONPATH=scripts python tests/judges/run.py "{{ program }}" .tools/judges

# Let Stripe's SDKs judge the check of webhook signatures: paylink may only be stricter.
signatures program=(target / "release/paylink"):
    python tests/judges/signatures.py "{{ program }}" .tools/judges

# Make the calls that docs/api.md shows with the release binary, and compare the answers.
examples: release
    scripts/api-docs --run "{{ target }}/release/paylink"

# Accept changed answers into docs/api.md, for review of the diff.
examples-accept: release
    scripts/api-docs --run "{{ target }}/release/paylink" --accept
