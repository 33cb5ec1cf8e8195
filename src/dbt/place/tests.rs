//! Tests of what tells a place, and what does not.

use super::*;
use crate::dbt::profile::{Identity, ProfileOverrides, identity};
use crate::dbt::project::ProjectFile;
use crate::environment::Environment;

/// The identity of the only target of a profile whose keys these are.
fn target(keys: &str, environment: &[(&str, &str)]) -> Identity {
    let profiles = format!("p: {{outputs: {{default: {keys}}}}}");
    profile(&profiles, environment)
}

fn profile(profiles: &str, environment: &[(&str, &str)]) -> Identity {
    let environment: Environment =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let renderer = Renderer::new(&environment, &Map::new(), None);
    let project = ProjectFile { profile: Some("p".into()), ..ProjectFile::default() };
    let (none, here) = (ProfileOverrides::default(), Path::new("/here"));
    // As if `/link` led to `/here`.
    let resolve = |path: &Path| match path.strip_prefix("/link") {
        Ok(rest) => here.join(rest),
        Err(_) => path.components().collect(),
    };
    identity(Some(profiles), &project, none, &renderer, here, &resolve)
}

/// The key by which the second is another place; none where it is the same.
fn moved(before: &Identity, after: &Identity) -> Option<String> {
    let record = before.sealed("salt");
    let text = serde_json::to_string(&record).unwrap();
    after.differs_from(&serde_json::from_str(&text).unwrap()).expect("both are known")
}

fn moved_from(before: &str, after: &str) -> Option<String> {
    moved(&target(before, &[]), &target(after, &[]))
}

#[test]
fn every_key_that_tells_the_place_is_compared() {
    const DUCK: &str = "type: duckdb, path: a.db";
    for (key, before, after) in [
        ("attach", "attach: [{path: b.db, alias: b}]", "attach: [{path: c.db, alias: b}]"),
        ("attach", "", "attach: [{path: b.db}]"),
        ("attach", "attach: [{path: a}, {path: b}]", "attach: [{path: b}, {path: a}]"),
        ("external_root", "external_root: s3://a", "external_root: s3://b"),
        ("external_root", "", "external_root: out"),
        ("schema", "", "schema: other"),
        ("schema", "schema: other", ""),
        ("settings", "settings: {s3_endpoint: a}", "settings: {s3_endpoint: b}"),
        ("secrets", "secrets: [{type: s3, endpoint: a}]", "secrets: [{type: s3, endpoint: b}]"),
        ("filesystems", "filesystems: [{fs: a}]", "filesystems: [{fs: b}]"),
        ("of_a_later_version", "of_a_later_version: 1", "of_a_later_version: 2"),
    ] {
        let whole = |rest: &str| format!("{{{DUCK}, {rest}}}").replace(", }", "}");
        assert_eq!(moved_from(&whole(before), &whole(after)).as_deref(), Some(key), "{after}");
    }
}

#[test]
fn who_connects_and_how_is_no_place() {
    const PG: &str = "type: postgres, host: H, port: 5432, dbname: d, schema: s";
    for other in [
        "user: a, password: b, threads: 8",
        "connect_timeout: 3, retries: 9, keepalives_idle: 1, search_path: x, sslmode: require",
        "role: r, application_name: b, sslcert: c, sslkey: k, sslrootcert: r",
        "private_key_passphrase: p, oauth_client_secret: x, access_token: y",
        "deep: {password: x, refresh_token: y}",
    ] {
        assert_eq!(
            moved_from(&format!("{{{PG}}}"), &format!("{{{PG}, {other}}}")),
            None,
            "{other}"
        );
    }
    let (a, b) = ("{type: postgres, host: h, dbname: d}", "{database: d, host: H, type: postgres}");
    assert_eq!(moved_from(a, b), None);
    let duck = |rest: &str| format!("{{type: duckdb, path: a.db{rest}}}");
    for other in [
        ", threads: 8, schema: main, external_root: ., database: a",
        ", settings: {memory_limit: 4GB, s3_access_key_id: k}, extensions: [httpfs]",
        ", secrets: [{key_id: k, secret: s}], external_root: /link, attach: []",
        ", retries: {connect_attempts: 3}, module_paths: [x], keep_open: true",
    ] {
        assert_eq!(moved_from(&duck(""), &duck(other)), None, "{other}");
    }
}

#[test]
fn one_place_in_two_spellings_is_one_place() {
    let attach =
        |path: &str| format!("{{type: duckdb, path: {path}, attach: [{{path: '{path}'}}]}}");
    for (before, after) in [
        ("a.db", "/here/a.db"),
        ("./a.db", "/link/a.db"),
        ("md:x?motherduck_token=a", "md:x?motherduck_token=b"),
        ("'postgres://u:p@h/d'", "'postgres://v:q@h/d'"),
        ("dbname=d password=a host=h", "dbname=d password=b host=h"),
    ] {
        let (before, after) = (before.trim_matches('\''), after.trim_matches('\''));
        assert_eq!(moved_from(&attach(before), &attach(after)), None, "{before}");
    }
    let other = moved_from(&attach("dbname=d host=a"), &attach("dbname=d host=b"));
    assert!(other.is_some());
    let bool = |value: &str| format!("{{type: x, cluster_mode: {value}}}");
    assert_eq!(moved_from(&bool("true"), &bool("'True'")), None);
}

#[test]
fn what_cannot_be_rendered_is_compared_with_the_variables_that_it_reads() {
    let of = |text: &str, value| target(&format!("{{type: x, host: \"{text}\"}}"), &[("V", value)]);
    for text in [
        "{{ env_var('V') | sha1 }}",
        "{% set a = env_var('V') %}{{ a }}",
        "{{ env_var('DBT_ENV_SECRET_X', '') ~ env_var('V') }}",
        "{{ modules.os.environ[env_var('V' ~ '')] }}",
    ] {
        let keys = |a, b| moved(&of(text, a), &of(text, b));
        assert_eq!((keys("a", "a"), keys("a", "b")), (None, Some("host".into())), "{text}");
    }
    let other = "{{ env_var('V') | upper | sha1 }}";
    assert!(moved(&of("{{ env_var('V') | sha1 }}", "a"), &of(other, "a")).is_some());
}

#[test]
fn a_target_that_we_cannot_find_is_all_that_it_could_be() {
    for unclear in [
        "p: {target: \"{{ env_var('T') | sha1 }}\", outputs: {a: {type: x, host: HOST}}}",
        "p: {outputs: {default: {type: x, host: HOST}}}\np: &x [ {{ HOST }} ]\n  - b",
    ] {
        let of = |host| profile(&unclear.replace("HOST", host), &[]);
        assert_eq!(moved(&of("a"), &of("a")), None, "{unclear}");
        assert!(moved(&of("a"), &of("b")).is_some(), "{unclear}");
    }
    assert_eq!(profile("q: {}", &[]).differs_from(&target("{type: x}", &[])), None);
}

#[test]
fn a_place_on_the_volume_holds_no_value() {
    let keys = "{type: duckdb, path: 'hidden.db', attach: [{path: hidden}], host: hidden}";
    let sealed = target(keys, &[]).sealed("salt");
    let place = serde_json::to_string(&sealed.place).unwrap();
    assert!(!place.contains("hidden") && place.contains("attach"), "{place}");
    assert!(!format!("{:?}", target("{type: x, a: hidden}", &[])).contains("hidden"));
    assert_ne!(sealed.place, target(keys, &[]).sealed("other").place);
}

#[test]
fn a_database_in_memory_is_known() {
    for (keys, is_in_memory) in [
        ("{type: duckdb}", true),
        ("{type: duckdb, path: ':memory:'}", true),
        ("{type: duckdb, path: \"{{ env_var('V', ':memory:') }}\"}", true),
        ("{type: duckdb, path: ':memory:', attach: [{path: a.db, alias: a}]}", true),
        ("{type: duckdb, path: ':memory:', database: a, attach: [{path: a.db, alias: a}]}", false),
        ("{type: duckdb, path: 'md:'}", false),
        ("{type: duckdb, path: a.db}", false),
        ("{type: duckdb, remote: {host: h, port: 1}}", false),
        ("{type: sqlite, schemas_and_paths: {main: ':memory:'}}", true),
        ("{type: sqlite, schemas_and_paths: {main: a.db}}", false),
        ("{type: postgres, host: h}", false),
    ] {
        assert_eq!(target(keys, &[]).is_in_memory, is_in_memory, "{keys}");
    }
}
