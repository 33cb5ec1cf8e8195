#!/usr/bin/env bash
# Installs the tools for releases in .cache/, at fixed versions. They are built without optimizations,
# which takes one minute, not five; they still run within seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

tool() {
    local name=${1%@*} version=${1#*@}
    if ! grep -qs "^\"$name $version " ".cache/$name/.crates.toml"; then
        printf 'building %s into .cache/%s\n' "$1" "$name"
        cargo install --quiet --debug --locked --root ".cache/$name" --config profile.dev.debug=0 "$1"
    fi
}

tool cargo-deb@3.8.0
tool cargo-cyclonedx@0.5.9
