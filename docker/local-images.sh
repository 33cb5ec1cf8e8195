#!/usr/bin/env bash
# Builds stand-ins for the images that docker/Dockerfile starts from, out of Debian packages. With
# them, the tests run on a machine that reaches no image registry.
#
#   docker/local-images.sh base             Debian with Python, in place of python:*-slim
#   docker/local-images.sh builder BINARY   in place of rust:*-slim. Its `cargo build` only copies
#                                           BINARY, which you built as …/TRIPLE/release/…; it
#                                           serves that target triple only
#   docker/local-images.sh postgres         PostgreSQL, in place of postgres:*
#
# Prints the name of the image. The name contains a digest of all inputs, so a second call finds
# the image and does nothing.
set -euo pipefail

SUITE=bookworm
SYSTEM=ca-certificates,bash,dash,coreutils,procps,dpkg,diffutils,libc-bin
BUNDLE=/etc/ssl/certs/ca-certificates.crt
NAME=dbt-entrypoint-local
SEARCH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

digest() { sha256sum | cut -c1-12; }

exists() { docker image inspect "$1" >/dev/null 2>&1; }

# file_system PACKAGES [OPTION...]: writes a root file system with these packages to standard output;
# the options go to mmdebstrap. The "extract" variant unpacks packages without running their
# maintainer scripts, which takes ten seconds, not eighty. The hooks write what the scripts would.
file_system() {
    # shellcheck disable=SC2016 # $1 belongs to the hook: the root directory
    mmdebstrap --quiet --variant=extract --include="$SYSTEM,$1" \
        --extract-hook='printf "root:x:0:0:root:/root:/bin/sh\n" >"$1/etc/passwd"' \
        --extract-hook='printf "root:x:0:\n" >"$1/etc/group"' \
        --extract-hook="install -D -m 644 $BUNDLE \"\$1$BUNDLE\"" \
        "${@:2}" "$SUITE" -
}

# If the input ends early, `docker import` keeps an incomplete image: remove it.
discard() {
    docker image rm "$1" >/dev/null
    return 1
}

make_base() {
    local image
    image=$NAME:base-$(cat "$0" "$BUNDLE" | digest)
    if ! exists "$image"; then
        file_system python3,python3-venv,libstdc++6 |
            docker import \
                --change "ENV PIP_CERT=$BUNDLE" \
                --change "ENV PATH=$SEARCH" \
                - "$image" >/dev/null || discard "$image"
    fi
    printf '%s\n' "$image"
}

make_postgres() {
    local image entrypoint data=/var/lib/postgresql/data
    entrypoint=$(dirname "$0")/local-postgres.sh
    image=$NAME:postgres-$(cat "$0" "$BUNDLE" "$entrypoint" | digest)
    if ! exists "$image"; then
        # shellcheck disable=SC2016 # as above
        file_system postgresql-15 \
            --extract-hook='printf "postgres:x:999:999::/:/bin/sh\n" >>"$1/etc/passwd"' \
            --extract-hook='printf "postgres:x:999:\n" >>"$1/etc/group"' \
            --extract-hook='install -d -o 999 -g 999 -m 3777 "$1/var/run/postgresql"' \
            --extract-hook='install -d -o 999 -g 999 "$1'$data'"' \
            --extract-hook="install -D -m 755 $entrypoint \"\$1/usr/local/bin/local-postgres.sh\"" |
            docker import \
                --change "ENV PATH=/usr/lib/postgresql/15/bin:$SEARCH PGDATA=$data" \
                --change 'USER postgres' \
                --change "VOLUME $data" \
                --change 'EXPOSE 5432' \
                --change 'ENTRYPOINT ["local-postgres.sh"]' \
                - "$image" >/dev/null || discard "$image"
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
        # The last argument of `cargo build … --target TRIPLE` tells where to put the binary.
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
postgres) make_postgres ;;
*)
    printf 'usage: docker/local-images.sh base | builder BINARY | postgres\n' >&2
    exit 64
    ;;
esac
