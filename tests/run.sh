#!/usr/bin/env bash
# Everything that has to hold: format, lints, documentation, licences, static binaries, tests.
# Installs first what is missing. Where CI is set, a test that cannot run is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step 'setup'
tests/setup.sh
PATH=$PWD/.cache/cargo-deny/bin:$PATH

step 'format and lints'
cargo fmt --check
cargo clippy --quiet --locked --all-targets -- -D warnings

step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps --document-private-items

step 'licences, duplicate and unknown sources'
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --log-level warn check licenses bans sources
    if cargo deny --log-level off fetch db >/dev/null 2>&1; then
        cargo deny --log-level warn check advisories
    else
        printf 'SKIPPED: advisories, whose database cannot be fetched from here\n'
    fi
else
    printf 'SKIPPED: cargo deny is not installed\n'
    [ -z "${CI-}" ]
fi

step 'static binaries'
for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
    if [ -d "$(rustc --print target-libdir --target "$target")" ]; then
        release/binary.sh "$target"
    fi
done

# Real dbt and containers are slow to start and need little while they run: with two cores,
# four at a time.
step 'tests'
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast --test-threads 4
else
    cargo test --locked --no-fail-fast --lib --bins --tests -- --test-threads 4
fi

# The other cells are in the tests above, or by hand: tests/matrix.sh.
step 'the main job with more versions of dbt'
tests/matrix.sh --brief 1.8 1.10 v2

step 'examples in the documentation'
cargo test --quiet --locked --doc
