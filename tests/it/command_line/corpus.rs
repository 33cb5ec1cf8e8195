//! Command lines of dbt, sensible and not, always the same ones.

use dbt_entrypoint::dbt::command::Command;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// A command line with its variables.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) words: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Case {
    pub(crate) fn command(&self) -> Command {
        let words = self.words.iter().map(OsString::from).collect();
        Command::parse(words, &self.variables.iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    pub(crate) fn with_words(&self, words: Vec<OsString>) -> Self {
        let words = words.into_iter().map(|word| word.into_string().unwrap()).collect();
        Self { words, variables: self.variables.clone() }
    }
}

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn some_of(&mut self, pool: &[&str], most: usize) -> Vec<String> {
        let count = self.below(most + 1);
        let picks: Vec<&str> = (0..count).map(|_| pool[self.below(pool.len())]).collect();
        picks.iter().flat_map(|pick| pick.split('|').map(str::to_owned)).collect()
    }
}

/// `|` stands between words.
const GLOBAL: &[&str] = &[
    "-q",
    "-d",
    "-x",
    "-qx",
    "-t|dev",
    "-tprod",
    "-qtprod",
    "-qt|prod",
    "--target=run",
    "--target|run",
    "--target|-x",
    "--profile|build",
    "--no-write-json",
    "--write-json",
    "--no-partial-parse",
    "--partial-parse",
    "--state|a dir",
    "--state=s",
    "--defer",
    "--no-defer",
    "--defer-state=d",
    "--log-path|logs",
    "--log-format-file|text",
    "--log-level|debug",
    "--indirect-selection|cautious",
    "--warn-error",
    "--record-timing-info|run",
    "-rrun",
    "-xr|run",
    "--printer-width|80",
    "--no-use-colors",
    "--no-version-check",
    "--single-threaded",
    "--bogus",
    "--version",
    "--",
];

const LOCAL: &[&str] = &[
    "-s|a",
    "-sa",
    "-s|a|b",
    "-qsa b",
    "-s|",
    "--select|a b|c",
    "--select=a",
    "--select=|b",
    "--select=a=b|c",
    "-m|a",
    "--models|a|b c",
    "--model=a",
    "-s|--full-refresh",
    "-s|-x",
    "-s|tag:x,+b+",
    "-s|state:new",
    "--exclude|a|b",
    "--exclude=state:old+",
    "--exclude|run",
    "--selector|d",
    "--selector=d",
    "--vars|{a: b}",
    "--vars={a: --select}",
    "--vars|{}",
    "--full-refresh",
    "-f",
    "-fq",
    "--empty",
    "--no-empty",
    "--threads|4",
    "--project-dir|p",
    "--project-dir=-p",
    "--profiles-dir|--select",
    "--target-path|t",
    "--target-path=",
    "--resource-type|model|seed",
    "--resource-types=test",
    "--resource-type|snapshot seed",
    "--exclude-resource-type|test|unit_test",
    "--resource-type|all",
    "--show",
    "--store-failures",
    "--output|json",
    "--output-keys|name|alias",
    "-s|a|--|b",
    "--help",
    "stray",
];

const SUBCOMMANDS: &[&str] = &[
    "run",
    "run",
    "run",
    "build",
    "build",
    "build",
    "seed",
    "snapshot",
    "retry",
    "test",
    "ls",
    "list",
    "compile",
    "show",
    "parse",
    "clone",
    "docs|generate",
    "source|freshness",
    "deps",
    "run-operation|m",
    "init",
    "debug",
    "nonsense",
];

const VARIABLES: &[(&str, &str)] = &[
    ("DBT_TARGET", "from_variable"),
    ("DBT_TARGET", ""),
    ("DBT_PROJECT_DIR", "from_variable"),
    ("DBT_PROFILES_DIR", "from_variable"),
    ("DBT_PROFILE", "from_variable"),
    ("DBT_TARGET_PATH", "from_variable"),
    ("DBT_LOG_PATH", "from_variable"),
    ("DBT_WRITE_JSON", "false"),
    ("DBT_PARTIAL_PARSE", "off"),
    ("DBT_PARTIAL_PARSE", " TRUE "),
    ("DBT_FULL_REFRESH", "1"),
    ("DBT_EMPTY", "y"),
    ("DBT_ENGINE_USE_V2_PARSER", "true"),
    ("DBT_EMPTY", ""),
    ("DBT_DEFER", "t"),
    ("DBT_DEFER_TO_STATE", "no"),
    ("DBT_STATE", "from_variable"),
    ("DBT_RESOURCE_TYPES", "model seed"),
    ("DBT_EXCLUDE_RESOURCE_TYPES", "model"),
    ("DBT_SELECT", "not_read"),
    ("DBT_VARS", "not_read"),
];

/// `size` lines, of which dbt accepts about a third.
pub(crate) fn corpus(size: usize) -> Vec<Case> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut cases = Vec::new();
    for _ in 0..size {
        let subcommand = SUBCOMMANDS[dice.below(SUBCOMMANDS.len())];
        let mut words = dice.some_of(GLOBAL, 2);
        words.extend(subcommand.split('|').map(str::to_owned));
        let both = [GLOBAL, LOCAL, LOCAL].concat();
        words.extend(dice.some_of(&both, 4));
        let count = dice.below(3);
        let variables = (0..count).map(|_| VARIABLES[dice.below(VARIABLES.len())]);
        let variables = variables.map(|(key, value)| (key.into(), value.into())).collect();
        cases.push(Case { words, variables });
    }
    cases
}
