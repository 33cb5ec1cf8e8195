"""Say what the dbt that this Python has installed understands of command lines.

Standard input: a JSON object a line, {"words": [...], "variables": {...}}. Standard output: for
each, what dbt's own click parser and dbt.cli.flags.Flags made of it, or {"refused": why}. To be
run in a directory with a dbt_project.yml.
"""

import json
import os
import sys

import click
from dbt.cli.flags import Flags
from dbt.cli.main import cli

READ = (
    "which select models exclude selector resource_types exclude_resource_types state target profile "
    "project_dir profiles_dir target_path log_path vars write_json partial_parse full_refresh empty "
    "defer defer_state indirect_selection warn_error sample event_time_start threads quiet "
    "log_format_file"
).split()


def accept_any_path(command):
    """Paths of the test lines need not exist, and are wanted as they were written."""
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = parameter.type.resolve_path = False
            parameter.type.file_okay = parameter.type.dir_okay = True
            parameter.type.writable = parameter.type.readable = False
    for nested in getattr(command, "commands", {}).values():
        accept_any_path(nested)


def innermost(words):
    context = cli.make_context("dbt", list(words))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            raise click.UsageError("no subcommand")
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, dict)):
        return value
    return str(value)


def understood(case):
    for name in [name for name in os.environ if name.startswith("DBT_")]:
        del os.environ[name]
    os.environ.update(case["variables"])
    try:
        context = innermost(case["words"])
        flags = Flags(context)
    except click.exceptions.Exit:
        return {"refused": "only said something"}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    has = sorted(name for name in READ if name in context.params)
    return {"has": has} | {name: plain(getattr(flags, name.upper(), None)) for name in READ}


accept_any_path(cli)
# --version prints, and some versions of dbt print to the file descriptor.
said = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for line in sys.stdin:
    print(json.dumps(understood(json.loads(line))), file=said, flush=True)
