//! The verbs: one value for each, with all that a reader has to know about it.

use super::plan;
use super::read::{self, Read};
use super::warehouse;
use crate::cli::definition::{Doc, first_sentence};

/// All that a reader has to know about a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbDoc {
    /// The verb.
    pub name: &'static str,
    /// What may follow it, in short.
    pub takes: &'static str,
    /// All that may follow it.
    pub usage: &'static str,
    /// For `--help`: at most 48 characters.
    pub help: &'static str,
    /// For `VERB --help` and the manual page: whole sentences. The first one is a summary that
    /// stands alone.
    pub manual: &'static str,
    /// Command lines that can be typed, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
    /// Its own options.
    pub options: &'static [&'static Doc],
    /// What its other words are.
    pub operands: Operands,
}

impl VerbDoc {
    /// The first sentence of the manual, without its full stop.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        first_sentence(self.manual)
    }
}

/// The words of a verb that are no options of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// None.
    None,
    /// A number, or names of nodes.
    Words,
    /// One of these commands of dbt's, and dbt's options.
    Dbt(&'static [&'static str]),
    /// A program and its arguments.
    Program,
}

/// A verb: its documentation, and the reader of its command line.
#[derive(Debug)]
pub(super) struct VerbDefinition {
    pub(super) doc: VerbDoc,
    pub(super) read: Read,
}

/// Every verb, in the order of `--help`.
pub fn verbs() -> impl Iterator<Item = &'static VerbDoc> + Clone {
    VERBS.iter().map(|verb| &verb.doc)
}

pub(super) fn named(name: &str) -> Option<&'static VerbDefinition> {
    VERBS.iter().copied().find(|verb| verb.doc.name == name)
}

static VERBS: [&VerbDefinition; 10] =
    [&PLAN, &STATUS, &VERIFY, &ORPHANS, &HISTORY, &DIFF, &ROLLBACK, &ADOPT, &INVALIDATE, &EXEC];

static PLAN: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "plan",
        takes: "[run|build|seed …]",
        usage: "plan [--all] [--diff] [--markdown|--graph FORM|--json] [run|build|seed] [DBT-OPTIONS]",
        help: "show what a run would build, and why",
        manual: "Shows what a run would build, and why; builds nothing. It parses the project in a \
                 temporary directory and compares it with the baseline just as a run does. For \
                 each node it shows the reason, what happens to it in the warehouse, and how long \
                 its last build took; a long plan is cut to fit a screen (see `--all`). Neither the volume nor the target directory is written, and \
                 the warehouse is not asked. The command is `build` unless you name another one. \
                 Options that shape a run, such as `--full` or `--only-changed`, shape the plan as \
                 well; they stand before `plan`. The exit code is 10 if there is something to \
                 build, 11 if only tests have to run, and 0 if there is nothing to do.",
        examples: &[
            ("dbt-entrypoint plan", "what build would build"),
            ("dbt-entrypoint plan run --select orders+", "what this run would build"),
            ("dbt-entrypoint plan --diff", "with the lines that were edited"),
            ("dbt-entrypoint plan --markdown", "for a pull request"),
            ("dbt-entrypoint --full plan --json", "everything, as JSON"),
        ],
        options: &plan::DOCS,
        operands: Operands::Dbt(&["run", "build", "seed"]),
    },
    read: plan::plan,
};

static STATUS: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "status",
        takes: "",
        usage: "status [--json]",
        help: "show what the volume holds, and the last run",
        manual: "Shows what the volume holds, what is pending and why, and the last run. It also \
                 shows for which project and target the baseline was built, by which versions, how \
                 much room the volume takes, who holds its lock, and how it is mounted. It needs \
                 neither dbt nor the project, waits for no other run, and changes nothing. On a \
                 damaged volume it says what is wrong. The exit code is 0 even then.",
        examples: &[
            ("dbt-entrypoint status", ""),
            ("dbt-entrypoint --state-dir /mnt status --json", "another volume, as JSON"),
        ],
        options: &[&read::JSON.doc],
        operands: Operands::None,
    },
    read: read::status,
};

static VERIFY: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "verify",
        takes: "[--record]",
        usage: "verify [--record] [--json] [DBT-OPTIONS]",
        help: "ask the warehouse for what was built",
        manual: "Asks the warehouse, by way of dbt, whether it holds what the baseline claims. One dbt \
                 process asks for every relation: it is there, it is missing, or something of another \
                 type has taken its place. What is in the relations is not looked at. The exit code is \
                 0 if everything is there, and 10 if not. It is 78 if dbt cannot ask, or if so much is \
                 missing at once that the role or the warehouse is probably the wrong one (see \
                 `--max-missing`). A materialization of your own may leave no relation; such a node \
                 without one is only mentioned. DBT-OPTIONS are those that choose the project and the \
                 target, such as `--target` and `--profiles-dir`.",
        examples: &[
            ("dbt-entrypoint verify", "changes nothing"),
            ("dbt-entrypoint verify --record", "the next run builds what is missing"),
            ("dbt-entrypoint --max-missing 100% verify --record", "a schema is gone"),
        ],
        options: &[&warehouse::RECORD.doc, &read::JSON.doc],
        operands: Operands::Dbt(&[]),
    },
    read: warehouse::verify,
};

static ORPHANS: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "orphans",
        takes: "[--sql|--drop]",
        usage: "orphans [--sql | --drop --approve HASH] [--json] [DBT-OPTIONS]",
        help: "list relations that no node claims any more",
        manual: "Lists relations that no node claims any more: those that this volume's record knows to \
                 have been built, of nodes that were removed, or that are built elsewhere now. What \
                 somebody else has built is never listed, nor what a node or a source of the project \
                 names. The project is parsed and the warehouse is asked, each by a dbt process. \
                 `--sql` prints the statements that drop what is there, and `--drop` with the hash of \
                 the list drops exactly that. On ClickHouse, the target of an orphaned materialized \
                 view is only listed: its views go on writing into it, and have to be dropped first. \
                 The exit code is 10 if there are orphans, and 0 if there are none or they were dropped.",
        examples: &[
            ("dbt-entrypoint orphans", "lists them, with a hash"),
            ("dbt-entrypoint orphans --sql", "prints statements"),
            ("dbt-entrypoint orphans --drop --approve 523231c202fe273c", "drops them"),
        ],
        options: &[
            &warehouse::SQL.doc,
            &warehouse::DROP.doc,
            &warehouse::APPROVE.doc,
            &read::JSON.doc,
        ],
        operands: Operands::Dbt(&[]),
    },
    read: warehouse::orphans,
};

static HISTORY: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "history",
        takes: "",
        usage: "history [--json]",
        help: "list the baselines, and how each came about",
        manual: "Lists the baselines that the volume keeps, the newest first, and how each came \
                 about. The number in front of each is what `rollback` and `diff` take; 0 is the \
                 present one. The list shows when it was made, by which command, what was built, \
                 and the commit of the project, which is read from `.git`, or from a variable of \
                 the CI service (`GIT_COMMIT`, `GITHUB_SHA`, `CI_COMMIT_SHA`) if there is no \
                 `.git`. Only a run that changes what the baseline says adds an entry: a test, or \
                 a build of unchanged nodes, does not. `--history` and `--history-bytes` limit how \
                 many are kept.",
        examples: &[("dbt-entrypoint history", "")],
        options: &[&read::JSON.doc],
        operands: Operands::None,
    },
    read: read::history,
};

static DIFF: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "diff",
        takes: "A [B]",
        usage: "diff A [B] [--json]",
        help: "show what changed between two baselines",
        manual: "Shows what changed between two baselines: which nodes changed and why, which were \
                 added or removed, and which have to be built. A and B are numbers from `history`; \
                 without B, A is compared with the present baseline. Tests are left out. It needs \
                 neither dbt nor the project, and changes nothing. The exit code is 0 whatever \
                 differs.",
        examples: &[
            ("dbt-entrypoint diff 1", "what the last change was"),
            ("dbt-entrypoint diff 3 2 --json", "between two earlier ones"),
        ],
        options: &[&read::JSON.doc],
        operands: Operands::Words,
    },
    read: read::diff,
};

static ROLLBACK: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "rollback",
        takes: "[N]",
        usage: "rollback [N]",
        help: "restore an earlier baseline; builds nothing",
        manual: "Restores an earlier baseline; builds nothing. N is a number from `history`; \
                 without it, the newest is restored. This asserts that the warehouse holds what \
                 that baseline says, as after a restore of the warehouse from a backup. It tells \
                 what the next run builds if the project is still what the replaced baseline was \
                 built from; `plan` gives the exact answer. It also \
                 repairs a damaged baseline; the next run then builds a little more than it has \
                 to. The baseline that is replaced goes to the history, unless it is damaged, so a \
                 second `rollback` undoes the first.",
        examples: &[
            ("dbt-entrypoint rollback", "the baseline before this one"),
            ("dbt-entrypoint rollback 2", "the one before that"),
        ],
        options: &[],
        operands: Operands::Words,
    },
    read: read::rollback,
};

static ADOPT: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "adopt",
        takes: "[--from FILE]",
        usage: "adopt [--from PATH|-] [--force] [DBT-OPTIONS]",
        help: "record the project as built; builds nothing",
        manual: "Records that the warehouse already holds the project as it stands; builds \
                 nothing. With `--from` it records what a manifest.json of dbt says instead, and \
                 the next run builds what the project has beyond it. The warehouse is not asked, \
                 so only use it if you know that everything was built. DBT-OPTIONS are those that \
                 shape the project, such as `--target`, `--profiles-dir` and `--vars`; options \
                 that select nodes are refused, because everything is recorded. A baseline that is \
                 there is replaced only with `--force`, and goes to the history.",
        examples: &[
            ("dbt-entrypoint adopt", "the project as it stands"),
            ("dbt-entrypoint adopt --target prod", "for another target of profiles.yml"),
            ("dbt-entrypoint adopt --from manifest.json --force", "what a manifest says"),
        ],
        options: &[&read::FROM.doc, &read::FORCE.doc],
        operands: Operands::Dbt(&[]),
    },
    read: read::adopt,
};

static INVALIDATE: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "invalidate",
        takes: "NODE…",
        usage: "invalidate NODE…",
        help: "make the next run build these nodes again",
        manual: "Makes the next run build these nodes again, and everything downstream of them. A \
                 NODE is a name (`orders`), a unique id (`model.shop.orders`), `tag:NAME` or \
                 `path:PREFIX`. A plus sign behind it invalidates what is downstream as well, so \
                 that those nodes stay pending even if a run leaves them out. It needs neither dbt \
                 nor the project. A name that matches nothing is refused with 78, and then nothing \
                 is changed.",
        examples: &[
            ("dbt-entrypoint invalidate orders", ""),
            ("dbt-entrypoint invalidate tag:finance stg_payments+", ""),
        ],
        options: &[],
        operands: Operands::Words,
    },
    read: read::invalidate,
};

static EXEC: VerbDefinition = VerbDefinition {
    doc: VerbDoc {
        name: "exec",
        takes: "-- CMD…",
        usage: "exec [--rewrite A:B]… [--group] [--stop-grace DURATION] [--] CMD…",
        help: "run any program as PID 1 should",
        manual: "Runs any program and does the work of PID 1 for it: forwards signals and reaps \
                 orphaned processes. dbt and the state volume are not involved. The exit code is \
                 that of the program, or 128+n if signal n ended it; 126 and 127 mean that it \
                 cannot be executed or was not found. The options stand before the program; write \
                 `--` before a program whose name begins with a dash.",
        examples: &[
            ("dbt-entrypoint exec -- python server.py", ""),
            ("dbt-entrypoint exec --rewrite TERM:INT --group -- sh serve.sh", ""),
        ],
        options: &[&read::REWRITE.doc, &read::GROUP.doc, &read::STOP_GRACE.doc],
        operands: Operands::Program,
    },
    read: read::exec,
};
