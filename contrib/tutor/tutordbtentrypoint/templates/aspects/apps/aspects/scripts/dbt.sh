#!/usr/bin/env bash
# Runs dbt for Aspects. Replaces the script of the same name in tutor-contrib-aspects, with the same
# arguments:
#
#   dbt.sh True|False DBT-ARGS...   True: build what changed. False: build everything (--full)
#
# Options and verbs of dbt-entrypoint may come before dbt's arguments: dbt.sh True plan run
set -euo pipefail

project=/app/aspects-dbt

# refuse CODE LINE...: prints the lines and exits with the code that dbt-entrypoint uses for this.
refuse() {
  printf 'dbt.sh: %s\n' "${@:2}" >&2
  exit "$1"
}

# True if the volume never held a baseline and this command needs one. If there was a baseline and
# manifest.json is missing, it was lost: dbt-entrypoint then refuses to run.
volume_is_new() {
  local state=${DBT_ENTRYPOINT_STATE_DIR:-/state}
  [ ! -e "$state/manifest.json" ] && [ ! -e "$state/.dbt-entrypoint/populated" ] || return 1
  case " $* " in
    ' --full '*) return 1 ;; # Builds everything anyway.
    *' run '* | *' build '* | *' seed '* | *' snapshot '* | *' retry '* | *' plan '*) return 0 ;;
    *) return 1 ;;
  esac
}

# Makes the manifest that the former script stored in ClickHouse the first baseline.
take_over_from_clickhouse() {
  local stored found=0
  stored=$(mktemp)
  python3 "$(dirname "$0")/stored_manifest.py" fetch "$stored" || found=$?
  case $found in
    0) dbt-entrypoint adopt --from "$stored" ;;
    3) ;; # None is stored: a new installation.
    *) refuse 78 'the state volume is empty, and the manifest in ClickHouse cannot be read; nothing was run' \
      '  fix the connection to ClickHouse and try again, or' \
      "  -c 'adopt'         if ClickHouse holds the project as it stands" \
      "  -c '--full run'    to build everything" ;;
  esac
  rm "$stored"
}

case ${1-} in
  True | False) only_changed=$1 ;;
  *) refuse 64 "--only_changed must be True or False, not '${1-}'; nothing was run" ;;
esac
shift

if [ "${ASPECTS_DBT-}" != "$DBT_REPOSITORY $DBT_BRANCH" ] && ! mountpoint -q "$project"; then
  refuse 78 "the image contains the dbt project '${ASPECTS_DBT-}', but the settings name '$DBT_REPOSITORY $DBT_BRANCH'; nothing was run" \
    '  rebuild the image: tutor images build aspects-dbt'
fi
cd "$project"

if volume_is_new "$@"; then
  take_over_from_clickhouse
fi
if [ "$only_changed" = False ]; then
  set -- --full "$@"
fi
exec dbt-entrypoint "$@"
