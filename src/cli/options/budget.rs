//! Options that limit a rebuild.

use crate::cli::Config;
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{duration, limit, list, switch, text};

pub(super) static OPTIONS: [&Definition<Config>; 5] =
    [&MAX_REBUILD, &MAX_REBUILD_TIME, &PROTECT, &YES, &APPROVE];

static MAX_REBUILD: Definition<Config> = Definition {
    doc: Doc {
        name: "max-rebuild",
        common: true,
        letter: None,
        value: Value::Text("N|N%"),
        default: Initial::Unset("no limit"),
        variable: Variable::Own,
        help: "refuse (77) to build more nodes than this",
        manual: "Refuses, with exit code 77, to build more nodes than this number, or than this \
                 share of all nodes of the project. Nothing is built, and the plan is printed with \
                 its hash for `--approve`. `20` and `10%` are valid; anything else is an error. \
                 The first population of an empty volume is not limited (see `--on-empty`), not even \
                 in several runs, nor is dbt's retry. Use it where a change of a macro or a variable could rebuild half of \
                 the warehouse unexpectedly.",
    },
    set: |config, value| {
        config.budget.nodes = Some(limit(value)?);
        Ok(())
    },
};

static MAX_REBUILD_TIME: Definition<Config> = Definition {
    doc: Doc {
        name: "max-rebuild-time",
        common: true,
        letter: None,
        value: Value::Text("DURATION"),
        default: Initial::Unset("no limit"),
        variable: Variable::Own,
        help: "refuse (77) what would take longer",
        manual: "Refuses, with exit code 77, what would take longer than this to build. Nothing \
                 is built, and the plan is printed with its hash for `--approve`. What counts is \
                 the time by the wall clock that `plan` shows: from the times of the nodes' last \
                 builds, what reads what, and the number of threads (`--threads`, or `threads` in \
                 the profile). A node that was never built counts as nothing. A number without a unit counts \
                 seconds; you can also write `30m` or `1h 30min`. The first population of an empty \
                 volume is not limited.",
    },
    set: |config, value| {
        config.budget.seconds = Some(duration(value)?.as_secs_f64());
        Ok(())
    },
};

static PROTECT: Definition<Config> = Definition {
    doc: Doc {
        name: "protect",
        common: true,
        letter: None,
        value: Value::List { shape: "NODES", known: &[] },
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "refuse (77) to build these nodes",
        manual: "Refuses, with exit code 77, to build any of these nodes. NODES is a list of names \
                 (`orders`), unique ids (`model.shop.orders`), `tag:NAME`, `path:PREFIX` and \
                 `config.materialized:KIND`, between commas or spaces. The lists of a repeated \
                 option add up, and replace that of the variable. If a run would build one of \
                 them, nothing is built at all. Use it for tables that take hours to rebuild, or \
                 whose old rows cannot be computed again. A term that matches no node of the \
                 project is an error (78). The first population of an empty volume is not limited.",
    },
    set: |config, value| {
        config.budget.protected = list(value)?;
        Ok(())
    },
};

static YES: Definition<Config> = Definition {
    doc: Doc {
        name: "yes",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Value("no"),
        variable: Variable::Own,
        help: "build despite these limits",
        manual: "Builds whatever there is to build, despite `--max-rebuild`, `--max-rebuild-time` \
                 and `--protect`. Prefer `--approve`, which allows one plan and no other. Do not \
                 set the variable permanently: the limits would never apply. The variable takes \
                 yes or no; any other word is an error.",
    },
    set: |config, value| {
        config.yes = switch(value)?;
        Ok(())
    },
};

static APPROVE: Definition<Config> = Definition {
    doc: Doc {
        name: "approve",
        common: true,
        letter: None,
        value: Value::Text("HASH"),
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "build the plan with this hash despite them",
        manual: "Builds the plan with this hash despite `--max-rebuild`, `--max-rebuild-time` and \
                 `--protect`. `plan` prints the hash, and so does a run that these limits refuse. \
                 The hash stands for the nodes, for what happens to each of them, and for the code \
                 and the values that they are built from. If any of that changes, the plan has \
                 another hash and the limits apply again.",
    },
    set: |config, value| {
        config.approve = Some(text(value)?.to_owned());
        Ok(())
    },
};
