//! Where dbt looks, in directories made for the purpose.

use super::*;
use serde_json::json;
use tempfile::TempDir;

/// A directory with these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

const DUCK: &str = "p: {target: dev, outputs: {dev: {type: duckdb, path: x.db, schema: s}}}";

#[test]
fn the_project_is_found_upward_and_its_paths_are_its_own() {
    let tree = tree(&[("a/dbt_project.yml", "name: n\nprofile: p\n"), ("a/b/c/x", "")]);
    let root = tree.path().join("a");
    let found =
        locate_from(&root.join("b/c"), &Asked::default(), &environment(&[("HOME", "/h")])).unwrap();
    assert_eq!(
        (found.root, found.target_path, found.log_path, found.profiles_dir),
        (root.clone(), root.join("target"), root.join("logs"), PathBuf::from("/h/.dbt"))
    );
}

#[test]
fn what_was_asked_for_wins_and_is_relative_to_where_dbt_takes_it_from() {
    let tree = tree(&[
        ("a/dbt_project.yml", "name: n\nprofile: p\ntarget-path: t\nlog-path: l\n"),
        ("e/profiles.yml", DUCK),
    ]);
    let here = tree.path();
    let asked = Asked {
        project_dir: Some(OsStr::new("a")),
        profiles_dir: Some(OsStr::new("e")),
        target_path: Some(OsStr::new("x")),
        log_path: Some(OsStr::new("y")),
        ..Asked::default()
    };
    let found = locate_from(here, &asked, &environment(&[])).unwrap();
    assert_eq!(
        (found.target_path, found.log_path, found.identity.location["path"].as_str()),
        (here.join("a/x"), here.join("y"), here.join("x.db").to_str().unwrap())
    );
    let asked = Asked { target_path: None, log_path: None, ..asked };
    let found = locate_from(here, &asked, &environment(&[])).unwrap();
    assert_eq!((found.target_path, found.log_path), (here.join("a/t"), here.join("a/l")));
}

#[test]
fn the_target_path_may_depend_on_the_target_and_the_environment() {
    let tree = tree(&[
        (
            "dbt_project.yml",
            "name: n\nprofile: p\ntarget-path: \"{{ env_var('T', 't') }}/{{ target.name }}\"\n",
        ),
        ("profiles.yml", DUCK),
    ]);
    let here = tree.path();
    let found = locate_from(here, &Asked::default(), &environment(&[])).unwrap();
    assert_eq!(found.target_path, here.join("t/dev"));
    fs::remove_file(here.join("profiles.yml")).unwrap();
    let error = locate_from(here, &Asked::default(), &environment(&[])).unwrap_err();
    assert!(error.to_string().contains("--target-path"), "{error}");
}

#[test]
fn a_missing_project_is_told_from_a_malformed_one() {
    let tree = tree(&[("bad/dbt_project.yml", "name: [")]);
    let at = |directory: &str| {
        let directory = tree.path().join(directory);
        let asked = Asked { project_dir: Some(directory.as_os_str()), ..Asked::default() };
        locate_from(tree.path(), &asked, &environment(&[])).unwrap_err()
    };
    assert!(matches!(at("none"), Trouble::Missing(_)));
    assert!(matches!(at("bad"), Trouble::Malformed(_)));
    assert!(at("none").to_string().contains("--project-dir"));
}

#[test]
fn vars_come_from_the_project_its_packages_and_since_1_12_from_vars_yml() {
    let tree = tree(&[
        ("dbt_project.yml", "name: n\n"),
        ("vars.yml", "vars: {a: 1}"),
        ("dbt_packages/some/dbt_project.yml", "name: pkg\nvars: {b: 2}"),
        ("dbt_packages/broken/dbt_project.yml", "name: ["),
    ]);
    let vars = OsStr::new("{c: 3}");
    let asked = Asked { vars: Some(vars), ..Asked::default() };
    let found = locate_from(tree.path(), &asked, &environment(&[])).unwrap();
    let all = |version| {
        let vars = found.vars(&Engine::that_wrote(version)).unwrap();
        ["a", "b", "c"].map(|name| vars.value("pkg", name).unwrap_or_default())
    };
    assert_eq!(all("1.11.16"), ["", "2", "3"]);
    assert_eq!(all("1.12.6"), ["1", "2", "3"]);
    assert_eq!(found.directory_of("pkg"), Some(tree.path().join("dbt_packages/some").as_path()));
    assert_eq!(found.directory_of("n"), Some(tree.path()));
}

#[test]
fn vars_that_are_no_mapping_are_an_error() {
    let tree = tree(&[("dbt_project.yml", "name: n\n")]);
    let asked = Asked { vars: Some(OsStr::new("a")), ..Asked::default() };
    let error = locate_from(tree.path(), &asked, &environment(&[])).unwrap_err();
    assert!(error.to_string().contains("--vars"), "{error}");
}

#[test]
fn the_default_selector_is_known_without_dbt() {
    let tree = tree(&[
        ("dbt_project.yml", "name: n\nprofile: p\n"),
        ("profiles.yml", DUCK),
        (
            "selectors.yml",
            "selectors:\n- name: s\n  default: \"{{ target.name == 'dev' | as_bool }}\"\n  definition: x\n",
        ),
    ]);
    let default_selector = || {
        let found = locate_from(tree.path(), &Asked::default(), &environment(&[])).unwrap();
        found.default_selector().unwrap()
    };
    assert_eq!(default_selector().as_deref(), Some("s"));
    fs::write(tree.path().join("selectors.yml"), "selectors: []").unwrap();
    assert_eq!(default_selector(), None);
    fs::remove_file(tree.path().join("selectors.yml")).unwrap();
    assert_eq!(default_selector(), None);
}

#[test]
fn the_nearest_dotenv_upward_is_the_one() {
    let tree = tree(&[(".env", "A=1"), ("a/b/x", "")]);
    let found = find_dotenv(&tree.path().join("a/b")).unwrap();
    assert_eq!(found, Some((tree.path().join(".env"), "A=1".to_owned())));
}

#[test]
fn dbt_2_is_to_parse_where_the_project_the_profiles_or_the_user_says_so() {
    let tree = tree(&[
        ("dbt_project.yml", "flags: {use_v2_parser: false}"),
        ("profiles.yml", "config: {use_v2_parser: true}"),
        (".dbt/user_settings.yml", "flags: {use_v2_parser: true}"),
    ]);
    let home = tree.path().to_str().unwrap();
    let environment = environment(&[("HOME", home)]);
    let says = || {
        let found = locate_from(tree.path(), &Asked::default(), &environment).unwrap();
        (
            found.flag("use_v2_parser"),
            user_settings(&environment).and_then(|user| user.flag("use_v2_parser")),
        )
    };
    assert_eq!(says(), (Some(false), Some(true)));
    fs::write(tree.path().join("dbt_project.yml"), "name: n").unwrap();
    assert_eq!(says(), (Some(true), Some(true)));
    for name in ["profiles.yml", ".dbt/user_settings.yml"] {
        fs::write(tree.path().join(name), "flags: [").unwrap();
    }
    assert_eq!(says(), (None, None));
}

#[test]
fn the_digest_of_a_seed_is_sha256_of_its_bytes() {
    let tree = tree(&[("s.csv", "abc")]);
    assert_eq!(
        seed_digest(&tree.path().join("s.csv")).unwrap(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(seed_digest(&tree.path().join("none.csv")).is_err());
}

#[test]
fn values_of_vars_reach_the_profile() {
    let tree = tree(&[
        ("dbt_project.yml", "name: n\nprofile: p\n"),
        ("profiles.yml", "p: {outputs: {default: {type: duckdb, schema: \"{{ var('s') }}\"}}}"),
    ]);
    let asked = Asked { vars: Some(OsStr::new("{\"s\": \"x\"}")), ..Asked::default() };
    let found = locate_from(tree.path(), &asked, &environment(&[])).unwrap();
    assert_eq!(json!(found.identity.location), json!({"path": ":memory:", "schema": "x"}));
}
