"""Print every option of every subcommand of the dbt that this Python has installed.

One line for each: subcommand, tab, how many words it takes, tab, its names. src/dbt/command/options.rs
is the union of these over the versions of dbt; a test compares.
"""

import click
from dbt.cli.main import cli
from dbt.cli.options import MultiOption


def takes(option):
    if isinstance(option, MultiOption):
        return "many"
    if option.is_flag:
        return "nothing"
    assert option.nargs == 1 and not option.count, option
    return "one"


def walk(command, path):
    for option in command.params:
        if isinstance(option, click.Option):
            names = " ".join(option.opts + option.secondary_opts)
            print(" ".join(path), takes(option), names, sep="\t")
    for name, nested in getattr(command, "commands", {}).items():
        walk(nested, [*path, name])


walk(cli, [])
