#!/usr/bin/env bash
# Runs the main tests with every dbt and warehouse that the README names.
#
#   tests/matrix.sh                      every cell
#   tests/matrix.sh 1.8 postgres ...     these cells
#   tests/matrix.sh --brief 1.8 ...      only the two most important tests, as CI does
#
# For each cell, installs its environment, runs the tests of tests/it/main_job.rs in it (TEST_DBT names
# the environment), and prints a row of a table. Fails if a test fails or cannot run.
set -euo pipefail
cd "$(dirname "$0")/.."

BRIEF='main_job::the_first_run main_job::a_subset_run'

# The cell, the adapter in its environment (for dbt 2, the driver), and its tests.
CELLS='
1.8         dbt-duckdb      main_job::
1.9         dbt-duckdb      main_job::
1.10        dbt-duckdb      main_job::
1.11        dbt-duckdb      main_job::
1.12        dbt-duckdb      main_job::
1.13        dbt-duckdb      main_job::
v2          duckdb          main_job::
v2rc        duckdb          main_job::
postgres    dbt-postgres    main_job::
clickhouse  dbt-clickhouse  clickhouse::
'

# versions ENVIRONMENT PACKAGE...: prints the versions of those that are installed.
versions() {
    ".cache/$1/bin/python" - "${@:2}" <<'PYTHON'
import importlib.metadata, sys
installed = {each.name: each.version for each in importlib.metadata.distributions()}
print(*[f"{name} {installed[name]}" for name in sys.argv[1:] if name in installed], sep=", ")
PYTHON
}

run_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        CI=1 TEST_DBT=$1 cargo nextest run --locked --no-fail-fast --test it --test-threads 4 "${@:2}"
    else
        CI=1 TEST_DBT=$1 cargo test --locked --no-fail-fast --test it -- --test-threads 4 "${@:2}"
    fi
}

# run_cell NAME ADAPTER TESTS: runs one cell and adds its row to the table.
run_cell() {
    local name=$1 adapter=$2 tests=$3 log=.cache/matrix-$1.log outcome
    [ "$brief" = no ] || [ "$tests" != main_job:: ] || tests=$BRIEF
    printf '\n== %s: %s\n' "$name" "$tests"
    tests/setup.sh "dbt-$name"
    [ "$name" != clickhouse ] || tests/setup.sh clickhouse
    SECONDS=0
    # shellcheck disable=SC2086 # words
    run_tests "$name" $tests 2>&1 | tee "$log" || status=1
    outcome=$(grep -oE '[0-9]+ (passed|failed)' "$log" | tail -2 | paste -sd' ' || true)
    table+=$(printf '%-11s %-42s %-22s %4s s' "$name" "$(versions "dbt-$name" dbt-core dbt "$adapter")" \
        "${outcome:-not run}" "$SECONDS")$'\n'
}

brief=no
[ "${1-}" != --brief ] || { brief=yes && shift; }
for name in "$@"; do
    [[ $CELLS == *$'\n'"$name "* ]] || { printf 'tests/matrix.sh: there is no cell %s\n' "$name" >&2 && exit 64; }
done

status=0 table=
while read -r name adapter tests; do
    case " $* " in
    '  ' | *" $name "*) [ -z "$name" ] || run_cell "$name" "$adapter" "$tests" </dev/null ;;
    esac
done <<<"$CELLS"
printf '\n%s' "$table"
exit "$status"
