//! What dbt 2 keeps on disk from one command to the next, and the switches that turn it on.
//!
//! With a parse that it kept, dbt 2 does not write `manifest.json` again, and it may not find what
//! changed since. With metadata or an index, it writes no JSON at all. A run that is compared with
//! a baseline needs the project as it is, and the manifest of this very run.

use super::Command;
use super::edit;
use super::scan::GivenOption;
use crate::environment::Environment;
use std::ffi::OsString;

/// The main name of each option, and its variable after `DBT_` or `DBT_ENGINE_`. An option is
/// switched off by leaving it out, and a variable by `false`: dbt 2 has no `--no-write-metadata`,
/// and its variables outweigh `--no-partial-parse`.
const SWITCHES: [(&str, &str); 5] = [
    ("partial-parse", "PARTIAL_PARSE"),
    ("partial-load", "PARTIAL_LOAD"),
    ("write-metadata", "WRITE_METADATA"),
    ("write-index", "USE_INDEX"),
    ("write-lineage", "WRITE_LINEAGE"),
];

impl Command {
    /// The switches that are on, as the user gave them: `--write-metadata`, `DBT_PARTIAL_PARSE`.
    #[must_use]
    pub fn caches(&self) -> Vec<String> {
        let options = self.scan.given.iter().filter(|given| is_cache(given));
        let options = options.map(|given| format!("--{}", given.spec.name()));
        let is_on = |name: &&str| self.variables.flag(name) == Some(true);
        let variables = SWITCHES.iter().map(|(_, variable)| variable).filter(|name| is_on(name));
        options.chain(variables.map(|name| format!("DBT_{name}"))).collect()
    }

    /// The same command without the options that switch them on.
    #[must_use]
    pub fn without_caches(&self) -> Self {
        self.edited(edit::without(&self.words, is_cache))
    }
}

fn is_cache(given: &GivenOption) -> bool {
    given.on && SWITCHES.iter().any(|(option, _)| *option == given.spec.name())
}

/// Switch all of them off in the environment of dbt. `seen` is that environment with what dbt's
/// `.env` adds to it. A name with the newer prefix is used only where the user has it: dbt 2 ends
/// at one that it does not know.
pub fn without_caches(environment: &mut Environment, seen: &Environment) {
    for (_, name) in SWITCHES {
        let [newer, older] = ["DBT_ENGINE_", "DBT_"].map(|prefix| format!("{prefix}{name}"));
        if seen.contains_key(&OsString::from(&newer)) {
            environment.insert(newer.into(), "false".into());
        }
        environment.insert(older.into(), "false".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str], variables: &[(&str, &str)]) -> Command {
        Command::parse(words.iter().map(OsString::from).collect(), &environment(variables))
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn options_that_keep_something_are_left_out_and_named() {
        let words = ["--write-metadata", "run", "--use-index", "--partial-parse", "-s", "a"];
        let given = command(&words, &[("DBT_ENGINE_PARTIAL_PARSE", "1"), ("DBT_USE_INDEX", "0")]);
        let named = ["--write-metadata", "--write-index", "--partial-parse", "DBT_PARTIAL_PARSE"];
        assert_eq!(given.caches(), named);
        assert_eq!(given.without_caches().words(), ["run", "-s", "a"]);
        let off = command(&["run", "--no-partial-parse"], &[]);
        assert_eq!(off.caches(), [""; 0]);
        assert_eq!(off.without_caches().words(), ["run", "--no-partial-parse"]);
    }

    #[test]
    fn variables_that_keep_something_are_false_under_each_name_that_dbt_knows() {
        let mut dbt = environment(&[("DBT_ENGINE_PARTIAL_PARSE", "true"), ("DBT_TARGET", "t")]);
        let dotenv = environment(&[("DBT_ENGINE_USE_INDEX", "true")]);
        let seen = dbt.clone().into_iter().chain(dotenv).collect();
        without_caches(&mut dbt, &seen);
        let all = [
            ("DBT_ENGINE_PARTIAL_PARSE", "false"),
            ("DBT_ENGINE_USE_INDEX", "false"),
            ("DBT_PARTIAL_LOAD", "false"),
            ("DBT_PARTIAL_PARSE", "false"),
            ("DBT_TARGET", "t"),
            ("DBT_USE_INDEX", "false"),
            ("DBT_WRITE_LINEAGE", "false"),
            ("DBT_WRITE_METADATA", "false"),
        ];
        assert_eq!(dbt, environment(&all));
    }
}
