#!/usr/bin/env bash
# Shows what dbt-entrypoint does, on a small shop project: a first run that builds everything,
# a second one that builds nothing, and a third one after an edit.
# Needs Linux, Rust and Python 3.10 to 3.13; works in .cache/ and in a temporary directory.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
cd "$repository"

step() { printf '\n== %s\n\n' "$*"; }
tell() { printf '%s\n' "$@" | fold -s -w 96 | sed 's, *$,,'; }

command -v cargo >/dev/null || { tell 'cargo was not found: install Rust first.' >&2; exit 1; }

step 'Building dbt-entrypoint, and a private Python environment with dbt in .cache/dbt-1.11'
cargo build --release --locked
tests/setup.sh dbt-1.11
binary=${CARGO_TARGET_DIR:-$repository/target}/release/dbt-entrypoint
dbt=$repository/.cache/dbt-1.11/bin/dbt

playground=$(mktemp -d)
trap 'rm -rf "$playground"' EXIT
cp -R examples/shop "$playground/shop"
mkdir "$playground/state"
cd "$playground/shop"

# Nothing of the caller's own settings takes part. --allow-ephemeral is only for a trial: state
# and warehouse are both thrown away here.
run() {
    printf '$ dbt-entrypoint --state-dir state %s\n' "$*"
    rm -f target/run_results.json
    env -i PATH="$PATH" HOME="$playground" DBT_SEND_ANONYMOUS_USAGE_STATS=false \
        "$binary" --state-dir "$playground/state" --allow-ephemeral --dbt "$dbt" "$@" \
        >"$playground/output" 2>&1 || { cat "$playground/output"; exit 1; }
    grep '^dbt-entrypoint: ' "$playground/output" | sed "s|^|    |; s|$playground/||"
}

# The names of the tables that the last run built, from the results that dbt itself wrote.
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

step '1. The first run: the warehouse is empty, so everything is built'
tell 'The shop has 3 seeds (CSV files that dbt loads) and 9 models (tables and views, each a' \
    'SELECT on others). The state directory, in production a volume, is empty.' ''
run build
report

step '2. The second run: nothing has changed, so nothing is built'
tell 'Plain dbt would build all 12 again.' ''
run build
report

step '3. An edit: only that model and what is made from it is built'
tell 'In models/marts/customers.sql, revenue is now rounded. Two other models read customers:' \
    'loyal_customers and revenue_by_country.' ''
sed -i 's/coalesce(sum(o.amount), 0)/round(coalesce(sum(o.amount), 0))/' models/marts/customers.sql
run build
report

step 'What to look at next'
tell 'The state directory holds a manifest.json: what the warehouse holds, as dbt describes it.' \
    'In a container, put it on a volume, and use dbt-entrypoint where the image had dbt:' '' \
    '    docker/Dockerfile       an image with dbt-entrypoint and dbt' \
    '    compose/compose.yaml    a service that waits until dbt has succeeded' \
    '    k8s/                    the same with Kubernetes: a Job, and an init container' \
    '    examples/shop/          this project; copy it and play' '' \
    'The other options: dbt-entrypoint --help. All tests: tests/run.sh'
