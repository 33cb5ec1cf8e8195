#!/bin/sh
# Build the static binary for each target, at the same time. Usage: release/binary.sh TARGET...
#
# The same commit gives the same binary wherever it is built. Panic messages contain the paths of
# source files. Those of other crates start with Cargo's home directory, which is removed here; our
# own are relative already.
set -eu
cd "$(dirname "$0")/.."
crates=${CARGO_HOME:-$HOME/.cargo}/registry/src
# Long sequences of instructions that occur often become functions (LLVM's machine outliner), a fiftieth
# of the binary. Short ones would save as much again, and slow a comparison of manifests by a quarter. The
# options are separated by the byte 0x1f.
next=$(printf '\037')
CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$crates=/crates"
CARGO_ENCODED_RUSTFLAGS="$CARGO_ENCODED_RUSTFLAGS$next-Cllvm-args=-enable-machine-outliner=always"
CARGO_ENCODED_RUSTFLAGS="$CARGO_ENCODED_RUSTFLAGS$next-Cllvm-args=-outliner-benefit-threshold=30"
export CARGO_ENCODED_RUSTFLAGS
[ $# -gt 0 ] || { echo 'usage: release/binary.sh TARGET...' >&2 && exit 64; }
for target do
    set -- "$@" --target "$target"
    shift
done
exec cargo build --release --locked "$@"
