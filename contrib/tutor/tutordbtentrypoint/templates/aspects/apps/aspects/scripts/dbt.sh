#!/usr/bin/env bash
# dbt for Aspects, where tutor-contrib-aspects has its script of this name, and called like it:
#
#   dbt.sh True|False DBT-ARGS...   True: what changed. False: all of it, on purpose
#
# Options and verbs of dbt-entrypoint may stand before dbt's words: dbt.sh True plan run
set -euo pipefail

project=/app/aspects-dbt

# refuse CODE LINE...: ends with the code that dbt-entrypoint has for that kind of refusal.
refuse() {
  printf 'dbt.sh: %s\n' "${@:2}" >&2
  exit "$1"
}

# Whether this command needs to know what ClickHouse holds, and the volume was never told. An
# absent manifest.json where there has been one is a loss, which dbt-entrypoint refuses.
volume_is_new() {
  local state=${DBT_ENTRYPOINT_STATE_DIR:-/state}
  [ ! -e "$state/manifest.json" ] && [ ! -e "$state/.dbt-entrypoint/populated" ] || return 1
  case " $* " in
    ' --full '*) return 1 ;; # All is built, whatever is there.
    *' run '* | *' build '* | *' seed '* | *' snapshot '* | *' retry '* | *' plan '*) return 0 ;;
    *) return 1 ;;
  esac
}

# The manifest that the script before us kept in ClickHouse becomes the first baseline.
take_over_from_clickhouse() {
  local stored found=0
  stored=$(mktemp)
  python3 "$(dirname "$0")/stored_manifest.py" fetch "$stored" || found=$?
  case $found in
    0) dbt-entrypoint adopt --from "$stored" ;;
    3) ;; # None was ever stored: a new installation.
    *) refuse 78 'the state volume is empty, and ClickHouse does not tell what it holds; nothing was run' \
      '  mend that, and try again' \
      "  -c 'adopt'         (or: it holds the project as it now stands)" \
      "  -c '--full run'    (or: build everything, on purpose)" ;;
  esac
  rm "$stored"
}

case ${1-} in
  True | False) only_changed=$1 ;;
  *) refuse 64 "--only_changed is True or False, not '${1-}'; nothing was run" ;;
esac
shift

if [ "${ASPECTS_DBT-}" != "$DBT_REPOSITORY $DBT_BRANCH" ] && ! mountpoint -q "$project"; then
  refuse 78 "the image has the dbt project '${ASPECTS_DBT-}', the settings say '$DBT_REPOSITORY $DBT_BRANCH'; nothing was run" \
    '  tutor images build aspects-dbt'
fi
cd "$project"

if volume_is_new "$@"; then
  take_over_from_clickhouse
fi
if [ "$only_changed" = False ]; then
  set -- --full "$@"
fi
exec dbt-entrypoint "$@"
