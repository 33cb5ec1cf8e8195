"""The kinds of edits and of steps that a history is made of, by name, with what each of them is.

An edit turns a knob of the world (`world.py`); its kind is what stands before the colon of the knob.
"""

EDITS = {
    "env": "the value of a variable of the environment, read in several spellings",
    "computed": "a variable of the environment whose name is computed",
    "noise": "a variable of the environment that nothing reads, beside a computed name",
    "var": "a `var` in dbt_project.yml: its value, its order, its type in YAML (1 and \"1\")",
    "cli": "a `var` on the command line",
    "seed": "the rows of a seed",
    "macro": "the text of a macro, read while dbt parses or only under `execute`",
    "caller": "a macro that a call block calls",
    "guard": "a macro that is called only under is_incremental()",
    "strategy": "the macro of an incremental strategy of the project's own",
    "override": "a macro of the project that takes the place of the adapter's default strategy",
    "body": "the code of a model",
    "stamp": "a configuration in a model, in its YAML, or in dbt_project.yml",
    "kind": "the materialization of a model",
    "alias": "the relation of a model",
    "swap": "the aliases of two models, exchanged",
    "gone": "a model that leaves the project or comes back",
    "tested": "generic tests of a model",
    "unit": "a unit test alone",
    "columns": "the columns in the YAML of a model, which `model.columns` reads",
    "order": "the order of the columns of an enforced contract",
    "text": "the description of a model, which `model.description` reads",
    "threads": "the threads of the target, which are no reason to build even for who reads `target`",
    "note": "a comment in the SQL of a model",
    "space": "the white space in the SQL of a model",
    "jnote": "a comment in the Jinja of a model",
    "mnote": "a comment in the Jinja of a macro",
    "selector": "a default selector that leaves out a model",
    "settle": "what `--settle` is told",
    "warm": "what `--warm` is told; with `on`, each start finds an empty target path",
}

TROUBLES = {
    "broken": "a model that the warehouse refuses",
    "gate": "a model that fails although nothing in the project is wrong",
    "batch": "a microbatch model of which the last batch fails",
    "check": "a singular test that fails",
    "badunit": "a unit test that fails",
}

STEPS = {
    "build": "a whole build, after which the warehouse is compared",
    "kill": "a build that is killed as a whole",
    "stop": "a build that is told to stop",
    "orphan": "a build of which the entrypoint alone is killed, and another one at once",
    "retry": "dbt retry, after a build that may have failed",
    "subset": "a build of what is named",
    "revert": "edits, a build of what is named, and the edits taken back",
    "exclude": "a build without one node",
    "only_changed": "a build with --only-changed",
    "run": "dbt run",
    "beside": "a command that builds nothing",
    "two": "two builds at once",
    "refresh": "a build with --full-refresh",
    "empty": "a build with --empty",
    "orphans": "orphaned relations dropped",
}


def every():
    """Return {kind: meaning} of all edits, troubles and steps."""
    kinds = [{f"{what} {name}": meaning for name, meaning in table.items()}
             for what, table in (("edit", EDITS), ("trouble", TROUBLES), ("step", STEPS))]
    return kinds[0] | kinds[1] | kinds[2]
