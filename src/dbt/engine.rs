//! Which dbt runs, and what it can do.
//!
//! dbt v1 (dbt-core, a Python package) and dbt v2 (a native program) differ from each other and
//! from version to version. An [`Engine`] is made once, from facts about the installation, and
//! answers by the name of a capability; nothing else in this program compares versions. What is
//! not known for certain gets the answer that is right for every dbt, at the cost of time.

mod version;

pub use version::Version;

use std::fmt;
use version::ReleaseStage;

/// The first minor version of dbt v1 that this program is tested with.
const FIRST_TESTED_V1: [u32; 2] = [1, 8];

/// The last version of dbt v1 that this program is tested with.
const LAST_TESTED_V1: Version =
    Version { release: [1, 13, 0], stage: ReleaseStage::Beta, number: 1 };

/// The versions of dbt v2 that this program is tested with. They differ too much from one to the
/// next to speak for those in between.
const TESTED_V2: [Version; 2] = [
    Version { release: [2, 0, 0], stage: ReleaseStage::Alpha, number: 4 },
    Version { release: [2, 0, 0], stage: ReleaseStage::Candidate, number: 196 },
];

/// The names of the Python distributions that install a program `dbt`; `dbt` itself only from
/// version 2, since `dbt` 1.0 on PyPI is an empty package.
const DISTRIBUTIONS: [&str; 3] = ["dbt_core", "dbt_oss", "dbt"];

/// What kind of file the program `dbt` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Native code.
    Native,
    /// A script for a Python whose packages are known. What it starts may be native all the
    /// same: the wheels of dbt v2 install a script that does so.
    Python,
    /// Anything else, such as a shell script that starts a dbt somewhere.
    Unknown,
}

/// How dbt's log tells of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// Events (`--log-path`, `--log-format-file`, `--log-level-file`): dbt v1. It writes the
    /// manifest before its first node begins.
    Events,
    /// Spans of OpenTelemetry (`--otel-file-name`, `--log-level-file`): dbt v2. It writes the
    /// manifest when its last node has ended. A thread of its own writes the spans, so that the
    /// last of them are lost when dbt is killed.
    Spans,
}

/// What carries out dbt's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// dbt-core in Python.
    V1,
    /// The native program, dbt Core 2 or Fusion.
    V2,
    Unknown,
}

/// A dbt with its capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    family: Family,
    version: Option<Version>,
    /// dbt v1 has dbt v2 parse the project (`--use-v2-parser`, 1.12 and later).
    v2_parser: bool,
}

impl Engine {
    /// The engine of a program, from the names of the distributions that are installed with it,
    /// such as `dbt_core-1.11.16.dist-info`; those of other packages are passed over. Where
    /// several distributions contradict each other, the version is not known.
    #[must_use]
    pub fn installed<'n>(program: Program, distributions: impl Iterator<Item = &'n str>) -> Self {
        let mut versions: Vec<Version> = distributions.filter_map(version_of_dbt).collect();
        versions.sort_unstable();
        versions.dedup();
        let all_v1 = versions.iter().all(|version| version.is_v1());
        let all_v2 = versions.iter().all(|version| !version.is_v1());
        let only = if let [only] = *versions { Some(only) } else { None };
        let (family, version) = match program {
            Program::Native => (Family::V2, only.filter(|_| all_v2)),
            Program::Python if versions.is_empty() => (Family::Unknown, None),
            Program::Python if all_v1 => (Family::V1, only),
            Program::Python if all_v2 => (Family::V2, only),
            Program::Python | Program::Unknown => (Family::Unknown, None),
        };
        Self { family, version, v2_parser: false }
    }

    /// The engine of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self { family: Family::Unknown, version: None, v2_parser: false }
    }

    /// The engine that wrote a manifest, from its `metadata.dbt_version` alone.
    #[must_use]
    pub fn that_wrote(dbt_version: &str) -> Self {
        Self::unknown().refined(dbt_version)
    }

    /// The same once it has written a manifest: `metadata.dbt_version` is its own word, and
    /// outweighs what the installation looked like. dbt v1 writes that of dbt v2 where that has
    /// parsed.
    #[must_use]
    pub fn refined(&self, dbt_version: &str) -> Self {
        let version = Version::parse(dbt_version);
        let written = version.map(|version| if version.is_v1() { Family::V1 } else { Family::V2 });
        let family = match (self.family, written) {
            (Family::V1, Some(Family::V2)) if self.knows_v2_parser() => {
                return self.clone().with_v2_parser(true);
            }
            (Family::Unknown, Some(written)) => written,
            (found, Some(written)) if found != written => Family::Unknown,
            (found, _) => found,
        };
        Self { family, version, v2_parser: self.v2_parser }
    }

    /// Whether this engine wrote a manifest with that `metadata.dbt_version`; `false` where the
    /// version of either is not known.
    #[must_use]
    pub fn wrote(&self, dbt_version: &str) -> bool {
        self.version.is_some() && self.version == Version::parse(dbt_version)
    }

    /// The same where the user has dbt v2 parse for dbt v1.
    #[must_use]
    pub fn with_v2_parser(self, asked: bool) -> Self {
        Self { v2_parser: asked, ..self }
    }

    /// The version, where it is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Whether this program is tested with that version: dbt v1 from 1.8 to 1.13.0b1, and the
    /// versions 2.0.0a4 and 2.0.0rc196. Any other is driven with the greatest care: it parses in a
    /// process of its own, the nodes are named on the command line, and its log is not believed.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        self.version.is_some_and(|version| match self.family {
            Family::V1 => version.minor() >= FIRST_TESTED_V1 && version <= LAST_TESTED_V1,
            Family::V2 => TESTED_V2.contains(&version),
            Family::Unknown => false,
        })
    }

    /// Whether this program was never tested with so new a version. `false` where the version is
    /// not known.
    #[must_use]
    pub fn is_newer_than_tested(&self) -> bool {
        let [.., last] = TESTED_V2;
        self.version.is_some_and(|version| {
            !self.is_tested() && version > if version.is_v1() { LAST_TESTED_V1 } else { last }
        })
    }

    /// dbt v2: what is executed is native code.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.family == Family::V2
    }

    /// dbt v1 begins as many nodes at a time as it has threads. dbt v2 begins every node whose parents
    /// are built, and the time that it reports includes the wait for a connection.
    #[must_use]
    pub fn keeps_to_threads(&self) -> bool {
        self.family != Family::V2
    }

    /// dbt draws lines on a terminal that it later moves back to and replaces: any dbt that is not known
    /// to be v1. Another line among them would damage them.
    #[must_use]
    pub fn redraws(&self) -> bool {
        self.family != Family::V1
    }

    /// After it has parsed the project, dbt writes `manifest.json`, then opens
    /// `semantic_manifest.json` for writing, and only then reads what `--state` names; see
    /// [`crate::os::gate`]. dbt v1 with a parser of its own does. With the parser of dbt v2 it
    /// copies that file first, and refuses to copy to a FIFO.
    #[must_use]
    pub fn waits_at_gate(&self) -> bool {
        self.is_tested_v1() && !self.v2_parser
    }

    /// `result:STATUS` selects nodes that a `run_results.json` of schema v6 in the state
    /// directory names by `unique_id`. dbt-core 1.8 to 1.13 read that schema and refuse a later
    /// one. With dbt v2, what it keeps on disk takes part in the comparison, so that an earlier
    /// command can falsify it.
    #[must_use]
    pub fn result_method(&self) -> bool {
        self.is_tested_v1()
    }

    /// `selector:NAME` is a selection method, which can be intersected with others: dbt 1.12 and
    /// later, and dbt v2 but for its alphas. An earlier dbt ends with exit code 2.
    #[must_use]
    pub fn selector_method(&self) -> bool {
        self.version.is_some_and(|version| {
            version.minor() >= [1, 12]
                && (version.minor() > [2, 0]
                    || version.is_v1()
                    || version.stage > ReleaseStage::Alpha)
        })
    }

    /// A manifest lists all macros that a node or a macro calls (`depends_on.macros`). dbt v1
    /// does; 2.0 alpha leaves some out, with its own project and as the parser of dbt v1.
    #[must_use]
    pub fn lists_all_calls(&self) -> bool {
        self.is_tested_v1() && !self.v2_parser
    }

    /// dbt reads `.env`, `vars.yml` and `~/.dbt/user_settings.yml`: 1.12 and later. `true` where
    /// the version is not known, since a change in a file that may be read must not be missed.
    #[must_use]
    pub fn reads_dotenv(&self) -> bool {
        self.version.is_none_or(|version| version.minor() >= [1, 12])
    }

    /// The form of the log that dbt can be told to write into a file of ours as JSON lines, from
    /// which we can tell when each node began and how it ended.
    #[must_use]
    pub fn journal(&self) -> Option<LogForm> {
        match self.family {
            _ if !self.is_tested() => None,
            Family::V1 => Some(LogForm::Events),
            Family::V2 => Some(LogForm::Spans),
            Family::Unknown => None,
        }
    }

    /// dbt may keep a parse on disk that takes the place of the project as it is, and may write its
    /// artifacts in another format than JSON: any dbt that is not known to be v1.
    #[must_use]
    pub fn keeps_caches(&self) -> bool {
        self.family != Family::V1
    }

    /// `dbt compile` of single nodes can use the partial-parse file of a parse that has just ended,
    /// without another parse and without asking the warehouse, and its `run_results.json` has the
    /// same `compiled_code` as that of a build.
    #[must_use]
    pub fn compiles_apart(&self) -> bool {
        self.is_tested_v1() && !self.v2_parser
    }

    /// A parse from a partial-parse file makes the same of edited bodies of models as a full parse:
    /// dbt 1.9 to 1.13, by `tests/warm`.
    #[must_use]
    pub fn starts_warm(&self) -> bool {
        let is_proved = self.version.is_some_and(|version| version.minor() >= [1, 9]);
        is_proved && self.is_tested_v1() && !self.v2_parser
    }

    /// dbt sees it where only spaces of a file changed: before 1.12.
    #[must_use]
    pub fn spaces_count(&self) -> bool {
        self.version.is_some_and(|version| version.minor() < [1, 12])
    }

    /// dbt can have dbt State, a service, decide what it builds (`--manage-state`): 1.13 and later,
    /// dbt v2, and any dbt of which the version is not known.
    #[must_use]
    pub fn can_manage_state(&self) -> bool {
        self.version.is_none_or(|version| version.minor() >= [1, 13])
    }

    /// dbt v1 can have dbt v2 parse: 1.12 and later.
    fn knows_v2_parser(&self) -> bool {
        self.version.is_some_and(|version| version.is_v1() && version.minor() >= [1, 12])
    }

    fn is_tested_v1(&self) -> bool {
        self.family == Family::V1 && self.is_tested()
    }
}

/// For log messages: `dbt v1 1.11.16`, `dbt v2 of unknown version, untested`.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.family {
            Family::V1 => "dbt v1",
            Family::V2 => "dbt v2",
            Family::Unknown => "an unknown dbt",
        })?;
        match self.version {
            Some(version) => write!(f, " {version}")?,
            None => f.write_str(" of unknown version")?,
        }
        f.write_str(if self.is_tested() { "" } else { ", untested" })
    }
}

/// Whether this is the name of a distribution (`NAME-VERSION.dist-info` or `.egg-info`) that
/// installs a program `dbt`.
#[must_use]
pub fn is_distribution_of_dbt(name: &str) -> bool {
    version_of_dbt(name).is_some()
}

/// The version in such a name.
fn version_of_dbt(name: &str) -> Option<Version> {
    let (stem, end) = name.rsplit_once('.')?;
    if !matches!(end, "dist-info" | "egg-info") {
        return None;
    }
    // What may follow the version is that of Python: `dbt_core-1.8.0-py3.11.egg-info`.
    let parts: Vec<&str> = stem.split('-').collect();
    let is_version = |part: &&str| part.starts_with(|letter: char| letter.is_ascii_digit());
    let at = parts.iter().position(is_version)?;
    let name = parts.get(..at)?.join("_").to_ascii_lowercase();
    let version = Version::parse(parts.get(at)?)?;
    let is_empty_package = name == "dbt" && version.is_v1();
    (DISTRIBUTIONS.contains(&&*name) && !is_empty_package).then_some(version)
}

/// Whether a relation that is dropped takes the views that read it along: this adapter drops with
/// `cascade`, and its warehouse knows what a view reads. Elsewhere a view stays, or the word means
/// something else.
#[must_use]
pub fn drops_cascade(adapter_type: &str) -> bool {
    ["postgres", "redshift", "greenplum", "materialize", "risingwave"].contains(&adapter_type)
}

/// The part of a version that shapes a manifest, e.g. `1.11` of `1.11.16`.
#[must_use]
pub fn minor(dbt_version: &str) -> &str {
    let end = dbt_version.match_indices('.').nth(1).map_or(dbt_version.len(), |(at, _)| at);
    dbt_version.get(..end).unwrap_or(dbt_version)
}

#[cfg(test)]
mod tests;
