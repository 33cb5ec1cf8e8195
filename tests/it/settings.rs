//! Settings that dbt itself recommends, with each engine: a matrix that is printed and asserted.
//!
//! Every cell is the same history: the first run builds everything, the same again nothing, an edit
//! exactly what is downstream of it, and the same again nothing, although dbt is started for it.
//! Or the setting is refused, and nothing is run. `SETTINGS_ENGINES="1.8 1.12"` adds engines.

use crate::support::shop::{ALL, Shop};
use crate::support::{Done, dbt, skip, variable};
use std::fs;

const AFTER_ORDERS: [&str; 5] =
    ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];

/// One column of the matrix.
#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    env: &'static [(&'static str, &'static str)],
    words: &'static [&'static str],
    flags: &'static str,
    /// Whether each run finds an empty target path, as in a container of its own.
    fresh: bool,
    /// The engines whose runs are refused, by the beginning of their names.
    refused: &'static [&'static str],
    /// The first version of dbt v1 that has it; `None` for all engines.
    since: Option<u32>,
}

const PLAIN: Setting =
    Setting { name: "", env: &[], words: &[], flags: "", fresh: false, refused: &[], since: None };

const fn env(name: &'static str, env: &'static [(&'static str, &'static str)]) -> Setting {
    Setting { name, env, ..PLAIN }
}

const fn words(name: &'static str, words: &'static [&'static str]) -> Setting {
    Setting { name, words, ..PLAIN }
}

const fn flags(name: &'static str, flags: &'static str) -> Setting {
    Setting { name, flags, ..PLAIN }
}

const fn fresh(setting: Setting, name: &'static str) -> Setting {
    Setting { name, fresh: true, ..setting }
}

const fn refused(setting: Setting, refused: &'static [&'static str]) -> Setting {
    Setting { refused, ..setting }
}

const fn since(minor: u32, setting: Setting) -> Setting {
    Setting { since: Some(minor), ..setting }
}

const PARTIAL_PARSE: Setting = env("DBT_PARTIAL_PARSE", &[("DBT_PARTIAL_PARSE", "true")]);
const USE_INDEX: Setting = env("DBT_USE_INDEX", &[("DBT_USE_INDEX", "true")]);
const METADATA: Setting = env("DBT_WRITE_METADATA", &[("DBT_WRITE_METADATA", "true")]);

const SETTINGS: [Setting; 28] = [
    Setting { name: "plain", ..PLAIN },
    fresh(PLAIN, "fresh target"),
    PARTIAL_PARSE,
    fresh(PARTIAL_PARSE, "DBT_PARTIAL_PARSE, fresh target"),
    env("DBT_ENGINE_PARTIAL_PARSE", &[("DBT_ENGINE_PARTIAL_PARSE", "1")]),
    env("DBT_PARTIAL_PARSE off", &[("DBT_PARTIAL_PARSE", "false")]),
    words("--partial-parse", &["--partial-parse"]),
    flags("flags: partial_parse", "partial_parse: true"),
    USE_INDEX,
    fresh(USE_INDEX, "DBT_USE_INDEX, fresh target"),
    METADATA,
    fresh(METADATA, "DBT_WRITE_METADATA, fresh target"),
    only_v2(words("--write-metadata", &["--write-metadata"])),
    only_v2(words("--write-index", &["--write-index", "--write-lineage"])),
    flags("flags: write_metadata", "write_metadata: true"),
    env("DBT_WRITE_JSON off", &[("DBT_WRITE_JSON", "false")]),
    words("--no-write-json", &["--no-write-json"]),
    flags("flags: write_json off", "write_json: false"),
    only_v2(refused(words("--dirty", &["--dirty"]), &["v2"])),
    refused(env("DBT_DIRTY", &[("DBT_DIRTY", "true")]), &["v2"]),
    since(13, refused(words("--manage-state", &["--manage-state"]), &["v2", "1.13"])),
    since(
        13,
        refused(
            env("DBT_ENGINE_MANAGE_STATE", &[("DBT_ENGINE_MANAGE_STATE", "1")]),
            &["v2", "1.13"],
        ),
    ),
    since(12, Setting { flags: "use_v2_parser: true", ..V2_PARSER }),
    since(12, Setting { name: "DBT_ENGINE_USE_V2_PARSER", env: PARSER_ON, ..V2_PARSER }),
    since(12, Setting { name: "--use-v2-parser", words: &["--use-v2-parser"], ..V2_PARSER }),
    env("DBT_FAIL_FAST, DBT_WARN_ERROR", &[("DBT_FAIL_FAST", "true"), ("DBT_WARN_ERROR", "true")]),
    env("DBT_LOG_FORMAT", &[("DBT_LOG_FORMAT", "json"), ("DBT_LOG_LEVEL", "debug")]),
    env("DBT_USE_COLORS", &[("DBT_USE_COLORS", "true"), ("DBT_LOG_LEVEL_FILE", "error")]),
];

const V2_PARSER: Setting = Setting { name: "flags: use_v2_parser", ..PLAIN };
const PARSER_ON: &[(&str, &str)] = &[("DBT_ENGINE_USE_V2_PARSER", "true")];
const NO_V1: u32 = u32::MAX;

const fn only_v2(setting: Setting) -> Setting {
    since(NO_V1, setting)
}

impl Setting {
    fn uses_v2_parser(&self) -> bool {
        self.since == Some(12)
    }

    /// Whether the engine has that setting at all.
    fn is_of(&self, engine: &str) -> bool {
        let minor = engine.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
        match (minor, self.since) {
            (_, None) => true,
            (Some(minor), Some(since)) => minor >= since,
            (None, Some(_)) => !self.uses_v2_parser(),
        }
    }

    fn is_refused_by(&self, engine: &str) -> bool {
        self.refused.iter().any(|begin| engine.starts_with(begin))
    }
}

/// What has to happen in a cell, against what did.
fn cell(engine: &str, setting: &Setting) -> Option<Result<String, String>> {
    let mut shop = Shop::with_dbt(engine)?;
    for (name, value) in setting.env {
        shop.env(*name, *value);
    }
    if setting.uses_v2_parser() {
        let parser = dbt("v2")?;
        shop.env("DBT_ENGINE_V2_PARSER", format!("{} parse", parser.display()));
        // The alpha writes `indexes: null`, which this macro of dbt 1 cannot loop over.
        let nothing = "{% macro create_indexes(relation) %}{% endmacro %}";
        shop.write("macros/create_indexes.sql", nothing);
    }
    if !setting.flags.is_empty() {
        let flags = format!("flags:\n  {}", setting.flags);
        shop.edit("dbt_project.yml", |yaml| yaml.replace("flags:", &flags));
    }
    let run = |ours: &[&str]| {
        if setting.fresh {
            let _ = fs::remove_dir_all(shop.project().join("target"));
        }
        shop.run(&[ours, &["build"], setting.words].concat())
    };
    if setting.is_refused_by(engine) {
        let done = run(&[]);
        let is_refused = done.code == 78 && done.built.is_empty();
        return Some(if is_refused { Ok("refused".to_owned()) } else { Err(told(&done)) });
    }
    let mut first = ALL.to_vec();
    first.sort_unstable();
    let again: &[&str] = &["--always-start"];
    let steps: [(&[&str], &[&str]); 4] =
        [(&[], &first), (&[], &[]), (&[], &AFTER_ORDERS), (again, &[])];
    for (number, (ours, expected)) in steps.into_iter().enumerate() {
        if number == 2 {
            shop.touch("models/marts/orders.sql");
        }
        let done = run(ours);
        if done.code != 0 || !done.built.iter().map(String::as_str).eq(expected.iter().copied()) {
            return Some(Err(format!("run {}: {}", number + 1, told(&done))));
        }
    }
    Some(Ok("builds".to_owned()))
}

fn told(done: &Done) -> String {
    format!("code {}, built {:?}\n{}", done.code, done.built, done.stderr)
}

/// One row of the matrix: every setting with one engine.
fn row(engine: &str, settings: impl Iterator<Item = Setting>) {
    let mut wrong = Vec::new();
    for setting in settings.filter(|setting| setting.is_of(engine)) {
        let Some(found) = cell(engine, &setting) else { return };
        let shown = found.as_deref().unwrap_or("WRONG");
        println!("{engine:<8} {:<36} {shown}", setting.name);
        wrong.extend(found.err().map(|why| format!("{engine}, {}: {why}", setting.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dbt_2_release_candidate_builds_exactly_what_it_must_with_every_setting() {
    row("v2rc", SETTINGS.into_iter());
}

#[test]
fn dbt_2_alpha_builds_exactly_what_it_must_with_the_settings_that_keep_caches() {
    row("v2", SETTINGS.into_iter().filter(|setting| setting.env.len() == 1 && !setting.fresh));
}

#[test]
fn dbt_1_13_builds_exactly_what_it_must_with_the_parser_of_dbt_2_without_dbt_state_and_with_errors()
{
    let ours = [
        "DBT_ENGINE_USE_V2_PARSER",
        "--manage-state",
        "DBT_ENGINE_MANAGE_STATE",
        "DBT_FAIL_FAST, DBT_WARN_ERROR",
    ];
    row("1.13", SETTINGS.into_iter().filter(|setting| ours.contains(&setting.name)));
}

#[test]
fn the_whole_matrix_by_hand() {
    let Some(engines) = variable("SETTINGS_ENGINES") else { return };
    let engines = engines.into_string().expect("names in UTF-8");
    for engine in engines.split_whitespace() {
        if dbt(engine).is_none() {
            skip(&format!("there is no dbt {engine}"));
        }
        row(engine, SETTINGS.into_iter());
    }
}
