#!/usr/bin/env python3
"""Packs a static binary that was built for one target as a Python wheel, so that
`pip install dbt-entrypoint` puts it beside dbt. Usage: release/wheel.py TARGET DIRECTORY

The binary needs no Python and no C library, so one wheel is right for glibc and for musl
(https://peps.python.org/pep-0600/, https://peps.python.org/pep-0656/). The same binary gives the
same bytes: names are in a fixed order, times are SOURCE_DATE_EPOCH. The format is that of
https://packaging.python.org/en/latest/specifications/binary-distribution-format/.
"""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time
import zipfile

# A zip archive knows no earlier time.
EARLIEST = 315532800

PAGE = """\
{description}

This package holds the static binary for Linux. Install it beside dbt and make it the entrypoint:

    RUN pip install dbt-entrypoint
    ENTRYPOINT ["dbt-entrypoint"]

`dbt-entrypoint help` tells the rest.
"""


def metadata(package):
    """The package's description for Python's index, by `Cargo.toml`."""
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", package["name"]),
        ("Version", package["version"]),
        ("Summary", package["description"]),
        ("License-Expression", package["license"]),
        ("License-File", "LICENSE"),
        ("Classifier", "Operating System :: POSIX :: Linux"),
        ("Requires-Python", ">=3.7"),
        ("Description-Content-Type", "text/markdown"),
    ]
    lines = "".join(f"{name}: {value}\n" for name, value in fields)
    return lines + "\n" + PAGE.format(description=package["description"])


def pack(path, files):
    """Write an archive of (name, mode, content), and `RECORD` as its last file."""
    moment = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), EARLIEST))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name, mode, content in files:
            entry = zipfile.ZipInfo(name, moment[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the mode counts
            entry.external_attr = (0o100000 | mode) << 16
            wheel.writestr(entry, content)


def recorded(files, name):
    """The files with their `RECORD`: each name, digest and size."""
    lines = []
    for file, _, content in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{file},sha256={digest},{len(content)}\n")
    return files + [(name, 0o644, ("".join(lines) + f"{name},,\n").encode())]


def main(target, directory):
    told = subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"],
                          check=True, stdout=subprocess.PIPE).stdout
    [package] = json.loads(told)["packages"]
    release = package["name"].replace("-", "_") + "-" + package["version"]
    architecture = target.split("-")[0]
    platforms = ["manylinux2014", "manylinux_2_17", "musllinux_1_1"]
    tags = [f"{platform}_{architecture}" for platform in platforms]
    binary = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"), target, "release",
                          package["name"])
    wheel = "Wheel-Version: 1.0\nGenerator: release/wheel.py\nRoot-Is-Purelib: false\n"
    wheel += "".join(f"Tag: py3-none-{tag}\n" for tag in tags)
    info = release + ".dist-info"
    files = [
        (f"{release}.data/scripts/{package['name']}", 0o755, binary.read_bytes()),
        (f"{info}/METADATA", 0o644, metadata(package).encode()),
        (f"{info}/WHEEL", 0o644, wheel.encode()),
        (f"{info}/licenses/LICENSE", 0o644, pathlib.Path("LICENSE").read_bytes()),
    ]
    path = pathlib.Path(directory, f"{release}-py3-none-{'.'.join(tags)}.whl")
    pack(path, recorded(files, f"{info}/RECORD"))


if __name__ == "__main__":
    main(*sys.argv[1:])
