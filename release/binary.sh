#!/bin/sh
# Builds the shipped binary: release/binary.sh x86_64-unknown-linux-musl
#
# One commit gives one binary, wherever it is built. The names of source files stand in it, for
# panics; those of other crates begin with the home directory of whoever built it, and are told
# without it. Our own are relative already.
set -eu
cd "$(dirname "$0")/.."
crates=${CARGO_HOME:-$HOME/.cargo}/registry/src
export CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$crates=/crates"
exec cargo build --release --locked --target "${1:?usage: release/binary.sh TARGET}"
