"""A random project of some eighty nodes in chains, whose models can be written in many ways.

A model is a statement (`select n, v + 7 as v, … as h from …`) and the ways in which its parts are
written: a number as `7`, as `{{ same(7) }}`, as a loop. Another way compiles to the same statement. What
a model has around its statement is its trait: a hook, a contract, a branch for `flags.WHICH`. Most
traits hold a number that the compiled code does not show: there it is the number before (JJ).

Each model has the columns n, v and h for each n of the seeds, so a build that replaces rows by n leaves
what a build from scratch does.
"""

import json
import random

MODELS = 72
# Ways to write a number, which here is KK; RR is a random number.
NUMBERS = [
    "KK", "{{ KK }}", "{{ KK - 1 + 1 }}", "{{ same(KK) }}", "{{ through(KK) }}", "{{ returned(KK) }}",
    "{{ tools.copied(KK) }}", "{{ picked(KK) }}", "{{ adapter.dispatch('picked', 'prove')(KK) }}",
    "{{ var('none', KK) }}", "{{ env_var('PROVE_NONE', 'KK') }}", "{% if true %}KK{% else %}RR{% endif %}",
    "{{ KK if target.name == 'dev' else RR }}", "{% for i in [KK] %}{{ i }}{% endfor %}", "{{ [RR, KK] | last }}",
    "{% set x = KK %}{{ x }}", "{% set y %}KK{% endset %}{{ y }}", "{% call wrapped() %}KK{% endcall %}",
    "{# RR #}KK", "KK{# {{ ref('gone') }} #}", "{% raw %}KK{% endraw %}", "{{ 'KK' }}", "{{ tojson(KK) }}",
    "{% filter trim %} KK {% endfilter %}", "{% set f = same %}{{ f(KK) }}", "{% if execute %}KK{% else %}RR{% endif %}",
    "{{ unless('PROVE_A', KK) }}", "{{ fromjson('[KK]')[0] }}", "{{ namespace(a=KK).a }}", "{{ model.get('none', KK) }}",
    "{{ KK if var('number') else RR }}", "{{ KK if env_var('PROVE_A') else RR }}", "{{ 0 + KK if graph else RR }}",
    "{{\n  KK\n}}", "{{KK}}", "{% if not execute -%} RR {%- else -%} KK {%- endif %}",
]
COLUMNS = [
    "n, ", "{% for c in ['n'] %}{{ c }}, {% endfor %}", "{{ 'n' }}, ", "{{ ['n', ''] | join(', ') }}",
    "{% if true %}n, {% else %}RR, {% endif %}", "n, {% if var('none', false) %}v as w, {% endif %}",
    "{{ returned('n') }}, ", "n{{ ', ' }}", "n, {% for c in [] %}{{ c }} as c, {% endfor %}",
]
# Ways to write a parent. PP is its name, in quotes.
PARENTS = [
    "{{ ref(PP) }}", "{{ref(PP)}}", "{{ ref('prove', PP) }}", "{{ builtins.ref(PP) }}", "{% set up = ref(PP) %}{{ up }}",
    "{{ ref([PP][0]) }}", "{{ ref(PP) | string }}", "{% for up in [ref(PP)] %}{{ up }}{% endfor %}",
    "{{ ref(PP) if true else RR }}", "{{ returned(ref(PP)) }}", "{{ ref(\n  PP\n) }}",
]
NAMED = [*PARENTS, "{% set up = ref(PP) %}\"shop\".\"main\".{{ '\"' ~ PP ~ '\"' }}"]
HEADS = [
    "", "{# a note RR #}", "{% set unused = RR %}", "{%- set unused = [RR, 'a'] -%}", "{% if false %}select RR{% endif %}",
    "{% if execute %}{% set u = RR %}{% endif %}", "{% do [].append(RR) %}", "{% set u %}RR{% endset %}", "{% do log('RR') %}",
    "{% for x in [] %}{{ RR }}{% endfor %}", "{%\n  set u = RR\n%}", "\n\n  ", "{% set u = namespace(a=RR) %}", "{{ same('') }}",
    "{#\n  {{ config(alias='RR') }}\n#}", "{% if var('number') == RR %}select 1{% endif %}", "{% set u = same(RR) %}",
]


class Trait:
    """`kinds` are the materializations that it is for; `head` comes before the statement, `h` is the
    column, `yaml` goes into the properties. KK is the number of the trait, JJ the one before."""

    def __init__(self, h="1", config=(), kinds=("view", "table", "incremental", "ephemeral"), head="", where="", yaml=None):
        self.h, self.config, self.kinds, self.head, self.where = h, dict(config), kinds, head, where
        self.yaml = yaml or (lambda k: {})

    def has_number(self):
        return "KK" in f"{self.h}{self.config}{self.head}{self.where}" or self.yaml(1) != self.yaml(2)


BUILT = ("view", "table", "incremental")
TABLES = ("table", "incremental")
DOCS = {"persist_docs": {"relation": True, "columns": True}}
# What compiled code shows.
SHOWN = {
    "number": Trait("KK"),
    "var": Trait("{{ var('number') }}"), "env_var": Trait("{{ env_var('PROVE_A') }}"),
    "env_var by a computed name": Trait("{{ env_var('PROVE_' ~ 'A') }}"),
    "meta": Trait("{{ model.config.meta.k }}", {"meta": "{'k': KK}"}),
    "graph": Trait("{{ graph.nodes[model.unique_id].config.meta.k if execute else 0 }}", {"meta": "{'k': KK}"}),
    "render of cents": Trait("{{ render('{{ cents(1) }}') }}"),
    "columns": Trait("{{ model.columns | length }}", yaml=lambda k: {"columns": [{"name": c} for c in "nvh"[:k % 4]]}),
    "this": Trait("{{ this.identifier | length }}", {"alias": "NAME ~ 'a' * (KK % 3)"}, BUILT),
    "macro": Trait("{{ cents(1) }}"), "macro of a package": Trait("{{ tools.added(1) }}"),
    "dispatch": Trait("{{ tools.chosen(1) }}"), "version": Trait("(select max(n) from {{ ref('product') }})"),
    "ephemeral": Trait("(select max(h) from {{ ref('inlined') }})"),
}
# What it does not show, or only because the warehouse is asked.
HIDDEN = {
    "flags": Trait("{{ JJ if flags.WHICH == 'compile' else KK }}"),
    "flags as an item": Trait("{{ JJ if flags['WHICH'] == 'compile' else KK }}"),
    "flags.INTROSPECT": Trait("{{ KK if flags.INTROSPECT else JJ }}"),
    "invocation_args_dict": Trait("{{ JJ if invocation_args_dict.which == 'compile' else KK }}"),
    "context": Trait("{{ JJ if context['flags'].WHICH == 'compile' else KK }}"),
    "builtins": Trait("{{ JJ if builtins['fl' ~ 'ags'].WHICH == 'compile' else KK }}"),
    "macro with flags": Trait("{{ by_flags(JJ, KK) }}"),
    "macro with flags in a variable": Trait("{% set f = by_flags %}{{ f(JJ, KK) }}"),
    "macro with flags by a computed name": Trait("{{ prove['by_' ~ 'flags'](JJ, KK) }}"),
    "macro with flags by its namespace": Trait("{% set names = prove %}{{ names.by_flags(JJ, KK) }}"),
    "macro with flags among all": Trait(
        "{% for name, f in prove.items() if name == 'by_' ~ 'flags' %}{{ f(JJ, KK) }}{% endfor %}"),
    "macro with flags by dispatch": Trait("{{ adapter.dispatch('by_' ~ 'kind', 'prove')(JJ, KK) }}"),
    "render": Trait("{{ render('{{ JJ if fl' ~ 'ags.WHICH == \"compile\" else KK }}') }}"),
    "builtins.get": Trait("{{ JJ if builtins.get('fl' ~ 'ags').WHICH == 'compile' else KK }}"),
    "ref.config": Trait("{{ JJ if ref.config.args.which == 'compile' else KK }}"),
    "render of a macro": Trait("{{ render('{{ by_fl' ~ 'ags(JJ, KK) }}') }}"),
    "run_query by a computed name": Trait("{{ dbt['run_' ~ 'query']('select KK').columns[0].values()[0] if execute else 0 }}"),
    "run_query": Trait("{{ run_query('select KK').columns[0].values()[0] if execute else 0 }}"),
    "statement": Trait("{{ load_result('s').data[0][0] if execute else 0 }}",
                       head="{% call statement('s', fetch_result=true) %}select KK{% endcall %}"),
    "load_relation": Trait("{{ JJ if load_relation(base) is none else KK }}", head="{% set base = ref('base') %}"),
    "adapter": Trait("{{ adapter.get_columns_in_relation(base) | length + KK if execute else 0 }}",
                     head="{% set base = ref('base') %}"),
    "is_incremental": Trait("1", where=" {% if is_incremental() %}where n > -KK{% endif %}", kinds=("incremental",)),
    "sql_header": Trait("getvariable('h')", {"sql_header": "'set variable h = KK;'"}, ("table",)),
    "set_sql_header": Trait("getvariable('h')", kinds=("table",),
                            head="{% call set_sql_header(config) %}set variable h = KK;{% endcall %}"),
    "config.set": Trait("getvariable('h')", kinds=("table",),
                        head="{% do config.set('sql_' ~ 'header', 'set variable h = KK;') %}"),
    "pre_hook": Trait("getvariable('h')", {"pre_hook": "'set variable h = KK'"}, ("table",)),
    "post_hook": Trait("0", {"post_hook": "'update {{ this }} set h = KK'"}, TABLES),
    "post_hook with a macro": Trait("0", {"post_hook": "'update {{ this }} set h = {{ hooked() }}'"}, TABLES),
    "post_hook with a var": Trait("0", {
        "post_hook": "\"update {{ this }} set h = {{ var('hook') }}\""}, TABLES),
    "post_hook with an env_var": Trait("0", {
        "post_hook": "\"update {{ this }} set h = {{ env_var('PROVE_HOOK') }}\""}, TABLES),
    "post_hook of meta": Trait("0", {
        "post_hook": "'update {{ this }} set h = {{ model.config.meta.k }}'", "meta": "{'k': KK}"}, TABLES),
    "kind": Trait("1", {"materialized": "['view', 'table'][KK % 2]"}, ("view", "table")),
    "kind by a macro": Trait("1", {"materialized": "kind_of()"}, ("view", "table")),
    "config in a macro": Trait("1", head="{{ configured(KK) }}", config={"materialized": None}, kinds=("view", "table")),
    "kind in YAML": Trait("1", {"materialized": None}, ("view", "table"),
                          yaml=lambda k: {"config": {"materialized": ["view", "table"][k % 2]}}),
    "alias": Trait("1", {"alias": "'other_KK_' ~ NAME"}, BUILT),
    "alias by generate_alias_name": Trait("1", {"meta": "{'named': true}"}, BUILT),
    "schema by generate_schema_name": Trait("1", {"schema": "'apart'"}, BUILT),
    "materialization": Trait("1", {"materialized": "'odd'", "meta": "{'k': KK}"}, ("table",)),
    "strategy": Trait("1", {"incremental_strategy": "'own'"}, ("incremental",)),
    "on_schema_change": Trait("1", {"on_schema_change": "['ignore', 'fail'][KK % 2]"}, ("incremental",)),
    "index": Trait("1", {"indexes": "[{'columns': [['n', 'v'][KK % 2]]}]"}, ("table",)),
    "description": Trait("1", kinds=BUILT, yaml=lambda k: {"description": f"Number {k}.", "config": DOCS}),
    "description with a var": Trait("1", kinds=BUILT, yaml=lambda k: {"description": "Is {{ var('number') }}.", "config": DOCS}),
    "description by a docs block": Trait("1", kinds=BUILT, yaml=lambda k: {"description": "{{ doc('told') }}", "config": DOCS}),
    "description of a column": Trait("1", kinds=BUILT, yaml=lambda k: {
        "columns": [{"name": "v", "description": f"Number {k}."}], "config": DOCS}),
    "constraint": Trait("1", kinds=("table",), yaml=lambda k: contract("nvh", ["not_null"] if k % 2 else [])),
    "check": Trait("1", kinds=("table",), yaml=lambda k: contract("nvh", [{"type": "check", "expression": f"n > -{k}"}])),
    "column order": Trait("1", kinds=("table",), yaml=lambda k: contract("hvn" if k % 2 else "nvh", [])),
}
TRAITS = SHOWN | HIDDEN


def contract(order, constraints):
    of = [c if isinstance(c, dict) else {"type": c} for c in constraints]
    columns = [{"name": c, "data_type": "integer", **({"constraints": of} if c == "n" and of else {})} for c in order]
    return {"columns": columns, "config": {"contract": {"enforced": True}}}


# Macros: parameters and body. X is the first parameter, KK the number of the macro, JJ the one before.
OF_CODE = {
    "same": ("X", "{{ X }}"), "through": ("X", "{{ same(X) }}"), "returned": ("X", "{{ return(X) }}"),
    "wrapped": ("", "{{ caller() }}"), "picked": ("X", "{{ return(adapter.dispatch('picked', 'prove')(X)) }}"),
    "default__picked": ("X", "{{ X }}0"), "duckdb__picked": ("X", "{{ X }}"), "cents": ("X", "{{ X }} * KK"),
    "unless": ("X, number", "{{ number if env_var(X) else 0 }}"), "tools.copied": ("X", "{{ X }}"),
    "tools.added": ("X", "{{ X }} + KK"), "tools.chosen": ("X", "{{ return(adapter.dispatch('chosen', 'tools')(X)) }}"),
    "tools.default__chosen": ("X", "{{ X }} + KK"), "duckdb__chosen": ("X", "{{ X }} * KK"),
}
AROUND = {
    "by_flags": ("X, now", "{{ X + JJ if flags.WHICH == 'compile' else now + KK }}"),
    "default__by_kind": ("X, now", "{{ X - JJ if flags.WHICH == 'compile' else now - KK }}"),
    "hooked": ("", "KK"), "odd_number": ("", "KK"),
    "kind_of": ("", "{{ return(['view', 'table'][KK % 2]) }}"),
    "configured": ("X", "{{ config(materialized=['view', 'table'][(X + KK) % 2]) }}"),
    "generate_alias_name": ("X=none, node=none",
                            "{{ (X or node.name) ~ ('_v' ~ node.version if node.version else '') "
                            "~ ('_KK' if node.config.meta.named) }}"),
    "generate_schema_name": ("X, node", "{{ target.schema if X is none else X ~ '_' ~ KK }}"),
    "get_incremental_own_sql": ("X", "delete from {{ X['target_relation'] }} where n > -KK; "
                                     "insert into {{ X['target_relation'] }} (n, v, h) select n, v, h from {{ X['temp_relation'] }}"),
}
# These make nearly every relation anew.
EVERYWHERE = {
    "duckdb__create_view_as": ("X, sql", "create view {{ X }} as (select * from ({{ sql }}) where n > -KK);"),
}
MACROS = OF_CODE | AROUND | EVERYWHERE
FORMS = [
    "{% macro NAME(ARGS) %}BODY{% endmacro %}", "{% macro NAME(ARGS) -%}\n  BODY\n{%- endmacro %}",
    "{# a note RR #}{% macro NAME(ARGS) %}BODY{% endmacro %}", "{% macro NAME(ARGS) %}{# RR #}BODY{% endmacro %}",
    "{%- macro NAME( ARGS ) -%}{%- set unused = RR -%}BODY{%- endmacro -%}",
    "{% macro NAME(ARGS) %}{% set unused %}RR{% endset %}BODY{% endmacro %}",
    "{% macro NAME(ARGS) %}{% if true %}BODY{% else %}RR{% endif %}{% endmacro %}",
    "{% macro NAME(ARGS) %}BODY{% if false %}{{ other_RR() }}{% endif %}{% endmacro %}",
]
ODD = """{% materialization odd, adapter='duckdb' %}
  {%- set target = this.incorporate(type='table') -%}
  {{ drop_relation_if_exists(load_cached_relation(this)) }}
  {% call statement('main') %}
    create table {{ target }} as (select n, v, h + KK + {{ odd_number() }} + {{ model.config.meta.k }} as h from ({{ sql }}))
  {% endcall %}
  {% do adapter.commit() %}{{ return({'relations': [target]}) }}
{% endmaterialization %}
"""


def written(template, rng, number=0, before=0):
    return template.replace("RR", str(rng.randrange(1000, 9999))).replace("KK", str(number)).replace("JJ", str(before))


def next_number(pair, following):
    """The number and the one before. What a build with `pair` put there is what a compile with the next pair
    shows."""
    number, before = pair
    return (following, number) if before == number else (number, number)


class Model:
    def __init__(self, name, parent, trait, rng):
        self.name, self.parent, self.trait, self.rng = name, parent, trait, rng
        self.kind = rng.choice([*TRAITS[trait].kinds, *BUILT] if trait == "number" else TRAITS[trait].kinds)
        self.k = self.before = rng.randrange(1, 90)
        self.number, self.rows, self.factor = rng.randrange(1, 90), "", rng.choice(["", "", "cents"])
        self.head, self.columns, self.comment, self.configured = "", COLUMNS[0], "", 0
        self.ways = {"number": NUMBERS[0], "parent": self.parents()[0]}
        self.log, self.has_readers = [], False
        self.write()

    def parents(self):
        if self.parent == "raw":
            return ["{{ source('raw', 'given') }}", "{{ source('raw', 'given') | string }}",
                    "{% set up = source('raw', 'given') %}{{ up }}", '"shop"."raw"."given"']
        return NAMED if self.parent in ("numbers", "base") else PARENTS

    def write(self):
        """Write the text anew, from what the model is now."""
        trait, rng = TRAITS[self.trait], self.rng
        parent = written(self.ways["parent"], rng).replace("PP", f"'{self.parent}'")
        if self.parent == "kept":
            parent = f"(select * from {parent} where dbt_valid_to is null)"
        value = "{{ cents('v') }}" if self.factor else "v"
        self.text = (f"{self.config(trait)}{written(self.head, rng)}{written(trait.head, rng, self.k, self.before)}"
                     f"select {written(self.columns, rng)}{value} + {written(self.ways['number'], rng, self.number)} as v, "
                     f"{written(trait.h, rng, self.k, self.before)} as h from {parent}{written(trait.where, rng, self.k)}{self.rows}"
                     f"{self.comment}\n")

    def config(self, trait):
        given = {"materialized": f"'{self.kind}'", **trait.config}
        given |= {"unique_key": "'n'"} if self.kind == "incremental" else {}
        given = {key: value.replace("KK", str(self.k)).replace("NAME", f"'{self.name}'") for key, value in given.items() if value}
        pairs = [f"{key}={value}" for key, value in given.items()]
        return [f"{{{{ config({', '.join(pairs)}) }}}}", "{{\n  config(\n    " + ",\n    ".join(pairs) + "\n  )\n}}",
                "".join(f"{{{{ config({pair}) }}}}" for pair in pairs), f"{{% do config({', '.join(pairs)}) %}}",
                "{{ config(**{" + ", ".join(f"'{key}': {value}" for key, value in given.items()) + "}) }}",
                ][self.configured] if pairs else ""

    def properties(self):
        return {"name": self.name, **TRAITS[self.trait].yaml(self.k)}


class World:
    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.k = dict.fromkeys(MACROS, 2) | {"odd": 1, "docs": 1, "seed numbers": 1, "seed codes": 1, "latest": 1, "folder": 1,
                                              "hook of a folder": 1, "override": 1}
        self.by_option = seed % 2 == 0  # Whether variables are given on the command line.
        self.before = dict(self.k)
        self.form = {name: (FORMS[0], "x", 0, name.split(".")[0]) for name in MACROS}
        self.vars, self.environment = {"number": 3, "hook": 4}, {"PROVE_A": "5", "PROVE_HOOK": "6"}
        self.models, traits = [], rng.sample(list(TRAITS), len(TRAITS))
        for index in range(MODELS):
            trait = traits.pop() if rng.random() < 0.55 else "number"
            # What is below a hidden trait is built with it, so most of them are at the end of their chains.
            above = [model.name for model in self.models if model.trait in SHOWN or rng.random() < 0.15]
            earlier = rng.choice(above) if above and rng.random() < 0.45 else None
            parent = earlier or rng.choice(["numbers", "numbers", "base", "base", "base", "codes", "raw", "product", "kept",
                                            "inlined"])
            self.models.append(Model(f"m{index}", parent, trait, rng))
        read = {model.parent for model in self.models}
        for model in self.models:
            model.has_readers = model.name in read
        self.inlined = 1, ""

    def macro(self, name):
        form, parameter, note, _ = self.form[name]
        arguments, body = (text.replace("X", parameter) for text in MACROS[name])
        text = form.replace("NAME", name.split(".")[-1]).replace("ARGS", arguments).replace("BODY", body)
        return text.replace("RR", str(note)).replace("KK", str(self.k[name])).replace("JJ", str(self.before[name])) + "\n"

    def files(self):
        rows = {name: "".join(f"{n},{n * self.k[f'seed {name}']}\n" for n in range(1, 5)) for name in ("numbers", "codes")}
        files = {
            "dbt_project.yml": json.dumps({
                "name": "prove", "version": "1.0", "profile": "prove", "vars": {} if self.by_option else self.vars,
                "flags": {"send_anonymous_usage_stats": False},
                "on-run-start": ["create schema if not exists raw", "create table if not exists raw.given as select * from "
                                 "(values (1, 1), (2, 2), (3, 3), (4, 4)) as t(n, v)"],
                "models": {"prove": {
                    "by_folder": {"+materialized": ["view", "table"][self.k["folder"] % 2]},
                    "hooked": {"+materialized": "table",
                               "+post-hook": f"update {{{{ this }}}} set v = {self.k['hook of a folder']}"}}},
                "seeds": {"+column_types": {"n": "integer", "v": "integer"}}}),
            "profiles.yml": "prove: {target: dev, outputs: {dev: {type: duckdb, threads: 1, schema: main, "
                            "path: \"{{ env_var('PROVE_WAREHOUSE') }}\"}}}\n",
            "packages.yml": "packages: [{local: dbt_packages/tools}]\n",
            "dbt_packages/tools/dbt_project.yml": "name: tools\nversion: '1.0'\n",
            "dbt_packages/tools/models/tool.sql": "select 1 as n, {{ copied(2) }} as v, {{ added(1) }} as h\n",
            **{f"seeds/{name}.csv": "n,v\n" + text for name, text in rows.items()},
            "macros/odd.sql": ODD.replace("KK", str(self.k["odd"])),
            "models/docs.md": "{% docs told %}Number " + str(self.k["docs"]) + ".{% enddocs %}\n",
            "models/base.sql": "{{ config(materialized='table') }}select n, v, 0 as h from {{ ref('numbers') }}\n",
            "models/inlined.sql": "{{ config(materialized='ephemeral') }}" + self.inlined[1]
                                  + f"select n, v, {self.inlined[0]} as h from {{{{ ref('numbers') }}}}\n",
            "models/product_v1.sql": "select n, v, 1 as h from {{ ref('base') }}\n",
            "models/product_v2.sql": "select n, v + 1 as v, 2 as h from {{ ref('base') }}\n",
            "models/by_folder/m.sql": "select n, v from {{ ref('base') }}\n",
            "models/hooked/hooked.sql": "select n, v from {{ ref('base') }}\n",
            "models/tested.sql": "select n, v, h from {{ ref('base') }}\n",
            "models/schema.yml": json.dumps(self.schema()),
            **{f"models/{model.name}.sql": model.text for model in self.models},
        }
        for name in MACROS:
            folder = "dbt_packages/tools/macros" if "." in name else "macros"
            path = f"{folder}/{self.form[name][3]}.sql"
            if name == "duckdb__chosen" and self.k["override"] % 2:
                continue
            files[path] = files.get(path, "") + self.macro(name)
        return files

    def schema(self):
        v = [{"v": 1}, {"v": 2}]
        return {
            "version": 2,
            "models": [*(model.properties() for model in self.models),
                       {"name": "product", "latest_version": 1 + self.k["latest"] % 2, "versions": v},
                       {"name": "tested", "columns": [{"name": "n", "data_tests": ["not_null", "unique"]}]}],
            "sources": [{"name": "raw", "tables": [{"name": "given"}]}],
            "snapshots": [{"name": "kept", "relation": "ref('base')",
                           "config": {"unique_key": "n", "strategy": "check", "check_cols": ["v"]}}],
            "unit_tests": [{"name": "as_given", "model": "tested", "given": [{"input": "ref('base')", "rows": [{"n": 1}]}],
                            "expect": {"rows": [{"n": 1}]}}],
        }
