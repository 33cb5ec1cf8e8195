//! Options about running and stopping dbt.

use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{duration, not_empty, one_of};
use crate::cli::{Config, words};
use nix::sys::signal::Signal;

pub(super) static OPTIONS: [&Definition<Config>; 4] = [&DBT, &STOP_GRACE, &STOP_SIGNAL, &ON_EXIT];

static DBT: Definition<Config> = Definition {
    doc: Doc {
        name: "dbt",
        common: false,
        letter: None,
        value: Value::File,
        default: Initial::Value("dbt"),
        variable: Variable::Own,
        help: "the dbt program to run",
        manual: "The dbt program to run. A name without a slash is looked up in PATH; anything \
                 else is a path. The run ends with 127 if the program is not found, and with 126 \
                 if it cannot be executed. Use it if the image has several dbt installations, such \
                 as /opt/dbt-1.11/bin/dbt. dbt-entrypoint never runs itself, even if it is \
                 installed under the name dbt.",
    },
    set: |config, value| {
        config.dbt = not_empty(value)?;
        Ok(())
    },
};

static STOP_GRACE: Definition<Config> = Definition {
    doc: Doc {
        name: "stop-grace",
        common: true,
        letter: None,
        value: Value::Text("DURATION"),
        default: Initial::Value("8s"),
        variable: Variable::Own,
        help: "time from interrupting dbt to killing it",
        manual: "How much time dbt gets to stop before it is killed. It begins when the container \
                 is told to stop and dbt is interrupted; a second request to stop kills dbt at \
                 once. Keep it below the time after which the container is killed: 10 seconds with \
                 `docker stop`, terminationGracePeriodSeconds with Kubernetes. Otherwise, what the \
                 run built is recorded only by the next run. A number without a unit counts \
                 seconds; you can also write `500ms` or `2m`.",
    },
    set: |config, value| {
        config.stop_grace = duration(value)?;
        Ok(())
    },
};

static STOP_SIGNAL: Definition<Config> = Definition {
    doc: Doc {
        name: "stop-signal",
        common: false,
        letter: None,
        value: Value::Choice(&["INT", "TERM"]),
        default: Initial::Value("INT"),
        variable: Variable::Own,
        help: "the signal that dbt gets in place of TERM",
        manual: "The signal that dbt gets in place of TERM. On INT, dbt cancels its queries and \
                 writes its results; on TERM, it ends at once and its queries may go on in the \
                 warehouse. Use TERM only with a program that handles it better than dbt does. All \
                 other signals are forwarded as they are.",
    },
    set: |config, value| {
        let words = [
            ("INT", Signal::SIGINT),
            ("TERM", Signal::SIGTERM),
            ("SIGINT", Signal::SIGINT),
            ("SIGTERM", Signal::SIGTERM),
        ];
        config.stop_signal = one_of(value, &words)?;
        Ok(())
    },
};

static ON_EXIT: Definition<Config> = Definition {
    doc: Doc {
        name: "on-exit",
        common: false,
        letter: None,
        value: Value::Text("COMMAND"),
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "run this when everything else is done",
        manual: "Runs this command once, after everything else, with the exit code in the variable \
                 DBT_ENTRYPOINT_EXIT_CODE. Use it to end a sidecar that would keep the pod alive: \
                 `--on-exit 'curl -sf -X POST localhost:15020/quitquitquit'`. The command is split \
                 at spaces, except within quotation marks; there is no shell. It runs after a \
                 failure, a refusal and a request to stop too, and it is killed after the time of \
                 `--stop-grace`. Its output goes to standard error. Whatever it does, the exit code \
                 stays the same.",
    },
    set: |config, value| {
        config.on_exit = Some(words::split(value)?);
        Ok(())
    },
};
