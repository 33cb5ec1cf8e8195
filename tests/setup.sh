#!/usr/bin/env bash
# Installs what the tests need. Steps that are done already are skipped. A step that cannot be done
# prints which tests will be skipped.
#
#   tests/setup.sh                  everything
#   tests/setup.sh dbt-1.11 ...     only these Python environments, in .cache/
#   tests/setup.sh rust-targets     only what the static binaries need
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }

# The Python for the environments. dbt-core 1.9 to 1.13 run on 3.10 to 3.13.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say 'Python 3.10 to 3.13 was not found. Install it, or set PYTHON=/path/to/python3' >&2
    return 1
}

# create_environment DIR: an empty environment with pip. On Debian, `venv` lacks pip unless
# python3-venv is installed, so this tries three other ways too.
create_environment() {
    local python
    python=$(find_python) || return 1
    rm -rf "$1"
    "$python" -m venv "$1" >/dev/null 2>&1 && return
    rm -rf "$1"
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip install --quiet --target .cache/virtualenv virtualenv &&
            PYTHONPATH=.cache/virtualenv "$python" -m virtualenv --quiet "$1" && return
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        debian_packages python3-venv && "$python" -m venv "$1" && return
    fi
    if command -v uv >/dev/null; then
        uv venv --quiet --seed --python "$python" "$1" && return
    fi
    say "$python cannot create a virtual environment with pip. Install python3-venv (Debian, Ubuntu) or uv" >&2
    return 1
}

# environment NAME: .cache/NAME with exactly the packages of tests/requirements/NAME.txt. It is created
# again when that file changes. With uv, which takes a tenth of pip's time, where that can be had.
environment() {
    local name=$1 dir=.cache/$1 list=tests/requirements/$1.txt
    [ -f "$list" ] || { say "there is no $list" >&2; return 1; }
    if cmp -s "$list" "$dir/requirements.txt"; then
        return
    fi
    say "installing $name into $dir"
    if [ "$name" = uv ] || ! with_uv "$dir" "$list"; then
        create_environment "$dir"
        "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$list"
    fi
    ! is_native "$dir/bin/dbt" || duckdb_driver "$dir"
    cp "$list" "$dir/requirements.txt"
}

# with_uv DIR LIST: the environment DIR with the packages of LIST, by uv.
with_uv() {
    local python
    python=$(find_python) || return 1
    environment uv || return 1
    rm -rf "$1"
    .cache/uv/bin/uv venv --quiet --seed --python "$python" "$1" &&
        .cache/uv/bin/uv pip install --quiet --python "$1/bin/python" --no-deps -r "$2"
}

# is_native FILE: whether it is there and is a native program, as that of dbt 2 is.
is_native() {
    [ "$(head -c 4 "$1" 2>/dev/null | tail -c 3)" = ELF ]
}

# duckdb_driver DIR: dbt 2 loads DuckDB as an ADBC driver, from DIR/lib or from the network. DuckDB's
# Python package contains that driver but refers to symbols of Python, which the driver never uses.
# This links a library that defines those symbols and loads the package.
duckdb_driver() {
    local duckdb
    duckdb=$(realpath "$1"/lib/python3.*/site-packages/_duckdb.*.so)
    nm --dynamic --undefined-only "$duckdb" |
        sed -n 's/^ *U \(_\{0,1\}Py[A-Za-z0-9_]*\)$/void \1(void) { __builtin_trap(); }/p' |
        cc -shared -fPIC -o "$1/lib/libduckdb.so" -Wl,--no-as-needed -x c - -x none "$duckdb"
}

APT_UPDATED=no
debian_packages() {
    if [ "$APT_UPDATED" = no ]; then
        apt-get update -qq
        APT_UPDATED=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# For each tool: the command to look for, the Debian packages that contain it (separated by commas),
# and the tests that are skipped without it.
PACKAGES='
strace              strace                               fault injection and power cuts
mkfs.ext4           e2fsprogs                            power cuts
fusermount          fuse3,libfuse2                       state volumes in user space
rclone              rclone,fuse3                         state volumes in user space
s3fs                s3fs,fuse3                           state volumes in user space
podman              podman,netavark,aardvark-dns,iptables Kubernetes manifests in containers
runc                runc                                 Kubernetes manifests in containers
newuidmap           uidmap                               Kubernetes manifests in containers
slirp4netns         slirp4netns                          Kubernetes manifests in containers
docker-compose      docker-compose                       Compose files in containers
mmdebstrap          mmdebstrap                           container images
dumb-init           dumb-init                            comparison with other inits
catatonit           catatonit                            comparison with other inits, pods
tini                tini                                 comparison with other inits
qemu-aarch64-static qemu-user-static                     running the arm64 binary
zsh                 zsh                                  shell completions
fish                fish                                 shell completions
mandoc              mandoc                               the manual page
'

system_packages() {
    local missing=() command packages purpose
    while read -r command packages purpose; do
        [ -n "$command" ] || continue
        PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null && continue
        IFS=, read -ra packages <<<"$packages"
        missing+=("${packages[@]}")
        say "missing: ${packages[*]} (for: $purpose)"
    done <<<"$PACKAGES"
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        debian_packages "${missing[@]}"
    else
        say "not root on a Debian system, so the tests named above are skipped. To run them: apt-get install ${missing[*]}"
    fi
}

docker_engine() {
    docker info >/dev/null 2>&1 || say 'Docker is not running, so the tests in containers are skipped'
}

rust_targets() {
    local target installed
    if ! command -v rustup >/dev/null; then
        say 'rustup was not found. Install the musl targets of your Rust, or the tests of the static binary are skipped'
        return
    fi
    installed=$(rustup target list --installed)
    for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
        grep -qx "$target" <<<"$installed" || rustup target add "$target"
    done
}

# Built without optimizations: one minute, not five. The check still takes a second.
CARGO_DENY=0.20.2
cargo_deny() {
    if cargo deny --version 2>/dev/null | grep -q ' 0\.\(1[6-9]\|[2-9][0-9]\)\.'; then
        return
    fi
    if [ "$(.cache/cargo-deny/bin/cargo-deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ]; then
        return
    fi
    say 'building cargo-deny into .cache/cargo-deny'
    cargo install --quiet --debug --locked --root .cache/cargo-deny --config profile.dev.debug=0 \
        "cargo-deny@$CARGO_DENY" || say 'cargo-deny could not be built, so licenses are not checked'
}

if [ "$*" = rust-targets ]; then
    rust_targets
    exit
fi
if [ $# -gt 0 ]; then
    for name in "$@"; do environment "$name"; done
    exit
fi
rust_targets
system_packages
docker_engine
{
    cargo_deny
    release/tools.sh || say 'the release tools could not be built, so releases are not tested'
} &
for name in dbt-1.{8,9,10,11,12,13} dbt-v2 dbt-v2rc dbt-postgres dbt-clickhouse clickhouse kubectl tutor tools fuse; do
    environment "$name"
done
wait $!
cargo nextest --version >/dev/null 2>&1 || say 'cargo-nextest was not found; cargo test is used'
say 'done'
