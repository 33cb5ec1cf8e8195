"""Two ways to run dbt with state: our entrypoint, and the usual shell script."""

import pathlib
import shutil

import project
import runs

HERE = pathlib.Path(__file__).parent


class Way:
    program = None

    def __init__(self, directory, dbt, engine):
        self.directory, self.dbt, self.engine = directory, dbt, engine
        self.project, self.state = directory / "project", directory / "state"
        for path in (self.project, self.state, directory / "home"):
            path.mkdir(parents=True)

    def environment(self, world):
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.directory / "home"),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **project.environment(world)}

    def bare(self, world, words, dbt=None):
        """Run plain dbt."""
        argv = [dbt or self.dbt, *words, *self.arguments(world)]
        return runs.Run(argv, self.project, self.environment(world), self.engine)

    def arguments(self, world):
        return [*self.engine.options(), *project.options(world)]


class Entrypoint(Way):
    def __init__(self, directory, dbt, engine, program):
        super().__init__(directory, dbt, engine)
        self.program = program

    def start(self, world, words, options=(), target=None, plain=False):
        """A plain command has no options of dbt: it is a verb of ours."""
        if world.knobs["warm:"] == "on" and self.may_forget(words, target):
            shutil.rmtree(self.project / "target", ignore_errors=True)
        environment = {**self.environment(world),
                       "DBT_ENTRYPOINT_STATE_DIR": str(self.state),
                       "DBT_ENTRYPOINT_DBT": str(self.dbt),
                       "DBT_ENTRYPOINT_ALLOW_EPHEMERAL": "yes",
                       "DBT_ENTRYPOINT_SETTLE": world.knobs["settle:"],
                       "DBT_ENTRYPOINT_WARM": world.knobs["warm:"]}
        environment |= {"DBT_TARGET_PATH": target} if target else {}
        said = project.options(world) if plain else self.arguments(world)
        argv = [self.program, *options, *words, *said]
        return runs.Run(argv, self.project, environment, self.engine)

    def may_forget(self, words, target):
        """Whether nothing needs what an earlier dbt left, or another dbt writes."""
        return words != ["retry"] and not target and not self.is_interrupted()

    def pretend_slow(self):
        runs.pretend_slow(self.state)

    def manifest_copy(self):
        return self.state / ".dbt-entrypoint/run/manifest.json"

    def is_interrupted(self):
        return (self.state / ".dbt-entrypoint/run/intent.json").exists()

    def journal(self):
        return self.state / ".dbt-entrypoint/run/log/dbt.log"


class Script(Way):
    """The usual script. It has neither the entrypoint's options nor its lock, so these are left out."""

    def start(self, world, words, options=(), target=None, plain=False):
        arguments = [*words, *self.arguments(world)]
        environment = {**self.environment(world), "DBT": str(self.dbt), "STATE": str(self.state)}
        if "--vars" in arguments:
            environment["VARS"] = arguments[arguments.index("--vars") + 1]
        return runs.Run(["sh", HERE / "script.sh", *arguments], self.project, environment,
                        self.engine)

    def manifest_copy(self):
        return self.directory / "none"

    journal = manifest_copy
