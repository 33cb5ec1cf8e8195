"""A random project of some two hundred nodes, and random edits of the bodies of its models.

A model reads only models before it, so no edit makes a circle. Every kind of node that stands on a
model is there: generic, singular and unit tests, snapshots, exposures, a semantic model with a metric
and a saved query, versions, groups, contracts, descriptions by a docs block, an installed package.
"""

import json
import pathlib

MODELS = 80
# Macros and code that ask for the time, the invocation or the command, and whether what a parse makes of
# the code lasts. The program's unit tests read the same table.
CONSTRUCTS = json.loads(pathlib.Path(__file__).with_name("constructs.json").read_text())
LASTING = [case["code"] for case in CONSTRUCTS if case["lasts"]]
FLEETING = [case["code"] for case in CONSTRUCTS if not case["lasts"]]
MACROS = """{% macro cents(column) %}({{ column }} * 100){% endmacro %}
{% macro both(column) %}{{ cents(column) }} + {{ shifted(column) }}{% endmacro %}
{% macro shifted(column) %}{{ return(adapter.dispatch('shifted', 'shop')(column)) }}{% endmacro %}
{% macro default__shifted(column) %}{{ column }} + {{ var('shift', 1) }}{% endmacro %}
{% macro duckdb__shifted(column) %}{{ column }} + 2{% endmacro %}
{% macro latest() %}(select max(n) from {{ ref('m1') }}){% endmacro %}
{% macro tagged(name) %}{{ config(tags=[name]) }}{% endmacro %}
{% macro hidden() %}{{ config(enabled=false) }}{% endmacro %}
{% macro elsewhere() %}{{ config(schema='elsewhere', alias='other') }}{% endmacro %}
{% macro all_nodes() %}{{ graph.get('nodes', {}) | length }}{% endmacro %}
{% macro if_nodes() %}{% if graph.get('nodes') %}{{ ref('m0') }}{% endif %}{% endmacro %}
"""
GRAPH = ["{{ all_nodes() }}", "{{ if_nodes() }}"]
HIDDEN = """version: 2
models: [{name: away, config: {enabled: false}, description: Off.}]
exposures:
  - {name: hidden, type: dashboard, owner: {name: x}, config: {enabled: false}, depends_on: ["ref('m5')"]}
seeds: [{name: off_seed, config: {enabled: false}}]
"""
HIDDEN_TESTS = """version: 2
models:
  - {name: away_too, config: {enabled: false}, columns: [{name: n, data_tests: [not_null, unique]}]}
  - {name: off_too, columns: [{name: n, data_tests: [not_null]}]}
  - {name: tested_off, columns: [{name: n, data_tests: [{not_null: {config: {enabled: false}}}]}]}
sources:
  - {name: gone, config: {enabled: false}, tables: [{name: t, columns: [{name: n, data_tests: [not_null]}]}]}
"""
NAMING = """{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
{{ custom_alias_name or (node.name ~ (node.version or '')) }}
{%- endmacro %}
"""
CONFIGS = [
    "", "{{ config(materialized='table') }}\n", "{{ config(tags=['a', 'b']) }}\n",
    "{{ config(materialized='incremental', unique_key='n') }}\n",
    "{{ config(meta={'owner': {'name': 'x'}}, materialized='ephemeral') }}\n",
    "{{ config(schema='apart') }}\n", "{{ config(alias='named_INDEX_' ~ var('shift', 1)) }}\n",
    "{{\n  config(\n    pre_hook=\"select '}}'\",\n    tags='(')\n}}\n",
]


def yaml_of(rng):
    entries = []
    for index in range(MODELS):
        name, text = f"m{index}", ""
        if rng.random() < 0.5:
            text += f"    description: \"{rng.choice(['Plain.', '{{ doc(' + chr(39) + 'day' + chr(39) + ') }}'])}\"\n"
        if index % 5 == 1:
            text += "    config: {group: finance, access: " + rng.choice(["private", "protected"]) + "}\n"
            text = text.replace("private", "protected")
        if rng.random() < 0.6:
            tests = rng.sample(["not_null", "unique", "small"], rng.randint(1, 3))
            text += f"    columns: [{{name: n, description: The number., data_tests: {tests}}}]\n".replace("'", "")
        if index == 3:
            text += "    data_tests: [{small: {name: again, column_name: n}}]\n"
        if text:
            entries.append(f"  - name: {name}\n{text}")
    entries.append("  - name: product\n    latest_version: 2\n    columns: [{name: n, data_tests: [not_null]}]\n"
                   "    versions: [{v: 1}, {v: 2, columns: [{include: all}, {name: price}]}]\n")
    entries.append("  - name: agreed\n    config: {materialized: table, contract: {enforced: true}}\n"
                   "    columns: [{name: n, data_type: integer, constraints: [{type: not_null}]}]\n")
    return "version: 2\ngroups: [{name: finance, owner: {name: x, email: x@example.com}}]\nmodels:\n" + "".join(entries)


OTHERS = """version: 2
sources:
  - name: raw
    schema: "{{ var('raw', 'raw') }}"
    tables: [{name: orders, columns: [{name: n, data_tests: [not_null]}]}, {name: events}]
exposures:
  - {name: board, type: dashboard, owner: {name: x, email: x@example.com}, depends_on: ["ref('m5')", "ref('product', v=1)"]}
unit_tests:
  - name: fives
    model: m5
    given: [{input: ref('m0'), rows: [{n: 1}]}]
    expect: {rows: [{n: 1}]}
snapshots:
  - {name: kept, relation: ref('m2'), config: {unique_key: n, strategy: check, check_cols: all}}
"""
SEMANTIC = """version: 2
models:
  - name: days
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day}]
semantic_models:
  - name: sales
    model: ref('m4')
    defaults: {agg_time_dimension: on_day}
    entities: [{name: number, type: primary, expr: n}]
    dimensions: [{name: on_day, type: time, expr: day, type_params: {time_granularity: day}}]
    measures: [{name: total, agg: sum, expr: n}]
metrics:
  - {name: total, label: Total, type: simple, type_params: {measure: total}}
saved_queries:
  - name: totals
    query_params: {metrics: [total], group_by: ["TimeDimension('number__on_day', 'day')"]}
"""


def create(root, rng):
    """Write a project."""
    root = pathlib.Path(root)
    files = {
        "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nvars: {shift: 3}\n"
                           "flags: {send_anonymous_usage_stats: false}\n"
                           "models: {shop: {+meta: {owner: \"{{ var('shift', 2) }}\"}, marts: {+materialized: table}}}\n",
        "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, schema: main}}}\n",
        "dbt_packages/tools/dbt_project.yml": "name: tools\nversion: '1.0'\n",
        "dbt_packages/tools/macros/tools.sql": "{% macro doubled(c) %}{{ c }} * 2{% endmacro %}\n",
        "dbt_packages/tools/models/tool_days.sql": "select 1 as n\n",
        "packages.yml": "packages: [{local: dbt_packages/tools}]\n",
        "macros/logic.sql": MACROS, "macros/constructs.sql": "\n".join(case["sql"] for case in CONSTRUCTS), "macros/naming.sql": NAMING,
        "tests/generic/small.sql": "{% test small(model, column_name) %}select * from {{ model }} where {{ column_name }} > 9{% endtest %}\n",
        "tests/none_left.sql": "select * from {{ ref('m6') }} where n is null\n",
        "seeds/countries.csv": "n\n1\n2\n", "models/docs.md": "{% docs day %}A day.{% enddocs %}\n",
        "snapshots/history.sql": "{% snapshot history %}{{ config(target_schema='h', unique_key='n', strategy='check', check_cols=['n']) }}\n"
                                 "select * from {{ ref('m3') }}{% endsnapshot %}\n",
        "analyses/look.sql": "select * from {{ ref('m7') }}\n",
        "models/schema.yml": yaml_of(rng), "models/others.yml": OTHERS, "models/semantic.yml": SEMANTIC,
        "models/hidden.yml": HIDDEN, "models/away.sql": "select * from {{ ref('m1') }}\n",
        "models/off_too.sql": "{{ config(enabled=false) }} select * from {{ ref('m2') }}\n",
        "models/tested_off.sql": "select 1 as n\n", "seeds/off_seed.csv": "n\n1\n",
        "snapshots/off.sql": "{% snapshot off %}{{ config(enabled=false, target_schema='h', unique_key='n', strategy='check', check_cols=['n']) }}\n"
                             "select * from {{ ref('m3') }}{% endsnapshot %}\n",
        "models/days.sql": "select date '2026-01-01' as day\n",
        "models/agreed.sql": "select 1 as n\n",
        "models/product_v1.sql": "select * from {{ ref('m0') }}\n", "models/product_v2.sql": "select *, 1 as price from {{ ref('m1') }}\n",
    }
    for index in range(MODELS):
        folder = "marts/" if index % 3 == 0 else ""
        files[f"models/{folder}m{index}.sql"] = body(rng, index)
    # A full parse leaves the tests of disabled nodes in the graph, a partial parse does not. So a project
    # has these tests or readers of the graph.
    if rng.random() < 0.6:
        files |= {
            "models/hidden_tests.yml": HIDDEN_TESTS, "models/away_too.sql": "select * from {{ ref('away') }}\n",
            "tests/of_off.sql": "select * from {{ ref('away') }}\n",
            "tests/off_itself.sql": "{{ config(enabled=false) }} select * from {{ ref('m3') }}\n",
            "tests/off_of_off.sql": "{{ config(enabled=false) }} select * from {{ ref('away') }}\n",
        }
    else:
        for index in 20, 40:
            call = rng.choice(["-- {{ all_nodes() }}", "{% if execute %}-- {{ graph.nodes | length }}{% endif %}"])
            files[f"models/m{index}.sql" if index % 3 else f"models/marts/m{index}.sql"] += call + "\n"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return sorted(path for path in (root / "models").rglob("*.sql") if path.stem not in ("days", "away", "away_too", "off_too"))


def body(rng, index):
    config = rng.choice(CONFIGS if index > 5 else CONFIGS[:4]).replace("INDEX", str(index))
    # m5 has a unit test without an override of is_incremental.
    first = "n" if index == 5 else term(rng, index)
    return config + f"select {first} as n, current_date as day from {table(rng, index)}\n"


def index_of(path):
    """The models before this number may be read."""
    return int(path.stem[1:]) if path.stem[1:].isdigit() else {"product_v1": 6, "product_v2": 7}.get(path.stem, 5)


def table(rng, index):
    pool = ["{{ ref('countries') }}", "{{ source('raw', 'orders') }}", "{{ source('raw', 'events') }}",
            "{{ ref('tools', 'tool_days') }}"]
    if index > 0:
        earlier = rng.randrange(index)
        pool += [f"{{{{ ref('m{earlier}') }}}}"] * 3 + [f"{{{{ ref('shop', 'm{earlier}') }}}}", f"{{{{ref(\"m{earlier}\")}}}}"]
    if index > 8:
        pool += ["{{ ref('product') }}", "{{ ref('product', v=1) }}", "{{ ref('kept') }}", "{{ ref('history') }}"]
    return rng.choice(pool)


def term(rng, index):
    pool = ["1", "n", "{{ cents('n') }}", "{{ shifted('n') }}", "{{ tools.doubled('n') }}", "{{ doubled('n') }}",
            "{{ var('shift') }}", "{{ var('none', 7) }}", "{{ env_var('WARM_NONE', '4') }}", "{{ target.schema | length }}",
            "{{ this.name | length }}", "{{ model.name | length }}", "{% for i in [1, 2] %}{{ i }} + {% endfor %}0",
            "{{ model.description | length }}", "'é“”'", "'a  b'", "{{ \"'}}'\" | length }}",
            "{{ 1 if is_incremental() else 2 }}", "{{ config.get('materialized') | length }}"]
    if index > 8:
        pool += ["{{ both('n') }}", "{{ latest() }}"]
    return rng.choice(LASTING if rng.random() < 0.2 else pool)


# The edits: each takes the random numbers, the text, the number of the model, and the texts of other
# models; and gives the next text, or bytes.

def new_body(rng, text, index, others):
    head = text[:text.index("select")] if "select" in text else ""
    return head + f"select {term(rng, index)} as n, current_date as day from {table(rng, index)}\n"


def joined(rng, text, index, others):
    return text.rstrip() + f"\ncross join {table(rng, index)} as t{rng.randrange(99)}\n"


def term_added(rng, text, index, others):
    return text.replace("select ", f"select {term(rng, index)} as c{rng.randrange(99)}, ", 1)


def last_line_dropped(rng, text, index, others):
    lines = text.rstrip().split("\n")
    return "\n".join(lines[:-1] if len(lines) > 2 else lines) + f" -- {rng.randrange(999)}\n"


def commented(rng, text, index, others):
    note = rng.choice(["-- note {}", "/* note {} */", "{{# note {} #}}", "{{# {{{{ ref('m0') }}}} {} #}}",
                       "{{#\n{{{{ ref('gone') }}}} {}\n#}}", "{{% raw %}}{{{{ ref('gone') }}}} -- {}{{% endraw %}}"]).format(rng.randrange(999))
    note = note if note[0] != "{" or "raw" not in note else f"-- {note}"
    return f"{note}\n{text}" if rng.random() < 0.5 else f"{text.rstrip()}\n{note}\n"


def hinted(rng, text, index, others):
    return f"-- depends_on: {table(rng, index)}\n{text}"


def conditional(rng, text, index, others):
    return text + "{% if " + rng.choice(["execute", "false", "target.name == 'dev'", "var('shift') == 3",
                                    "model.description", "model.tags", "model.config.materialized == 'table'"]) + \
        f" %}}union all select 1, current_date from {table(rng, index)}{{% endif %}}\n"


def set_first(rng, text, index, others):
    name = f"v{rng.randrange(99)}"
    return f"{{%- set {name} = {rng.choice(['1', '[1, 2]', 'ref(' + chr(39) + 'countries' + chr(39) + ')'])} -%}}\n{text}"


def respaced(rng, text, index, others):
    return rng.choice([text.replace(" ", "  "), text.replace(" ", "\n", 1), text.replace("  ", " "),
                       text.replace("\n", "\r\n"), text.replace("\r\n", "\n"), "\n\n" + text, text + "  \n", "\t" + text,
                       text.rstrip()])


def quoted(rng, text, index, others):
    return text.replace("'", '"') if "config" not in text and "'}}'" not in text and "source" not in text else text + "-- \"'\n"


def marked(rng, text, index, others):
    return "\ufeff" + text if not text.startswith("\ufeff") else text[1:]


def taken_over(rng, text, index, others):
    other = rng.choice(others)
    return text if "config" in other or "config" in text else other


def asking(rng, text, index, others):
    return f"-- {rng.choice(LASTING + FLEETING)}\n{text}"


EDITS = [new_body] * 4 + [joined] * 3 + [term_added] * 4 + [last_line_dropped, commented, commented, hinted,
         conditional, set_first, respaced, quoted, marked, taken_over, asking]


def config_edited(rng, text, index, others):
    given = rng.choice(["enabled=false", "schema='s'", "alias='a%d'" % rng.randrange(99), "access='public'", "group='finance'",
                        "materialized='view'", "tags=['z']", "meta={'k': 1}", "enabled=true", "database='shop'"])
    return f"{{{{ config({given}) }}}}\n{text}"


def by_macro(rng, text, index, others):
    call = rng.choice(["tagged('q')", "hidden()", "elsewhere()"])
    return f"{{{{ {call} }}}}\n{text}"


def aliased_config(rng, text, index, others):
    return "{% set c = config %}{{ c(enabled=false) }}\n" + text


def config_dropped(rng, text, index, others):
    return text[text.index("}}\n") + 3:] if text.startswith("{{ config") else "{{ config(tags='n') }}\n" + text


def broken(rng, text, index, others):
    return rng.choice([text + "{{ ref('gone') }}", text + "{% if %}", text + "{{ nothing_of_the_kind() }}", "{% docs x %}y{% enddocs %}" + text,
                       text.encode() + b"-- \xff\xfe", "{% macro inner() %}1{% endmacro %}" + text, "", "\n", text + "{{ source('raw', 'gone') }}",
                       text + "{{ env_var('WARM_GONE') }}", text + "{{ run_started_at }}", text + "{{ invocation_id }}",
                       text + "{{ ref('product', v=7) }}", text + "{{ graph.get('nodes', {}) | length }}",
                       text + "{% if graph.get('nodes') %}{{ ref('m0') }}{% endif %}", text + f"-- {rng.choice(GRAPH)}\n",
                       text + f"-- {rng.choice(GRAPH)}\n", text + f"-- {rng.choice(FLEETING)}\n"])



HOSTILE = [config_edited, config_edited, by_macro, aliased_config, config_dropped, respaced, new_body, broken, broken]
