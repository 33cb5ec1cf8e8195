#!/bin/sh
# The usual shell script, for comparison: the baseline is the manifest of the last command that
# succeeded. Arguments are dbt's. DBT is the path of dbt, STATE the directory of the baseline, VARS the
# value of --vars, if the arguments have one.
set -e
case " $* " in
*" --select "*) "$DBT" "$@" ;;
*)
    "$DBT" parse ${VARS:+--vars "$VARS"}
    if [ -f "$STATE/manifest.json" ]; then
        "$DBT" "$@" --select state:modified+ --state "$STATE"
    else
        "$DBT" "$@"
    fi
    ;;
esac
mkdir -p "$STATE"
cp target/manifest.json "$STATE/manifest.json"
