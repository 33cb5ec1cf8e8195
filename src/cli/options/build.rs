//! Options about what is built.

use crate::cli::Config;
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{materializations, one_of, switch};
use crate::dbt::manifest::KEEPS_ROWS;
use crate::decide::doubt::Settle;
use crate::decide::start::Mode;

pub(super) static OPTIONS: [&Definition<Config>; 8] =
    [&MODE, &FULL, &NO_STATE, &ONLY_CHANGED, &SETTLE, &REFRESH_CHANGED, &ALWAYS_START, &WARM];

static MODE: Definition<Config> = Definition {
    doc: Doc {
        name: "mode",
        common: true,
        letter: None,
        value: Value::Choice(&["auto", "full", "off"]),
        default: Initial::Value("auto"),
        variable: Variable::Own,
        help: "build changes, everything, or run dbt alone",
        manual: "Chooses what a run builds: with `auto`, everything on an empty volume and only \
                 changes later; with `full`, everything; with `off`, whatever dbt builds alone, \
                 without state. `auto` and `full` record node by node what was built. Use `full` \
                 when the warehouse no longer holds what the baseline says, for example after \
                 somebody dropped a schema. `off` neither reads nor writes the volume; use it for \
                 debugging and for a throw-away warehouse. A `--select` of your own applies in \
                 every mode. dbt's `--full-refresh` is something else: it drops and rebuilds the \
                 incremental models among the nodes that the run builds.",
    },
    set: |config, value| {
        let words = [("auto", Mode::Auto), ("full", Mode::Full), ("off", Mode::Off)];
        config.mode = one_of(value, &words)?;
        Ok(())
    },
};

static FULL: Definition<Config> = Definition {
    doc: Doc {
        name: "full",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::Instead("DBT_ENTRYPOINT_MODE=full"),
        help: "short for --mode full",
        manual: "Short for `--mode full`. Everything is built and recorded, also over a baseline \
                 that is damaged or belongs to another warehouse. If the volume is merely damaged, \
                 `rollback` is much cheaper, as long as `history` lists an earlier baseline.",
    },
    set: |config, _| {
        config.mode = Mode::Full;
        Ok(())
    },
};

static NO_STATE: Definition<Config> = Definition {
    doc: Doc {
        name: "no-state",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::Instead("DBT_ENTRYPOINT_MODE=off"),
        help: "short for --mode off",
        manual: "Short for `--mode off`. dbt runs as if dbt-entrypoint were not there, except that \
                 signals are forwarded and orphaned processes reaped. What such a run builds is \
                 not recorded, so do not use it against a warehouse that the volume describes, \
                 unless you build the same nodes again afterwards.",
    },
    set: |config, _| {
        config.mode = Mode::Off;
        Ok(())
    },
};

static ONLY_CHANGED: Definition<Config> = Definition {
    doc: Doc {
        name: "only-changed",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Value("no"),
        variable: Variable::Own,
        help: "narrow your own --select to changed nodes",
        manual: "Narrows a selection of your own to the nodes that changed. Without it, `run \
                 --select orders+` builds all of orders+, as dbt does, because a selection is a \
                 deliberate choice. With it, the run builds those of orders+ that changed or are \
                 downstream of a change. A run without a selection builds only changes anyway. The \
                 variable takes yes or no; any other word is an error.",
    },
    set: |config, value| {
        config.only_changed = switch(value)?;
        Ok(())
    },
};

static SETTLE: Definition<Config> = Definition {
    doc: Doc {
        name: "settle",
        common: false,
        letter: None,
        value: Value::Choice(&["doubt", "changes"]),
        default: Initial::Value("doubt"),
        variable: Variable::Own,
        help: "what dbt compile may show to be unchanged",
        manual: "Chooses for which nodes dbt is asked whether they changed at all. With `doubt`, \
                 these are nodes of which only something differs that they could read, such as an \
                 environment variable whose name is computed. With `changes`, nodes with changed \
                 code, macros, variables or vars are among them. dbt compiles these nodes, and a \
                 node is not built if its compiled code is the code that it was last built from. So \
                 with `changes`, a comment in a macro that all models call builds nothing. Changed \
                 configurations, hooks, contracts, relations, materializations, seeds and Python \
                 models are always built, and so are models whose code asks the warehouse. It takes \
                 one `dbt compile`, without a connection, and only if the nodes took more than \
                 5 seconds when they were last built. dbt v1 only.",
    },
    set: |config, value| {
        config.settle = one_of(value, &[("doubt", Settle::Doubt), ("changes", Settle::Changes)])?;
        Ok(())
    },
};

static REFRESH_CHANGED: Definition<Config> = Definition {
    doc: Doc {
        name: "refresh-changed",
        common: false,
        letter: None,
        value: Value::List { shape: "KINDS", known: &KEEPS_ROWS },
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "full-refresh changed nodes of these kinds",
        manual: "Builds changed nodes of these materializations with dbt's `--full-refresh`, and \
                 all others without. KINDS is a list of `incremental`, `materialized_view` and \
                 `distributed_incremental`, between commas or spaces; the lists of a repeated \
                 option add up. Without it, a changed incremental model keeps the rows that its \
                 former code made, and `status` calls it altered until it is refreshed. A refresh \
                 drops the table and reads all of its sources again, so check `plan` first. dbt \
                 runs several times: before, for, and after the refreshed nodes. Any other \
                 materialization is an error, as dbt rebuilds it from scratch anyway.",
    },
    set: |config, value| {
        config.refresh_changed = materializations(value)?;
        Ok(())
    },
};

static ALWAYS_START: Definition<Config> = Definition {
    doc: Doc {
        name: "always-start",
        common: false,
        letter: None,
        value: Value::Switch,
        default: Initial::Value("no"),
        variable: Variable::Own,
        help: "start dbt even if nothing changed",
        manual: "Starts dbt even if nothing changed. Normally, when every file, variable and \
                 program version that dbt reads is the same as after the last complete run, the \
                 run ends with 0 after some milliseconds and dbt is not started. With this option \
                 dbt parses the project in any case, and the comparison decides. Use it if the \
                 project depends on something that neither files nor variables show. The variable \
                 takes yes or no; any other word is an error.",
    },
    set: |config, value| {
        config.always_start = switch(value)?;
        Ok(())
    },
};

static WARM: Definition<Config> = Definition {
    doc: Doc {
        name: "warm",
        common: false,
        letter: None,
        value: Value::Choice(&["off", "on"]),
        default: Initial::Value("off"),
        variable: Variable::Own,
        help: "let dbt start from an earlier container's parse",
        manual: "Chooses whether dbt may start from its parse of an earlier container. With `on`, \
                 dbt's partial-parse file is kept on the volume, and a fresh container gets it if \
                 nothing that dbt reads has changed but the bodies of SQL models. It is what dbt \
                 itself keeps in its target path, and it holds the values of environment variables \
                 that the project reads, except `DBT_ENV_SECRET_…`. So only the owner of the volume \
                 can read it, and none is kept where `--state-mode` or the volume lets others read. \
                 What dbt then parses is checked against the earlier parse; in doubt dbt parses in \
                 full. With `off`, or where dbt is told to use no partial parse, none is kept, and \
                 one that is there is removed. dbt 1.9 to 1.13.",
    },
    set: |config, value| {
        config.warm = one_of(value, &[("off", false), ("on", true)])?;
        Ok(())
    },
};
