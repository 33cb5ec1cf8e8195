#!/usr/bin/env python3
"""Prints the bill of materials of the shipped binary as CycloneDX: release/sbom.py TARGET

cargo-cyclonedx writes it. Its source, `cargo metadata`, counts optional crates that no feature
switches on, and names our own package by the directory it lies in: both are mended here, so that
it holds what `cargo tree` shows for the target, and is the same wherever it is made.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CYCLONEDX = ROOT / ".cache/cargo-cyclonedx/bin/cargo-cyclonedx"
WRITTEN = ROOT / "dbt-entrypoint_bin.cdx.json"


def run(*words):
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(target):
    """Names and versions of all crates in the binary, as `name v1.2.3`."""
    tree = run("cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none",
               "--format", "{p}", "--target", target)
    return {" ".join(line.split()[:2]) for line in tree.splitlines()}


def whole(target):
    """What cargo-cyclonedx says, which lays it beside Cargo.toml."""
    try:
        run(CYCLONEDX, "cyclonedx", "--quiet", "--format", "json", "--describe", "binaries",
            "--no-build-deps", "--spec-version", "1.5", "--target", target)
        text = WRITTEN.read_text()
    finally:
        WRITTEN.unlink(missing_ok=True)
    text = text.replace(f"path+{ROOT.as_uri()}#", "")
    return json.loads(text.replace("?download_url=file://.#src/main.rs", ""))


def main(target):
    bill, crates = whole(target), linked(target)
    bill["components"] = [
        crate for crate in bill["components"] if f"{crate['name']} v{crate['version']}" in crates
    ]
    refs = {crate["bom-ref"] for crate in [bill["metadata"]["component"], *bill["components"]]}
    bill["dependencies"] = [
        edge | {"dependsOn": [ref for ref in edge.get("dependsOn", []) if ref in refs]}
        for edge in bill["dependencies"] if edge["ref"] in refs
    ]
    print(json.dumps(bill, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
