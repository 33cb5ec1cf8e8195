#!/usr/bin/env python3
"""Print the bill of materials of the released binary as CycloneDX: release/sbom.py TARGET

cargo-cyclonedx writes it from `cargo metadata`, which lists optional crates that no feature enables
and names our own package by its directory. This script corrects both, so the result contains what
`cargo tree` shows for the target and is the same wherever it is built.
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
    """Return all crates in the binary, as `name v1.2.3`."""
    tree = run("cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none",
               "--format", "{p}", "--target", target)
    return {" ".join(line.split()[:2]) for line in tree.splitlines()}


def whole(target):
    """Return the output of cargo-cyclonedx, which it writes next to Cargo.toml."""
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
