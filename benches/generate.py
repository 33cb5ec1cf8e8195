#!/usr/bin/env python3
"""Makes the projects that the benchmarks run on: generate.py DIRECTORY MODELS [TESTS]

A project has layers of ten models each that read the layer before, so many tests for each model (1),
one seed, and a macro that all call.
"""

import pathlib
import sys

LAYER = 10
COLUMNS = 12


def model(number):
    columns = "".join(f",\n    {number} * {c} as c{c}" for c in range(1, COLUMNS))
    parent = f"{{{{ ref('m{number - LAYER}') }}}}" if number >= LAYER else "{{ ref('s') }}"
    return f"select\n    {{{{ key('id') }}}} as id{columns}\nfrom {parent}\n"


def schema(numbers, tests):
    def column(name, description, number):
        tested = ", data_tests: [not_null]" if number < tests else ""
        return f"      - {{name: {name}{description}{tested}}}"
    lines = ["models:"]
    for number in numbers:
        lines += [
            f"  - name: m{number}",
            f"    description: The model of number {number}",
            "    columns:",
            column("id", "", 0),
        ]
        lines += [column(f"c{c}", ", description: a column", c) for c in range(1, COLUMNS)]
    return "\n".join(lines) + "\n"


def project(directory, models, tests=1):
    files = {
        "dbt_project.yml": "name: bench\nprofile: bench\nmodels: {+materialized: view}\n",
        "profiles.yml": "bench:\n  outputs:\n    default:\n      {type: duckdb, path: bench.duckdb, "
        "schema: \"{{ env_var('BENCH_SCHEMA', 'main') }}\"}\n",
        "macros/key.sql": "{% macro key(column) %}{{ column }} + 0{% endmacro %}\n",
        "seeds/s.csv": "id\n1\n2\n",
    }
    for number in range(models):
        files[f"models/{number // 100}/m{number}.sql"] = model(number)
    for start in range(0, models, 50):
        numbers = range(start, min(start + 50, models))
        files[f"models/{start // 100}/schema{start}.yml"] = schema(numbers, tests)
    for path, text in files.items():
        path = pathlib.Path(directory, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    project(sys.argv[1], *map(int, sys.argv[2:]))
