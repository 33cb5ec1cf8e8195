//! Options about the state volume.

use crate::cli::Config;
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{bytes, duration, one_of, path, switch, text, whole};
use crate::decide::start::OnEmpty;
use crate::decide::state_mode::StateMode;

pub(super) static OPTIONS: [&Definition<Config>; 8] = [
    &STATE_DIR,
    &ON_EMPTY,
    &ALLOW_EPHEMERAL,
    &LOCK_TIMEOUT,
    &SHARED_LOCK,
    &HISTORY,
    &HISTORY_BYTES,
    &STATE_MODE,
];

static STATE_DIR: Definition<Config> = Definition {
    doc: Doc {
        name: "state-dir",
        common: true,
        letter: None,
        value: Value::Directory,
        default: Initial::Inherited(&["DBT_ENGINE_STATE", "DBT_STATE"], "/state"),
        variable: Variable::Own,
        help: "where the state volume is mounted",
        manual: "The directory where the state volume is mounted. It holds manifest.json, which is \
                 the baseline, and the directory .dbt-entrypoint. Use one volume for each project, \
                 target and warehouse; the volume of another one is refused with 78. So is a \
                 directory that is missing or that would be lost with the container (see \
                 `--allow-ephemeral`); one that cannot be written is refused with 73. A relative \
                 path counts from the working directory.",
    },
    set: |config, value| {
        config.state_dir = path(value)?;
        Ok(())
    },
};

static ON_EMPTY: Definition<Config> = Definition {
    doc: Doc {
        name: "on-empty",
        common: true,
        letter: None,
        value: Value::Choice(&["full", "adopt", "refuse"]),
        default: Initial::Value("full"),
        variable: Variable::Own,
        help: "what to do if the volume is empty",
        manual: "Chooses what happens if the volume is empty: `full` builds everything, `adopt` \
                 records the project as built without building it, and `refuse` ends with 78. A \
                 lost volume looks like a new one, and building everything may take the warehouse \
                 down for hours. So set it to `refuse` in production once the warehouse is \
                 populated. Use `adopt` once, when the warehouse already holds the project as it \
                 stands. Only a volume that never held a baseline is empty: a missing or damaged \
                 manifest.json is refused whatever this option says.",
    },
    set: |config, value| {
        let words =
            [("full", OnEmpty::Full), ("adopt", OnEmpty::Adopt), ("refuse", OnEmpty::Refuse)];
        config.on_empty = one_of(value, &words)?;
        Ok(())
    },
};

static ALLOW_EPHEMERAL: Definition<Config> = Definition {
    doc: Doc {
        name: "allow-ephemeral",
        common: false,
        letter: None,
        value: Value::Switch,
        default: Initial::Value("no"),
        variable: Variable::Own,
        help: "accept state that is lost with the container",
        manual: "Accepts a state directory that is lost with the container. Without it, a \
                 directory in the container's own file system or in memory is refused with 78, \
                 because every new container would build everything again. Use it for a trial, or \
                 if something else saves and restores the directory. The variable takes yes or no; \
                 any other word is an error.",
    },
    set: |config, value| {
        config.allow_ephemeral = switch(value)?;
        Ok(())
    },
};

static LOCK_TIMEOUT: Definition<Config> = Definition {
    doc: Doc {
        name: "lock-timeout",
        common: false,
        letter: None,
        value: Value::Text("DURATION"),
        default: Initial::Value("1h"),
        variable: Variable::Own,
        help: "how long to wait for another run",
        manual: "How long to wait for another run that holds the same volume. After that the run \
                 ends with 75, and trying again later makes sense. 0 does not wait at all. A \
                 number without a unit counts seconds; you can also write `30m` or `1h 30min`. Set \
                 it above the time that your longest run takes, so that a second pod waits for the \
                 first and then finds nothing to build.",
    },
    set: |config, value| {
        config.lock_timeout = duration(value)?;
        Ok(())
    },
};

static SHARED_LOCK: Definition<Config> = Definition {
    doc: Doc {
        name: "shared-lock",
        common: false,
        letter: None,
        value: Value::Choice(&["warn", "required"]),
        default: Initial::Value("warn"),
        variable: Variable::Own,
        help: "whether the lock has to hold on all nodes",
        manual: "Chooses what happens if a lock on the volume holds on one node only: `warn` says \
                 so, `required` refuses the run with 78. A run on another node then does not wait \
                 for this one. That is so on buckets and other FUSE mounts, \
                 on virtiofs and 9p, on SMB with `nobrl`, and on NFS with `nolock` or \
                 `local_lock`. Set it to `required` wherever several pods use the volume. If two \
                 runs overlap all the same, the second to commit replaces nothing and ends with \
                 74.",
    },
    set: |config, value| {
        config.needs_shared_lock = one_of(value, &[("warn", false), ("required", true)])?;
        Ok(())
    },
};

static HISTORY: Definition<Config> = Definition {
    doc: Doc {
        name: "history",
        common: false,
        letter: None,
        value: Value::Text("N"),
        default: Initial::Value("10"),
        variable: Variable::Own,
        help: "how many earlier baselines to keep",
        manual: "How many earlier baselines to keep on the volume. Every change of the baseline \
                 keeps the one before it, so that `rollback` can restore it. N is at least 1. The \
                 limit of `--history-bytes` applies as well, but the newest of them is always \
                 kept.",
    },
    set: |config, value| {
        config.history.number = whole(value)?;
        Ok(())
    },
};

static HISTORY_BYTES: Definition<Config> = Definition {
    doc: Doc {
        name: "history-bytes",
        common: false,
        letter: None,
        value: Value::Text("BYTES"),
        default: Initial::Value("256M"),
        variable: Variable::Own,
        help: "how much room earlier baselines may take",
        manual: "How much room the earlier baselines may take together. A number without a unit \
                 counts bytes; K, M and G are powers of 1024, such as `512M` or `2G`. A baseline \
                 is as large as the project's manifest.json. The oldest go first; the newest is \
                 kept even if it alone is larger. `status` shows how much room the volume takes.",
    },
    set: |config, value| {
        config.history.bytes = bytes(value)?;
        Ok(())
    },
};

static STATE_MODE: Definition<Config> = Definition {
    doc: Doc {
        name: "state-mode",
        common: false,
        letter: None,
        value: Value::Text("MODE"),
        default: Initial::Unset("by the volume"),
        variable: Variable::Own,
        help: "who may read the baselines, such as 0640",
        manual: "The octal mode of the baselines and of last-run.json on the volume, such as `0640` \
                 for the group; the directories above them get the x bits that go with it. What is \
                 there already gets it as well. The rest stays private: the records hold the salt \
                 of the fingerprints of secrets, the journal of a run may hold anything, and \
                 whoever can open the lock can hold it. Where the directory is setgid or \
                 writable by its group, the group can read everything, with and without this option. \
                 A mode that lets others than the owner write, or that locks out the owner, is an \
                 error.",
    },
    set: |config, value| {
        config.state_mode = Some(StateMode::read(text(value)?)?);
        Ok(())
    },
};
