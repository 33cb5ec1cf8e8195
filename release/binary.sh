#!/bin/sh
# Build the static binary for one target. Usage: release/binary.sh TARGET
#
# The same commit gives the same binary wherever it is built. Panic messages contain the paths of
# source files. Those of other crates start with Cargo's home directory, which is removed here; our
# own are relative already.
set -eu
cd "$(dirname "$0")/.."
crates=${CARGO_HOME:-$HOME/.cargo}/registry/src
export CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$crates=/crates"
exec cargo build --release --locked --target "${1:?usage: release/binary.sh TARGET}"
