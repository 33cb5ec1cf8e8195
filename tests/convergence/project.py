"""Write a world as a dbt project."""

import json

from world import ORDERS

PROFILES = """world:
  target: dev
  outputs:
    dev: {type: duckdb, path: world.duckdb, threads: 2}
"""
GATE = "read_csv('gates/%s', columns={'word': 'varchar'}, header=false, auto_detect=false)"


def write(world, directory):
    """Write only files whose content differs, so that the others keep their times."""
    wanted = files(world)
    wanted["profiles.yml"] = PROFILES
    for folder in ("gates", "models", "tests"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
        for old in (directory / folder).iterdir():
            if f"{folder}/{old.name}" not in wanted:
                old.unlink()
    for name, text in wanted.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            path.unlink(missing_ok=True)  # A gate may be a FIFO.
            path.write_text(text)


def files(world):
    found = {"dbt_project.yml": json.dumps(settings(world), indent=1),
             "models/schema.yml": json.dumps(schema(world), indent=1)}
    for name, version in world.knobs.items():
        kind, _, what = name.partition(":")
        if world.knobs.get(f"gone:{what}"):
            continue
        if kind == "seed":
            found[f"seeds/{what}.csv"] = f"id,signature\n1,{what}:{version}\n"
        elif kind == "gate" and version == "open":
            found[f"gates/{what}"] = "open\n"
        elif kind == "check" and version != "none":
            condition = "true" if version == "fail" else "false"
            found[f"tests/check_{what}.sql"] = (
                f"select * from {{{{ ref('{what}') }}}} where {condition}\n")
    for name in world.macros:
        found[f"macros/{name}.sql"] = macro(world, name)
    for name in world.present():
        found[f"models/{name}.sql"] = model(world, name)
    return found


def read(kind, name):
    if kind == "env":
        return f'{{{{ env_var("{name}", "-") }}}}'
    return f'{{{{ var("{name}", "-") | replace("\'", "") }}}}'


def read_somehow(kind, name):
    """Return the same with another spelling for each number of a name, all of them made of literals."""
    call = 'env_var(%s, "-")' if kind == "env" else 'var(%s, "-") | replace("\'", "")'
    start, number = name[:-1], int(name[-1])
    return [
        "{{ " + call % f'"{name}"' + " }}",
        f'{{% for one in ["{name}"] %}}{{{{ ' + call % "one" + " }}{% endfor %}",
        "{{ " + call % f'"{start}" ~ "{number}"' + " }}",
        f'{{% set one = "{name}" %}}{{{{ ' + call % "one" + " }}",
    ][number]


def settings(world):
    configs = {}
    for name, model in world.models.items():
        if model.stamp == "project":
            configs[name] = {"+stamp": str(world.knobs[f"stamp:{name}"])}
        elif model.stamp == "project_env":
            configs[name] = {"+stamp": read("env", model.stamp_reads)}
    values = {name: world.knobs[f"var:{name}"] for name in ("v0", "v1", "v2")}
    values = {name: ORDERS.get(value, value) for name, value in values.items() if value is not None}
    # One variable is scoped to the package.
    scoped = {"world": {"v1": values.pop("v1")}} if "v1" in values else {}
    return {"name": "world", "version": "1.0", "config-version": 2, "profile": "world",
            "flags": {"use_colors": False, "send_anonymous_usage_stats": False},
            "models": {"world": configs}, "vars": values | scoped}


def schema(world):
    models = []
    for name, model in world.present().items():
        said = {"name": name, "config": {}}
        if model.stamp == "yaml":
            said["config"]["stamp"] = f"{world.knobs[f'stamp:{name}']}"
        elif model.stamp in ("yaml_env", "yaml_var"):
            said["config"]["stamp"] = read(model.stamp[5:], model.stamp_reads)
        if world.knobs[f"tested:{name}"]:
            said["columns"] = [{"name": "signature", "data_tests": ["not_null", "unique"]}]
        models.append(said)
    return {"version": 2, "models": models}


def macro(world, name):
    calls, reads = world.macros[name]
    parts = [f"'{name}:{world.knobs[f'macro:{name}']}'"]
    parts += [f"'{read_somehow(*reads)}'"] if reads else []
    parts += [f"{{{{ {calls}() }}}}"] if calls else []
    return f"{{% macro {name}() %}}" + " || '/' || ".join(parts) + "{% endmacro %}\n"


def model(world, name):
    model, knobs = world.models[name], world.knobs
    parts = [f"'{name}:{knobs[f'body:{name}']}'"]
    for kind, what in model.reads:
        parts.append(f"{{{{ {what}() }}}}" if kind == "macro" else f"'{read_somehow(kind, what)}'")
    if model.stamp:
        parts.append("'{{ config.get(\"stamp\") }}'")
    refs = [f"{{{{ ref('{parent}') }}}}" for parent in model.parents]
    if model.switch:
        refs[0] = (f'{{% if env_var("{model.switch}", "-") == "a" %}}'
                   f"{{{{ ref('{model.other}') }}}}{{% else %}}{refs[0]}{{% endif %}}")
    tables = [f"{ref} as p{n}" for n, ref in enumerate(refs)]
    parts += [f"p{n}.signature" for n in range(len(refs))]
    if f"gate:{name}" in knobs:
        tables.append(GATE % name + " as gate")
    broken = "\nwhere no_such_column\n" if knobs[f"broken:{name}"] else "\n"
    columns = f"select 1 as id, md5(concat_ws('|', {', '.join(parts)})) as signature"
    return config(world, name) + columns + "\nfrom " + "\ncross join ".join(tables) + broken


def config(world, name):
    model, knobs = world.models[name], world.knobs
    words = [f"materialized='{knobs[f'kind:{name}']}'"]
    if knobs[f"kind:{name}"] == "incremental":
        words.append("unique_key='id'")
    if world.relation(name) != name:
        words.append(f"alias='{world.relation(name)}'")
    if model.stamp == "config":
        words.append(f"stamp='{knobs[f'stamp:{name}']}'")
    if model.hook:
        value = read(*model.hook).replace('"', '\\"')
        words.append(f'post_hook="create or replace table hook_{name} as '
                     f"select '{value}' as signature\"")
    return "{{ config(" + ", ".join(words) + ") }}\n"


def environment(world):
    values = {name.removeprefix("env:"): value for name, value in world.knobs.items()
              if name.startswith("env:")}
    return {name: value for name, value in values.items() if value is not None}


def options(world):
    """Return the options to append to dbt's command line."""
    values = {name.removeprefix("cli:"): value for name, value in world.knobs.items()
              if name.startswith("cli:") and value is not None}
    return ["--vars", json.dumps(values)] if values else []
