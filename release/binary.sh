#!/bin/sh
# Builds the shipped binary: release/binary.sh x86_64-unknown-linux-musl
#
# The same commit gives the same binary wherever it is built. Panic messages contain the paths of
# source files. Those of other crates start with Cargo's home directory, which is removed here; our
# own are relative already.
#
# The inline threshold makes the binary a twentieth smaller. The price: the comparison of two
# manifests of 53 MB takes a third longer (0.2 s).
set -eu
cd "$(dirname "$0")/.."
crates=${CARGO_HOME:-$HOME/.cargo}/registry/src
separator=$(printf '\037')
flags="--remap-path-prefix=$crates=/crates${separator}-Cllvm-args=-inline-threshold=4"
export CARGO_ENCODED_RUSTFLAGS="$flags"
exec cargo build --release --locked --target "${1:?usage: release/binary.sh TARGET}"
