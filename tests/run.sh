#!/usr/bin/env bash
# Runs all checks: format, lints, documentation, licenses, static binaries, tests.
#
#   tests/run.sh        everything (same as `all`)
#   tests/run.sh unit   format, lints, documentation, unit tests, doc tests; needs Rust only
#   tests/run.sh it     integration tests with real dbt, containers and all; installs what is missing
#
# If the variable CI is set, a test that cannot run is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# How long each parser is fuzzed.
export FUZZ_SECONDS=${FUZZ_SECONDS-20}
# Nothing is built a second time here, so nothing is kept for that.
[ -z "${CI-}" ] || export CARGO_INCREMENTAL=0

step() { printf '\n== %s\n' "$*"; }

PATH=$PWD/.cache/cargo-deny/bin:$PATH

setup() {
    step 'setup'
    tests/setup.sh
}

# beside_setup CHECKS...: these checks, which need Rust only, while the setup waits for its downloads.
# What the setup says follows.
beside_setup() {
    local said ended=0
    said=$(mktemp)
    setup >"$said" 2>&1 &
    for check in "$@"; do "$check"; done
    wait $! || ended=$?
    cat "$said"
    rm "$said"
    return "$ended"
}

format_and_lints() {
    step 'format and lints'
    cargo fmt --check
    cargo clippy --quiet --locked --all-targets -- -D warnings
}

documentation() {
    step 'documentation'
    RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps --document-private-items
}

licenses() {
    step 'licenses, duplicate crates, unknown sources'
    if cargo deny --version >/dev/null 2>&1; then
        cargo deny --log-level warn check licenses bans sources
        if cargo deny --log-level off fetch db >/dev/null 2>&1; then
            cargo deny --log-level warn check advisories
        else
            printf 'SKIPPED: advisories; their database cannot be downloaded\n'
        fi
    else
        printf 'SKIPPED: cargo deny is not installed\n'
        [ -z "${CI-}" ]
    fi
}

static_binaries() {
    step 'static binaries'
    local target targets=()
    for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
        [ ! -d "$(rustc --print target-libdir --target "$target")" ] || targets+=("$target")
    done
    [ ${#targets[@]} = 0 ] || release/binary.sh "${targets[@]}"
}

# run_tests TARGETS...: the tests of these targets, as options of Cargo. Four at a time also on two
# cores: dbt and containers are slow to start but use little CPU while they run.
run_tests() {
    step 'tests'
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --no-fail-fast --test-threads 4 "$@"
    else
        cargo test --locked --no-fail-fast "$@" -- --test-threads 4
    fi
}

# Keeps one dbt that has imported itself already, for all tests that start dbt many times. It ends
# with this script, which holds its standard input.
keep_dbt_warm() {
    step 'a warm dbt'
    TEST_WARM_DBT=$(mktemp -d)/warm
    mkdir "$TEST_WARM_DBT"
    export TEST_WARM_DBT
    coproc WARM {
        DBT_SEND_ANONYMOUS_USAGE_STATS=false exec "$PWD/.cache/dbt-1.11/bin/python" \
            tests/convergence/warm_dbt.py keep "$TEST_WARM_DBT"
    }
    trap 'rm -rf "${TEST_WARM_DBT%/warm}"' EXIT
    read -r _ <&"${WARM[0]}"
}

# The tests above cover the other versions, and tests/matrix.sh covers all of them.
matrix() {
    step 'the main tests with more versions of dbt'
    tests/matrix.sh --brief 1.8 1.10 v2
}

doc_tests() {
    step 'examples in the documentation'
    cargo test --quiet --locked --doc
}

case ${1-all}$# in
unit1)
    format_and_lints
    documentation
    run_tests --lib --bins
    doc_tests
    ;;
it1)
    setup
    static_binaries
    keep_dbt_warm
    run_tests --test '*'
    matrix
    ;;
all[01])
    tests/setup.sh rust-targets
    beside_setup format_and_lints documentation static_binaries
    licenses
    keep_dbt_warm
    run_tests --lib --bins --tests
    doc_tests
    matrix
    ;;
*)
    printf 'usage: tests/run.sh [unit|it|all]\n' >&2
    exit 64
    ;;
esac
