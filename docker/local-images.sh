#!/usr/bin/env bash
# Makes the images that docker/Dockerfile starts from out of Debian packages, so that the
# tests build and run it on a machine that reaches no image registry.
#
#   docker/local-images.sh base             a Debian with Python, in place of python:*-slim
#   docker/local-images.sh builder BINARY   in place of rust:*-slim: its cargo "builds" by
#                                           handing out BINARY, which Cargo built before as
#                                           …/TRIPLE/release/…, and it builds for no other
#   docker/local-images.sh postgres         PostgreSQL, in place of postgres:*
#
# Prints the image's name. The name holds a digest of everything that went in, so that a
# second call finds the image and does nothing.
set -euo pipefail

SUITE=bookworm
SYSTEM=ca-certificates,bash,dash,coreutils,procps,dpkg,diffutils,libc-bin
BUNDLE=/etc/ssl/certs/ca-certificates.crt
NAME=dbt-entrypoint-local
SEARCH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

digest() { sha256sum | cut -c1-12; }

exists() { docker image inspect "$1" >/dev/null 2>&1; }

# A root file system with the packages $1 on standard output; further words go to mmdebstrap.
# The "extract" variant unpacks the packages without their maintainer scripts: ten seconds
# instead of eighty. What those scripts would have written is written by the hooks.
file_system() {
    # shellcheck disable=SC2016 # $1 is the hook's: the root directory
    mmdebstrap --quiet --variant=extract --include="$SYSTEM,$1" \
        --extract-hook='printf "root:x:0:0:root:/root:/bin/sh\n" >"$1/etc/passwd"' \
        --extract-hook='printf "root:x:0:\n" >"$1/etc/group"' \
        --extract-hook="install -D -m 644 $BUNDLE \"\$1$BUNDLE\"" \
        "${@:2}" "$SUITE" -
}

# docker imports what there is of a file system, also when it then breaks off.
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
postgres) make_postgres ;;
*)
    printf 'usage: docker/local-images.sh base | builder BINARY | postgres\n' >&2
    exit 64
    ;;
esac
