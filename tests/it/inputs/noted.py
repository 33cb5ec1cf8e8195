"""Prints, as JSON, the variables that dbt noted for each node in a partial_parse.msgpack."""

import json
import sys

import msgpack

with open(sys.argv[1], "rb") as file:
    state = msgpack.unpackb(file.read(), raw=False, strict_map_key=False)

BUILT = ("model", "seed", "snapshot")
noted = {}
nodes = {i: n for i, n in state["nodes"].items() if n["resource_type"] in BUILT}
for unique_id, node in nodes.items():
    entry = noted.setdefault(unique_id, set())
    source = state["files"].get(f"{node['package_name']}://{node['original_file_path']}", {})
    entry.update(source.get("env_vars") or [])
    patch = state["files"].get(node.get("patch_path") or "", {})
    for names in (patch.get("env_vars") or {}).values():
        entry.update(names.get(node["name"], []))
print(json.dumps({i: sorted(f"env_var:{name}" for name in names) for i, names in noted.items()}))
