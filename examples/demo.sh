#!/usr/bin/env bash
# Shows what dbt-entrypoint does with a small project: the first run builds everything, the second
# builds nothing, and the third, after an edit, builds what changed. Needs Linux, Rust and Python 3.10
# to 3.13. Writes only to target/, .cache/ and a temporary directory.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
cd "$repository"

step() { printf '\n== %s\n\n' "$*"; }
tell() { printf '%s\n' "$@" | fold -s -w 96 | sed 's, *$,,'; }

command -v cargo >/dev/null || { tell 'cargo was not found. Install Rust first.' >&2; exit 1; }

step 'Building dbt-entrypoint, and installing dbt in .cache/dbt-1.11'
cargo build --release --locked
tests/setup.sh dbt-1.11
binary=${CARGO_TARGET_DIR:-$repository/target}/release/dbt-entrypoint
dbt=$repository/.cache/dbt-1.11/bin/dbt

playground=$(mktemp -d)
trap 'rm -rf "$playground"' EXIT
cp -R examples/shop "$playground/shop"
mkdir "$playground/state"
cd "$playground/shop"

# Runs without the caller's environment. --allow-ephemeral is for trials like this one, where both
# state and warehouse are thrown away.
run() {
    printf '$ dbt-entrypoint --state-dir state %s\n' "$*"
    rm -f target/run_results.json
    env -i PATH="$PATH" HOME="$playground" DBT_SEND_ANONYMOUS_USAGE_STATS=false \
        "$binary" --state-dir "$playground/state" --allow-ephemeral --dbt "$dbt" "$@" \
        >"$playground/output" 2>&1 || { cat "$playground/output"; exit 1; }
    grep '^dbt-entrypoint: ' "$playground/output" | sed "s|^|    |; s|$playground/||"
}

# The nodes that the last run built, from dbt's own run_results.json.
built() {
    [ -f target/run_results.json ] || return 0
    "${dbt%dbt}python" -c '
import json
results = json.load(open("target/run_results.json"))["results"]
kinds = ("seed", "model")
print(*(r["unique_id"].split(".")[2] for r in results if r["unique_id"].split(".")[0] in kinds))'
}

report() {
    local names
    names=$(built)
    printf '\n'
    tell "  built: ${names:-nothing}"
}

step '1. First run: the warehouse is empty, so everything is built'
tell 'The shop has 3 seeds (CSV files that dbt loads) and 9 models (tables and views, each one a' \
    'SELECT). The state directory, which is a volume in production, is empty.' ''
run build
report

step '2. Second run: nothing has changed, so nothing is built'
tell 'Plain dbt would build all 12 nodes again.' ''
run build
report

step '3. After an edit: only the edited model and its descendants are built'
tell 'models/marts/customers.sql now rounds the revenue. Two other models read customers:' \
    'loyal_customers and revenue_by_country.' ''
sed -i 's/coalesce(sum(o.amount), 0)/round(coalesce(sum(o.amount), 0))/' models/marts/customers.sql
run build
report

step 'Next steps'
tell 'The state directory contains a manifest.json, which records what the warehouse holds. In a' \
    'container, put it on a volume, and make dbt-entrypoint the entrypoint of your dbt image:' '' \
    '    docker/Dockerfile       an image with dbt-entrypoint and dbt' \
    '    compose/compose.yaml    dbt as a service, and another one that waits for it' \
    '    k8s/                    the same on Kubernetes: a Job, or an init container' \
    '    examples/shop/          this project, to copy and experiment with' '' \
    'All options: dbt-entrypoint --help. All tests: tests/run.sh'
