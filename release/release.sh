#!/usr/bin/env bash
# Builds a release in dist/ and publishes nothing. docs/release.md describes the other steps.
#
#   release/release.sh              release the version in Cargo.toml
#   release/release.sh --rehearse   build the same files from any state, and print why they are no release
set -euo pipefail
cd "$(dirname "$0")/.."
TARGETS=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)

case $* in
'') REHEARSAL=no ;;
--rehearse) REHEARSAL=yes ;;
*)
    printf 'usage: release/release.sh [--rehearse]\n' >&2
    exit 64
    ;;
esac

say() { printf 'release: %s\n' "$*"; }

# object REASON: this must not be released. Exits, unless this is a rehearsal.
object() {
    if [ "$REHEARSAL" = no ]; then
        say "$*" >&2
        exit 1
    fi
    say "only a rehearsal: $*"
}

# section NAME: the text below this heading of the changelog. A date may follow the name:
# "## 1.2.3 (2030-01-31)".
section() {
    awk -v heading="## $1" '
        /^## / { found = $0 == heading || index($0, heading " ") == 1; next }
        found' CHANGELOG.md | sed '/./,$!d'
}

check() {
    local rust=${RUST#rustc } image
    image=$(sed -n 's/^ARG BUILDER_IMAGE=rust://p' docker/Dockerfile)
    [[ $image == "${rust%% *}"-* ]] ||
        object "another compiler makes other bytes: docker/Dockerfile has $image, this is $RUST"
    grep -qx "ARG VERSION=$VERSION" docker/Dockerfile ||
        object "docker/Dockerfile is not of version $VERSION"
    [ -z "$(git status --porcelain)" ] || object 'there are changes that are not committed'
    ! git rev-parse --quiet --verify "refs/tags/v$VERSION" >/dev/null ||
        object "the tag v$VERSION exists: Cargo.toml needs the next version"
    NOTES=$(section "$VERSION")
    if [ -z "$NOTES" ]; then
        object "CHANGELOG.md has no section \"## $VERSION\": put it above what is unreleased"
        NOTES=$(section Unreleased)
    fi
}

# archive DIRECTORY NAME: a tar archive whose bytes depend only on its files.
archive() {
    tar --create --directory "$1" --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
        --owner=0 --group=0 --numeric-owner --mode=u+w,go=u-w "$2" | gzip -9 --no-name
}

pack() {
    local target=$1 name=dbt-entrypoint-$VERSION-${1%%-*}-linux
    say "$target"
    mkdir "$WORK/$name"
    cp "${CARGO_TARGET_DIR:-target}/$target/release/dbt-entrypoint" "$WORK/$name/"
    cp -R LICENSE README.md CHANGELOG.md docs/dbt-entrypoint.1 docs/completions "$WORK/$name/"
    archive "$WORK" "$name" >"dist/$name.tar.gz"
    .cache/cargo-deb/bin/cargo-deb --quiet --locked --no-build --no-strip \
        --target "$target" --output dist/
    release/wheel.py "$target" dist/
    release/sbom.py "$target" >"dist/$name.cdx.json"
}

# Builds what `cargo publish` would upload; `cargo package` also compiles it.
crate() {
    local dirty=()
    [ "$REHEARSAL" = no ] || dirty=(--allow-dirty)
    cargo package --quiet --locked "${dirty[@]}"
    cp "${CARGO_TARGET_DIR:-target}/package/dbt-entrypoint-$VERSION.crate" dist/
}

notes() {
    [ "$REHEARSAL" = no ] || printf 'A rehearsal, not a release.\n\n'
    printf '# dbt-entrypoint %s\n\n%s\n\n' "$VERSION" "$NOTES"
    printf 'Commit %s, compiled by %s.\n' "$(git rev-parse HEAD)" "$RUST"
}

VERSION=$(cargo pkgid)
VERSION=${VERSION##*[#@]}
RUST=$(rustc --version)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
check
release/tools.sh
rm -rf dist
mkdir dist
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
release/binary.sh "${TARGETS[@]}"
for target in "${TARGETS[@]}"; do pack "$target"; done
crate
notes >dist/NOTES.md
(cd dist && sha256sum -- * >"$WORK/sums" && mv "$WORK/sums" SHA256SUMS)
say "dist/ holds version $VERSION"
