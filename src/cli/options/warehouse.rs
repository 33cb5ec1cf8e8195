//! Options about what the warehouse holds.

use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{duration, limit, text};
use crate::cli::{Config, words};
use crate::decide::warehouse::Verify;

pub(super) static OPTIONS: [&Definition<Config>; 3] = [&VERIFY, &MAX_MISSING, &PROBE];

static VERIFY: Definition<Config> = Definition {
    doc: Doc {
        name: "verify",
        common: false,
        letter: None,
        value: Value::Text("never|changed|always|AGE"),
        default: Initial::Value("never"),
        variable: Variable::Own,
        help: "when to ask the warehouse what it holds",
        manual: "Chooses before which runs dbt asks the warehouse whether it holds what the baseline \
                 claims. What is missing is recorded and built by the run, within its limits. `changed` \
                 asks before each run that starts dbt anyway, `always` before every run, and an AGE, \
                 such as `24h`, before a run if the last look is older, also if nothing has changed. \
                 Each look is a dbt process of its own. Any of them but `never` also asks after a run \
                 that may have dropped more than it built: a `--full-refresh`, a part of the project, \
                 or views that went with a table on PostgreSQL and Redshift. Full runs and first \
                 populations need no look before they start. See also `--max-missing` and \
                 `dbt-entrypoint verify`.",
    },
    set: |config, value| {
        config.verify = match text(value)? {
            "never" => Verify::Never,
            "changed" => Verify::Changed,
            "always" => Verify::Always,
            _ => Verify::Older(duration(value)?.as_secs()),
        };
        Ok(())
    },
};

static MAX_MISSING: Definition<Config> = Definition {
    doc: Doc {
        name: "max-missing",
        common: false,
        letter: None,
        value: Value::Text("N|N%"),
        default: Initial::Unset("half of them"),
        variable: Variable::Own,
        help: "refuse (78) if more relations are missing",
        manual: "Refuses, with exit code 78, to believe a warehouse that lacks more relations than this \
                 number, or than this share of those that the baseline claims. A role without rights \
                 sees nothing, which must not look like an empty warehouse. Without this option half \
                 may be missing, and not everything of a schema. If a schema was dropped on purpose, \
                 `dbt-entrypoint --max-missing 100% verify --record` says so.",
    },
    set: |config, value| {
        config.max_missing = Some(limit(value)?);
        Ok(())
    },
};

static PROBE: Definition<Config> = Definition {
    doc: Doc {
        name: "probe",
        common: false,
        letter: None,
        value: Value::Text("COMMAND"),
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "refuse (78) if this command fails",
        manual: "Runs this command before a run that relies on the baseline, and refuses the run \
                 with exit code 78 if the command fails. Without a probe and `--verify`, nothing \
                 looks into the warehouse, and a dropped schema goes unnoticed: `--probe \
                 'psql -c \"select 1 from marts.orders limit 1\"'`. The run ends with 64 if the \
                 command cannot be started. The command is split at spaces, except within \
                 quotation marks; there is no shell, so write `sh -c '…'` if you need one. Its \
                 output goes to standard error. First populations and runs with `--full` need no \
                 baseline, and are not probed.",
    },
    set: |config, value| {
        config.probe = Some(words::split(value)?);
        Ok(())
    },
};
