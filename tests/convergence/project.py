"""Write a world as a dbt project."""

import json

from reads import expression, read, read_somehow
from world import ORDERS, YEAR

# The first batch of a microbatch model begins here.
BEGIN = f"{YEAR - 1}-01-01"
# The first day of a batch, in whatever form this dbt has it.
BATCH = '(model.batch.event_time_start | string)[:10] if model.batch else "%s"' % BEGIN
STRATEGY = """{%% macro get_incremental_ks_sql(arg_dict) %%}
{{ get_incremental_delete_insert_sql(arg_dict) }}
-- strategy %s
{%% endmacro %%}
"""
OVERRIDE = """{%% macro %s__get_incremental_default_sql(arg_dict) %%}
{{ get_incremental_delete_insert_sql(arg_dict) }}
-- override %s
{%% endmacro %%}
"""


def write(world, directory, warehouse):
    """Write only files whose content differs, so that the others keep their times."""
    wanted = files(world, warehouse)
    for folder in ("models", "tests", "macros"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
        for old in (directory / folder).iterdir():
            if f"{folder}/{old.name}" not in wanted:
                old.unlink()
    for name, text in wanted.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
    warehouse.set_gates(gates(world))


def gates(world):
    """Return {gate: open or gone}; that of the last batch of a microbatch model is a gate too."""
    return {key.replace("batch:", "batch_").removeprefix("gate:"): state
            for key, state in world.knobs.items() if key.startswith(("gate:", "batch:"))}


def files(world, warehouse):
    target = warehouse.target(world.knobs["threads:"])
    profile = {"world": {"target": "dev", "outputs": {"dev": target}}}
    found = {"dbt_project.yml": json.dumps(settings(world), indent=1),
             "profiles.yml": json.dumps(profile, indent=1),
             "models/schema.yml": json.dumps(schema(world), indent=1)}
    for name, version in world.knobs.items():
        kind, _, what = name.partition(":")
        if world.knobs.get(f"gone:{what}"):
            continue
        if kind == "seed":
            found[f"seeds/{what}.csv"] = f"id,signature\n1,{what}:{version}\n"
        elif kind == "check" and version != "none":
            condition = "true" if version == "fail" else "false"
            found[f"tests/check_{what}.sql"] = (
                f"select * from {{{{ ref('{what}') }}}} where {condition}\n")
    found |= selectors(world) | macros(world, warehouse)
    for name in world.present():
        found[f"models/{name}.sql"] = model(world, name, warehouse)
    return found


def selectors(world):
    """Without a model to leave out, the default selector selects everything."""
    left_out = world.knobs["selector:"]
    if "selector" in world.cannot:
        return {}
    rule = {"union": [{"method": "fqn", "value": "*"},
                      {"exclude": [{"method": "fqn", "value": left_out or "none"}]}]}
    told = {"selectors": [{"name": "most", "default": bool(left_out), "definition": rule}]}
    return {"selectors.yml": json.dumps(told, indent=1)}


def macros(world, warehouse):
    knobs = world.knobs
    found = {f"macros/{name}.sql": macro(world, name) for name in world.macros}
    found["macros/kc.sql"] = (f"{{% macro kc() %}}'{{{{ caller() }}}}:{knobs['caller:kc']}'"
                              "{% endmacro %}\n")
    found["macros/kg.sql"] = f"{{% macro kg() %}}{knobs['guard:kg']} > 0{{% endmacro %}}\n"
    if "strategy" not in world.cannot:
        found["macros/ks.sql"] = STRATEGY % knobs["strategy:ks"]
    if knobs["override:"]:
        found["macros/ko.sql"] = OVERRIDE % (warehouse.adapter, knobs["override:"])
    return found


def settings(world):
    configs = {}
    for name, model in world.models.items():
        if model.stamp == "project":
            configs[name] = stamped(world, str(world.knobs[f"stamp:{name}"]), "+")
        elif model.stamp == "project_env":
            configs[name] = stamped(world, read("env", model.stamp_reads), "+")
    values = {name: world.knobs[f"var:{name}"] for name in ("v0", "v1", "v2")}
    values = {name: ORDERS.get(value, value) for name, value in values.items() if value is not None}
    # One variable is scoped to the package.
    scoped = {"world": {"v1": values.pop("v1")}} if "v1" in values else {}
    return {"name": "world", "version": "1.0", "config-version": 2, "profile": "world",
            "flags": {"use_colors": False, "send_anonymous_usage_stats": False},
            "models": {"world": configs}, "vars": values | scoped}


def stamped(world, value, sign=""):
    """Return the configuration of a stamp. dbt 2 knows no keys of our own but in `meta`."""
    if "key" in world.cannot:
        return {f"{sign}meta": {"stamp": value}}
    return {f"{sign}stamp": value}


def schema(world):
    models, tests = [], []
    for name, model in world.present().items():
        said = {"name": name, "config": {}, "description": str(world.knobs[f"text:{name}"])}
        if model.stamp == "yaml":
            said["config"] = stamped(world, f"{world.knobs[f'stamp:{name}']}")
        elif model.stamp in ("yaml_env", "yaml_var"):
            said["config"] = stamped(world, read(model.stamp[5:], model.stamp_reads))
        said["columns"] = [{"name": column} for column in world.columns(model)]
        for column in said["columns"]:
            if model.contract:
                column["data_type"] = "integer" if column["name"] == "id" else "text"
            if column["name"] == "signature" and world.knobs[f"tested:{name}"]:
                column["data_tests"] = ["not_null", "unique"]
        if model.contract:
            said["config"]["contract"] = {"enforced": True}
        models.append(said)
        if f"unit:{name}" in world.knobs:
            tests.append(unit_test(world, model))
    return {"version": 2, "models": models, "unit_tests": tests}


def unit_test(world, model):
    version, name = world.knobs[f"unit:{model.name}"], model.name
    rows = [{"id": 1, "signature": f"given {version}"}]
    parents = sorted({*world.parents(name)})
    test = {"name": f"unit_{name}", "model": name,
            "given": [{"input": f"ref('{parent}')", "rows": rows} for parent in parents],
            "expect": {"rows": [{"id": 2 if world.knobs[f"badunit:{name}"] else 1}]}}
    if "incremental" in world.domains[f"kind:{name}"]:
        test["overrides"] = {"macros": {"is_incremental": False}}
    return test


def macro(world, name):
    calls, reads = world.macros[name]
    parts = [f"'{name}:{world.knobs[f'macro:{name}']}'"]
    parts += [f"'{read_somehow(*reads)}'"] if reads else []
    parts += [f"{{{{ {calls}() }}}}"] if calls else []
    note = f"{{# note {world.knobs[f'mnote:{name}']} #}}"
    return f"{{% macro {name}() %}}{note}" + " || '/' || ".join(parts) + "{% endmacro %}\n"


def model(world, name, warehouse):
    model, knobs = world.models[name], world.knobs
    parts = [f"'{name}:{knobs[f'body:{name}']}'"]
    parts += [expression(kind, what) for kind, what in model.reads]
    if model.stamp:
        place = 'config.get("meta").stamp' if "key" in world.cannot else 'config.get("stamp")'
        parts.append(f"'{{{{ {place} }}}}'")
    refs = [f"{{{{ ref('{parent}') }}}}" for parent in model.parents]
    if model.switch:
        refs[0] = (f'{{% if env_var("{model.switch}", "-") == "a" %}}'
                   f"{{{{ ref('{model.other}') }}}}{{% else %}}{refs[0]}{{% endif %}}")
    tables = [f"{ref} as p{n}" for n, ref in enumerate(refs)]
    parts += [f"p{n}.signature" for n in range(len(refs))]
    if f"gate:{name}" in knobs:
        tables.append(warehouse.gate(name) + " as gate")
    number = "1"
    columns = ""
    if f"batch:{name}" in knobs:
        number, columns = "{{ (%s)[:4] }}" % BATCH, ", cast('{{ %s }}' as timestamp) as happened" % BATCH
    signature = f"md5(concat_ws('|', {', '.join(parts)})) as signature"
    return "\n".join([config(world, name, warehouse) + f"{{# note {knobs[f'jnote:{name}']} #}}",
                      "\n" * knobs[f"space:{name}"] + f"select {number} as id{columns}, {signature}",
                      "from " + "\ncross join ".join(tables) + last_batch(world, name, warehouse),
                      condition(world, model),
                      f"-- note {knobs[f'note:{name}']}\n"])


def last_batch(world, name, warehouse):
    """Return what the last batch of a microbatch model reads besides."""
    if f"batch:{name}" not in world.knobs:
        return ""
    gate = warehouse.gate(f"batch_{name}")
    return (f'\n{{% if (({BATCH}) | string)[:4] == "{YEAR}" %}}cross join {gate} as gate{{% endif %}}')


def condition(world, model):
    broken = "where no_such_column" if world.knobs[f"broken:{model.name}"] else "where true"
    return broken + ("{% if is_incremental() %} and {{ kg() }}{% endif %}" if model.guarded else "")


def config(world, name, warehouse):
    model, knobs = world.models[name], world.knobs
    kind = knobs[f"kind:{name}"]
    is_postgres = warehouse.adapter == "postgres"
    words = [f"materialized='{'incremental' if kind == 'microbatch' else kind}'"]
    # dbt-postgres builds batches with `merge`, which needs a key; dbt-duckdb refuses one.
    if kind == "incremental" or (kind == "microbatch" and is_postgres):
        words.append("unique_key='id'")
    if kind == "incremental" and model.custom:
        words.append("incremental_strategy='ks'")
    if kind == "microbatch":
        words.append("incremental_strategy='microbatch', event_time='happened', batch_size='year', "
                     f"lookback=1, begin='{BEGIN}'")
    if world.relation(name) != name:
        words.append(f"alias='{world.relation(name)}'")
    if model.stamp == "config":
        told = stamped(world, str(knobs[f"stamp:{name}"]))
        words += [f"{key}={value!r}" for key, value in told.items()]
    if model.hook:
        value = read(*model.hook).replace('"', '\\"')
        words.append("post_hook=" + warehouse.hook(f"hook_{name}", f"select '{value}' as signature"))
    return "{{ config(" + ", ".join(words) + ") }}\n"


def environment(world):
    values = {name.partition(":")[2]: value for name, value in world.knobs.items()
              if name.startswith(("env:", "computed:", "noise:"))}
    return {name: str(value) for name, value in values.items() if value is not None}


def options(world):
    """Return the options to append to dbt's command line."""
    values = {name.removeprefix("cli:"): value for name, value in world.knobs.items()
              if name.startswith("cli:") and value is not None}
    return ["--vars", json.dumps(values)] if values else []
