#!/usr/bin/env bash
# Makes the images that docker/Dockerfile starts from out of Debian packages, so that the
# tests build and run it on a machine that reaches no image registry.
#
#   docker/local-images.sh base             a Debian with Python, in place of python:*-slim
#   docker/local-images.sh builder BINARY   in place of rust:*-slim: its cargo "builds" by
#                                           handing out BINARY, which Cargo built before as
#                                           …/TRIPLE/release/…, and it builds for no other
#
# Prints the image's name. The name holds a digest of everything that went in, so that a
# second call finds the image and does nothing.
set -euo pipefail

SUITE=bookworm
PACKAGES=python3,python3-venv,libstdc++6,ca-certificates,bash,dash,coreutils,procps,dpkg,diffutils,libc-bin
BUNDLE=/etc/ssl/certs/ca-certificates.crt
NAME=dbt-entrypoint-local

digest() { sha256sum | cut -c1-12; }

exists() { docker image inspect "$1" >/dev/null 2>&1; }

# The "extract" variant unpacks the packages without their maintainer scripts: ten seconds
# instead of eighty. What those scripts would have written is written by the hook.
make_base() {
    local image
    image=$NAME:base-$(cat "$0" "$BUNDLE" | digest)
    if ! exists "$image"; then
        # shellcheck disable=SC2016 # $1 is the hook's: the root directory
        mmdebstrap --quiet --variant=extract --include="$PACKAGES" \
            --extract-hook='printf "root:x:0:0:root:/root:/bin/sh\n" >"$1/etc/passwd"' \
            --extract-hook='printf "root:x:0:\n" >"$1/etc/group"' \
            --extract-hook="install -D -m 644 $BUNDLE \"\$1$BUNDLE\"" \
            "$SUITE" - |
            docker import \
                --change "ENV PIP_CERT=$BUNDLE" \
                --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
                - "$image" >/dev/null
    fi
    printf '%s\n' "$image"
}

make_builder() {
    local binary=$1 base image triple
    base=$(make_base)
    triple=$(basename "$(dirname "$(dirname "$binary")")")
    image=$NAME:builder-$({ printf '%s' "$base$triple"; cat "$0" "$binary"; } | digest)
    if ! exists "$image"; then
        context=$(mktemp -d) # global: the trap outlives this function
        trap 'rm -rf "$context"' EXIT
        cp "$binary" "$context/dbt-entrypoint"
        # The last word of `cargo build … --target TRIPLE` says where the binary is expected.
        cat >"$context/cargo" <<'CARGO'
#!/bin/sh
for word do triple=$word; done
install -D "/usr/local/share/$triple" "target/$triple/release/dbt-entrypoint"
CARGO
        cat >"$context/Dockerfile" <<DOCKERFILE
FROM $base
COPY dbt-entrypoint /usr/local/share/$triple
COPY cargo /usr/local/bin/cargo
RUN chmod 755 /usr/local/bin/cargo && ln -s /bin/true /usr/local/bin/rustup
DOCKERFILE
        DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" "$context" >/dev/null
    fi
    printf '%s\n' "$image"
}

case ${1-} in
base) make_base ;;
builder) make_builder "${2:?usage: docker/local-images.sh builder BINARY}" ;;
*)
    printf 'usage: docker/local-images.sh base | builder BINARY\n' >&2
    exit 64
    ;;
esac
