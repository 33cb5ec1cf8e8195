#!/bin/sh
# Build the static binary for each target, at the same time. Usage: release/binary.sh TARGET...
#
# The same commit gives the same binary wherever it is built. Panic messages contain the paths of
# source files. Those of other crates start with Cargo's home directory, which is removed here; our
# own are relative already.
set -eu
cd "$(dirname "$0")/.."
crates=${CARGO_HOME:-$HOME/.cargo}/registry/src
# Instructions that occur often become functions (LLVM's machine outliner), a thirtieth of the binary;
# an unchanged start takes as long as without. The options are separated by the byte 0x1f.
CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$crates=/crates$(printf '\037')-Cllvm-args=-enable-machine-outliner=always"
export CARGO_ENCODED_RUSTFLAGS
[ $# -gt 0 ] || { echo 'usage: release/binary.sh TARGET...' >&2 && exit 64; }
for target do
    set -- "$@" --target "$target"
    shift
done
exec cargo build --release --locked "$@"
