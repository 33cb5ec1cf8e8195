//! What `--help` and `VERB --help` teach.

/// `--help`, on one screen.
pub const HELP: &str = "\
dbt-entrypoint stands where dbt stood in a container, and rebuilds only what changed.

USAGE: dbt-entrypoint [OPTIONS] [--] DBT-ARGS…      dbt-entrypoint run --threads 4
       dbt-entrypoint VERB …                      (what each does: dbt-entrypoint VERB --help)

The first run on an empty state volume builds everything; later runs build what changed
(code, macros, configs, env_var and var values) and what is downstream of it.

VERBS
  plan [run|build|seed …]    what a run would build, why, and how long it takes; builds nothing
  status                     what the volume holds, what is pending, the last run
  history, rollback [N]      earlier baselines, and one of them again
  adopt [--from FILE]        the warehouse already holds this: record it, build nothing
  invalidate NODE…           build these again next time
  exec -- CMD…               PID 1 for anything else

OPTIONS (before dbt's command; each has a variable, e.g. DBT_ENTRYPOINT_STATE_DIR)
  --mode auto|full|off       auto: only what changed. full: everything, and recorded.
                             off: dbt alone, the volume is not touched
  --full, --no-state         short for --mode full, --mode off
  --state-dir DIR            the mounted volume (default: $DBT_STATE, else /state)
  --only-changed             narrow your own --select to what changed
  --on-empty full|adopt|refuse   what an empty volume means (default: full)
  --allow-ephemeral          accept a state directory that dies with the container
  --probe COMMAND            no shell; if it fails, the warehouse has lost what was built: 78
  --always-start             start dbt even when nothing changed
  --lock-timeout SECONDS     wait for another holder of the volume (3600)
  --stop-grace SECONDS       from our interrupt to our kill (8)
  --stop-signal INT|TERM     what dbt gets when we get TERM (INT: dbt cancels its queries)
  --dbt PATH                 the program to run (dbt)
  --max-rebuild N|N%, --max-rebuild-time 30m, --protect NODES     refuse (77) to build more
  --yes, --approve HASH      build it all the same; HASH is what `plan` printed
  --publish 'COMMAND ARGS'   run after each change of the baseline ($DBT_ENTRYPOINT_MANIFEST)
  --termination-log PATH     a short verdict, where this file exists (/dev/termination-log)
  --metrics-file PATH        the last run for Prometheus
  --log human|json, --log-level error|warn|info|debug|off     our lines, on standard error
  -h, --help   -V, --version

EXIT CODES: dbt's own 0, 1, 2 and 128+signal pass through. 64 usage, 70 our bug,
  73 state directory not writable, 74 dbt succeeded but the baseline could not be saved,
  75 lock timeout, 77 over budget, 78 refused (state missing, damaged, foreign),
  126/127 dbt cannot be run / is not found
";

/// What `VERB --help` says.
#[must_use]
pub fn of_verb(verb: &str) -> &'static str {
    match verb {
        "plan" => PLAN,
        "status" => STATUS,
        "history" => HISTORY,
        "rollback" => ROLLBACK,
        "adopt" => ADOPT,
        "invalidate" => INVALIDATE,
        _ => EXEC,
    }
}

const PLAN: &str = "\
dbt-entrypoint [OPTIONS] plan [--json] [run|build|seed DBT-ARGS…]      (default: build)

Parses the project in a directory of its own, compares it with the baseline as a run would,
and shows what that run would build: each node with its reason, what happens to it in the
warehouse, how long its last build took. Nothing is built, and the volume is not written.

EXIT CODES: 0 there is nothing to build, 10 there is; else dbt's own and ours.
";

const STATUS: &str = "\
dbt-entrypoint [OPTIONS] status [--json]

Shows what the state volume holds: for which project and target, since when and by which
versions, whether it is complete or what is pending and why; the last run, the room taken,
who is at work on it, and how it is mounted. Needs neither dbt nor the project, waits for
nobody, changes nothing, and ends with 0 on a damaged volume too: it says what is wrong.
";

const HISTORY: &str = "\
dbt-entrypoint [OPTIONS] history [--json]

Lists the earlier baselines that the volume keeps (ten, or 256 MiB; at least one), the newest
first. The number is what `rollback` takes.
";

const ROLLBACK: &str = "\
dbt-entrypoint [OPTIONS] rollback [N]      (default: 1, the baseline before the present one)

Makes an earlier baseline the baseline again. This asserts that the warehouse holds what that
baseline says, as after the restore of a backup of the warehouse; builds nothing. The present
baseline goes to the history, unless it is damaged.
";

const ADOPT: &str = "\
dbt-entrypoint [OPTIONS] adopt [--from FILE|-] [--force] [--target … --vars …]

Asserts that the warehouse holds the project as it now stands, or as a manifest.json of dbt's
says (a file, or `-` for standard input), and records that as the baseline. Builds nothing.
Over a baseline that is there only with --force; the history keeps the old one.
";

const INVALIDATE: &str = "\
dbt-entrypoint [OPTIONS] invalidate NODE…

The next run builds these nodes again with whatever is downstream of them. A NODE is a name
(orders), a unique id (model.shop.orders), tag:NAME or path:PREFIX; a trailing + means whatever
is downstream as well. Needs neither dbt nor the project.
";

const EXEC: &str = "\
dbt-entrypoint [OPTIONS] exec [--rewrite A:B]… [--group] [--stop-grace SECONDS] [--] CMD…

A plain PID 1 for any program: signals are handed on, orphans are reaped.
";
