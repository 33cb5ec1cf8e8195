"""The dbts that a history can be played with, and the kinds of edits that each of them leaves out.

A kind that is left out has a reason here. The kinds are those of `kinds.py`.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
V1_LINE = re.compile(
    r"\d+ of \d+ (START|OK|ERROR|SKIP|CANCEL|PARTIALLY)\b.*? (?:model|file|relation) main\.(\w+)")
V2_LINE = re.compile(r"\s*(Started running|Succeeded|Failed|Skipped)\b.*? (?:model|seed) +main\.(\w+)")
V2_WORDS = {"Started running": "START", "Succeeded": "OK", "Failed": "ERROR", "Skipped": "SKIP"}


class Engine:
    """A dbt by its name in `.cache/dbt-NAME`."""

    def __init__(self, name, cannot=(), is_native=False):
        self.name, self.cannot, self.is_native = name, dict(cannot), is_native

    def environment(self):
        return ROOT / f".cache/dbt-{self.name}"

    def program(self):
        return self.environment() / "bin/dbt"

    def python(self):
        return self.environment() / "bin/python"

    def options(self):
        """Return options for every command. dbt 2 says only to those who debug that a node begins."""
        return ["--log-level", "debug"] if self.is_native else []

    def sign(self, event):
        """Return the words of a line that tells of START or OK."""
        if not self.is_native:
            return f" {event} "
        return " Succeeded " if event == "OK" else "Started running "

    def events(self, lines):
        """Return [(START | OK | ERROR | SKIP | CANCEL | PARTIALLY, relation)]."""
        if not self.is_native:
            return [match.groups() for match in map(V1_LINE.search, lines) if match]
        matches = [match.groups() for match in map(V2_LINE.match, lines) if match]
        return [(V2_WORDS[what], relation) for what, relation in matches]


V2 = {
    "key": "a configuration that dbt does not know is an error, but for those in `meta`",
    "batch": "a later run builds the last batch alone, whatever `lookback` is, and keeps the others",
    "mapping": "dbt writes a mapping as no other does, and the oracle compares what is rendered",
    "unit_incremental": "a unit test of an incremental model needs the relation that it is for",
}
ENGINES = {engine.name: engine for engine in [
    *(Engine(f"1.{minor}") for minor in (9, 10, 11, 12, 13)),
    Engine("postgres"),
    Engine("v2", V2, is_native=True),
    Engine("v2rc", V2, is_native=True),
]}
