//! Versions by what they can do, and what an installation says.

use super::*;

/// The names of the capabilities that an engine has.
fn capabilities(engine: &Engine) -> Vec<&'static str> {
    let all = [
        ("tested", engine.is_tested()),
        ("native", engine.is_native()),
        ("waits at gate", engine.waits_at_gate()),
        ("result:", engine.result_method()),
        ("selector:", engine.selector_method()),
        ("lists all calls", engine.lists_all_calls()),
        ("reads .env", engine.reads_dotenv()),
        ("events", engine.journal() == Some(LogForm::Events)),
        ("spans", engine.journal() == Some(LogForm::Spans)),
        ("newer", engine.is_newer_than_tested()),
        ("caches", engine.keeps_caches()),
        ("redraws", engine.redraws()),
        ("unlimited", !engine.keeps_to_threads()),
    ];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

fn of(program: Program, distributions: &[&str]) -> Engine {
    Engine::installed(program, distributions.iter().copied())
}

/// What dbt v1 can do in every version that was tested.
const V1: [&str; 5] = ["tested", "waits at gate", "result:", "lists all calls", "events"];
const V1_12: [&str; 7] =
    ["tested", "waits at gate", "result:", "selector:", "lists all calls", "reads .env", "events"];

#[test]
fn each_version_has_its_capabilities() {
    let table: [(&str, &[&str]); 22] = [
        ("1.7.19", &[]),
        ("1.8.0b1", &V1),
        ("1.8.10", &V1),
        ("1.9.11", &V1),
        ("1.10.23", &V1),
        ("1.11.16", &V1),
        ("1.12.0a1", &V1_12),
        ("1.12.0rc1", &V1_12),
        ("1.12.6", &V1_12),
        ("1.12.6.post1", &V1_12),
        ("1.13.0b1", &V1_12),
        ("1.13.0rc1", &["selector:", "reads .env", "newer"]),
        ("1.20.0", &["selector:", "reads .env", "newer"]),
        ("2.0.0.dev30", &["native", "reads .env", "caches", "redraws", "unlimited"]),
        ("2.0.0a3", &["native", "reads .env", "caches", "redraws", "unlimited"]),
        ("2.0.0a4", &["tested", "native", "reads .env", "spans", "caches", "redraws", "unlimited"]),
        (
            "2.0.0-alpha.4",
            &["tested", "native", "reads .env", "spans", "caches", "redraws", "unlimited"],
        ),
        ("2.0.0-beta.2", &["native", "selector:", "reads .env", "caches", "redraws", "unlimited"]),
        (
            "2.0.0-preview.196",
            &[
                "tested",
                "native",
                "selector:",
                "reads .env",
                "spans",
                "caches",
                "redraws",
                "unlimited",
            ],
        ),
        (
            "2.0.9",
            &["native", "selector:", "reads .env", "newer", "caches", "redraws", "unlimited"],
        ),
        (
            "3.0.0a1",
            &["native", "selector:", "reads .env", "newer", "caches", "redraws", "unlimited"],
        ),
        ("nightly", &["reads .env", "caches", "redraws"]),
    ];
    for (version, expected) in table {
        assert_eq!(capabilities(&Engine::that_wrote(version)), expected, "{version}");
    }
    assert_eq!(capabilities(&Engine::unknown()), ["reads .env", "caches", "redraws"]);
}

#[test]
fn with_the_parser_of_v2_dbt_v1_neither_waits_nor_lists_all_calls() {
    let engine = of(Program::Python, &["dbt_core-1.12.6.dist-info"]);
    let without = ["tested", "result:", "selector:", "reads .env", "events"];
    assert_eq!(capabilities(&engine.clone().with_v2_parser(true)), without);
    assert_eq!(capabilities(&engine.refined("2.0.0-alpha.4")), without);
    assert_eq!(capabilities(&engine.with_v2_parser(true).refined("2.0.0-alpha.4")), without);
}

#[test]
fn versions_of_both_ways_to_write_them_are_one() {
    let same = [
        ("1.12", "1.12.0"),
        ("1.12.0b1", "1.12.0-beta.1"),
        ("2.0.0a4", "2.0.0-alpha.4"),
        ("2.0.0rc196", "2.0.0-preview.196"),
        ("2.0.0.dev30", "2.0.0-dev.30"),
        ("1.11.16+local.1", "1.11.16"),
        ("1.11.16.post1", "1.11.16"),
    ];
    for (one, other) in same {
        let [one, other] = [one, other].map(Version::parse);
        assert!(one.is_some() && one == other, "{one:?}, {other:?}");
    }
    let ascending = ["1.9.11", "1.11.16", "2.0.0.dev30", "2.0.0a4", "2.0.0b1", "2.0.0rc9", "2.0.0"];
    let versions = ascending.map(|text| Version::parse(text).unwrap());
    assert!(versions.is_sorted(), "{versions:?}");
    assert_eq!(versions.map(|version| version.to_string()), ascending);
    for text in ["", "1", "one", "1.x", "1..2", "v1.11.0", "1.11.0-3", "1.11.0-night.1"] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
}

#[test]
fn an_installation_tells_the_engine_where_its_distributions_agree() {
    let (v1, v2, unknown) = (Family::V1, Family::V2, Family::Unknown);
    let others = "dbt_adapters-1.24.5.dist-info";
    let table: [(Program, &[&str], Family, Option<&str>); 18] = [
        (Program::Python, &["dbt_core-1.11.16.dist-info", others], v1, Some("1.11.16")),
        (Program::Python, &["dbt_core-1.9.0.egg-info"], v1, Some("1.9.0")),
        (Program::Python, &["dbt_core-1.8.0-py3.11.egg-info"], v1, Some("1.8.0")),
        (Program::Python, &["dbt-core-1.8.0.egg-info"], v1, Some("1.8.0")),
        (Program::Python, &["dbt_core-1.13.0b1.dist-info"], v1, Some("1.13.0b1")),
        (Program::Python, &["dbt-2.0.9.dist-info"], v2, Some("2.0.9")),
        (Program::Python, &["dbt_oss-2.0.8.dist-info"], v2, Some("2.0.8")),
        (Program::Python, &["dbt_core-1.9.0.dist-info"; 2], v1, Some("1.9.0")),
        (
            Program::Python,
            &["dbt-1.0.0.40.12.dist-info", "dbt_core-1.9.0.dist-info"],
            v1,
            Some("1.9.0"),
        ),
        (Program::Python, &["dbt_core-1.9.0.dist-info", "dbt_core-1.11.16.dist-info"], v1, None),
        (Program::Python, &["dbt_core-1.9.0.dist-info", "dbt-2.0.9.dist-info"], unknown, None),
        (Program::Python, &[others, "dbt_core-1.9.0", "dbt_core.dist-info"], unknown, None),
        (Program::Python, &[], unknown, None),
        (Program::Native, &["dbt_core-2.0.0a4.dist-info"], v2, Some("2.0.0a4")),
        (Program::Native, &["dbt_core-1.9.0.dist-info"], v2, None),
        (Program::Native, &["dbt-2.0.1.dist-info", "dbt_oss-2.0.2.dist-info"], v2, None),
        (Program::Native, &[], v2, None),
        (Program::Unknown, &["dbt_core-1.9.0.dist-info"], unknown, None),
    ];
    for (program, distributions, family, version) in table {
        let version = version.map(|text| Version::parse(text).unwrap());
        let expected = Engine { family, version, v2_parser: false };
        assert_eq!(of(program, distributions), expected, "{program:?} {distributions:?}");
    }
}

#[test]
fn a_manifest_outweighs_what_the_installation_looked_like() {
    let found = of(Program::Python, &["dbt_core-1.9.0.dist-info"]);
    let both = of(Program::Python, &["dbt_core-1.9.0.dist-info", "dbt_core-1.12.6.dist-info"]);
    assert_eq!(capabilities(&both), ["reads .env"]);
    assert_eq!(capabilities(&both.refined("1.12.6")), V1_12);
    assert_eq!(capabilities(&found.refined("1.12.6")), V1_12);
    let contradicted = ["selector:", "reads .env", "newer", "caches", "redraws"];
    assert_eq!(capabilities(&found.refined("2.0.9")), contradicted);
    assert_eq!(capabilities(&found.refined("nightly")), ["reads .env"]);
    let native = of(Program::Native, &[]);
    assert_eq!(native.refined("2.0.0-alpha.4"), of(Program::Native, &["dbt-2.0.0a4.dist-info"]));
}

#[test]
fn a_manifest_is_its_own_where_the_versions_are_known_and_equal() {
    let engine = of(Program::Native, &[]).refined("2.0.0a4");
    for (version, own) in [("2.0.0-alpha.4", true), ("2.0.0", false), ("nightly", false)] {
        assert_eq!(engine.wrote(version), own, "{version}");
    }
    assert!(!Engine::that_wrote("nightly").wrote("nightly"));
}

#[test]
fn an_engine_is_named_in_messages() {
    let named = |engine: &Engine| engine.to_string();
    assert_eq!(named(&Engine::that_wrote("1.11.16")), "dbt v1 1.11.16");
    assert_eq!(named(&Engine::that_wrote("2.0.9")), "dbt v2 2.0.9, untested");
    assert_eq!(named(&Engine::unknown()), "an unknown dbt of unknown version, untested");
    assert_eq!([minor("1.11.16"), minor("2.0.0-alpha.4"), minor("1")], ["1.11", "2.0", "1"]);
}
