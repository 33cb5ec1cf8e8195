//! A project, a home and a dbt as files: what of them is an input, and what is not.

use super::*;
use crate::os::project::{Asked, locate_from};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

mod home;

use home::*;

#[test]
fn every_file_that_dbt_reads_is_an_input() {
    let stage = FakeHome::new();
    for (path, text) in FILES.iter().chain(&[("venv/bin/dbt", "")]) {
        let before = stage.look().unwrap();
        let text =
            if text.is_empty() { &fs::read_to_string(stage.at(path)).unwrap() } else { *text };
        stage.write(path, &format!("{text}\n"));
        assert!(!stage.changed(&before).is_empty(), "{path}");
        stage.write(path, text);
        assert_eq!(stage.look().unwrap(), before, "{path}");
    }
}

#[test]
fn a_large_seed_is_read_to_its_end() {
    let stage = FakeHome::new();
    let rows = "1,2\n".repeat(1 << 19);
    stage.write("project/seeds/large.csv", &format!("a,b\n{rows}1,2\n"));
    let before = stage.look().unwrap();
    stage.write("project/seeds/large.csv", &format!("a,b\n{rows}1,3\n"));
    assert_eq!(stage.changed(&before), ["files"]);
}

#[test]
fn files_that_come_go_or_change_their_names_are_changes() {
    let stage = FakeHome::new();
    let before = stage.look().unwrap();
    stage.write("project/models/new.sql", "");
    assert_eq!(stage.changed(&before), ["files"]);
    fs::rename(stage.at("project/models/new.sql"), stage.at("project/models/other.sql")).unwrap();
    assert_eq!(stage.changed(&before), ["files"]);
    fs::remove_file(stage.at("project/models/other.sql")).unwrap();
    assert_eq!(stage.look().unwrap(), before);
    fs::remove_file(stage.at("project/packages.yml")).unwrap();
    assert_eq!(stage.changed(&before), ["files"]);
}

#[test]
fn every_variable_that_a_file_names_is_an_input_whether_set_or_not() {
    let named = [
        "WITHOUT",
        "WITH",
        "FROM_PYTHON",
        "FROM_YAML",
        "FROM_MACRO",
        "FROM_PACKAGE",
        "FROM_ELSEWHERE",
        "FROM_ADAPTER",
        "SCHEMA",
        "DBT_TARGET",
        "DBT_ANYTHING",
        "PYTHONPATH",
        "TZ",
        "PGOPTIONS",
        "GOOGLE_CLOUD_PROJECT",
    ];
    for name in named {
        let stage = FakeHome::new();
        let unset = stage.look().unwrap();
        let stage = stage.with(name, "");
        let empty = stage.look().unwrap();
        assert_ne!(unset, empty, "{name}");
        let stage = stage.with(name, "other");
        assert_ne!(empty, stage.look().unwrap(), "{name}");
    }
    let stage = FakeHome::new();
    let before = stage.look().unwrap();
    let stage = stage.with("UNNAMED", "1").with("DBT_ENTRYPOINT_LOG", "json").with("PATH", "/bin");
    assert_eq!(stage.look().unwrap(), before);
}

#[test]
fn where_a_name_is_computed_every_variable_that_lasts_is_an_input() {
    let computed: [Spoil; 6] = [
        |stage| stage.write("project/macros/any.SQL", "{{ env_var(name) }}"),
        |stage| stage.write("project/macros/any.sql.j2", "{{ env_var(name) }}"),
        |stage| {
            stage.write("project/lib/helper.py", "import os\nx = os.environ.copy()");
            let model = "def model(dbt, session):\n    from lib import helper";
            stage.write("project/models/q.py", model);
        },
        |stage| stage.words.push("--vars={a: \"{{ env_var(b) }}\"}".into()),
        |stage| stage.write("project/macros/any.sql", "{{ env_var(name) }}"),
        |stage| stage.write("project/models/any.py", "import os\nos.environ.copy()"),
    ];
    for spoil in computed {
        let mut stage = FakeHome::new();
        spoil(&mut stage);
        let before = stage.look().unwrap();
        let stage = stage.with("HOSTNAME", "h").with("AIRFLOW_CTX_DAG_RUN_ID", "1");
        assert_eq!(stage.look().unwrap(), before);
        assert_eq!(stage.with("UNNAMED", "1").changed(&before), ["environment"]);
    }
    let stage = FakeHome::new();
    stage.write("project/macros/any.sql", "{{ env_var('MB_' ~ name) }}");
    let before = stage.look().unwrap();
    let stage = stage.with("UNNAMED", "1");
    assert_eq!(stage.look().unwrap(), before);
    assert_eq!(stage.with("MB_A", "1").changed(&before), ["environment"]);
}

#[test]
fn versions_of_what_is_installed_and_the_command_line_are_inputs() {
    for package in INSTALLED {
        let stage = FakeHome::new();
        let before = stage.look().unwrap();
        let name = stage.site().join(format!("{package}.dist-info"));
        fs::rename(&name, stage.site().join(format!("{package}1.dist-info"))).unwrap();
        assert_eq!(stage.changed(&before), ["dbt"], "{package}");
    }
    let mut stage = FakeHome::new();
    let before = stage.look().unwrap();
    stage.words.push("--vars={a: 1}".into());
    assert_eq!(stage.changed(&before), ["command"]);
}

#[test]
fn what_dbt_a_database_or_we_write_is_no_input() {
    let stage = FakeHome::new();
    let before = stage.look().unwrap();
    for path in [
        "project/target/manifest.json",
        "project/target/compiled/p/m.sql",
        "project/logs/dbt.log",
        "project/.git/index",
        "project/.user.yml",
        "project/p.duckdb",
        "project/p.duckdb.wal",
        "project/p.duckdb.tmp/block",
        "project/models/__pycache__/p.pyc",
        "state/.dbt-entrypoint/lock",
    ] {
        stage.write(path, "1");
        assert_eq!(stage.look().unwrap(), before, "{path}");
    }
}

/// Something that makes a look worthless.
type Spoil = fn(&mut FakeHome);

#[test]
fn what_cannot_be_established_is_an_error_that_names_it() {
    let doubts: [(&str, Spoil); 16] = [
        ("dbt_plugin", |stage| {
            let text = "from .a import *\nplugins = [A]\n";
            stage.write("venv/lib/python3.11/site-packages/dbt_plugin/__init__.py", text);
        }),
        ("dbt_deep", |stage| {
            stage.write(
                "venv/lib/python3.11/site-packages/dbt_deep/__init__.py",
                "from .a import *",
            );
            stage.write("venv/lib/python3.11/site-packages/dbt_deep/a.py", "plugins = [A]\n");
        }),
        ("dbt_file.py", |stage| {
            stage.write("venv/lib/python3.11/site-packages/dbt_file.py", "plugins = [A]\n");
        }),
        ("lies where dbt reads", |stage| set(stage, "log-path: .")),
        ("lies where dbt reads", |stage| set(stage, "target-path: ../project")),
        ("lies where dbt reads", |stage| {
            stage.write("project/target/gen/m.sql", "");
            set(stage, "seed-paths: [seeds, target/gen]");
        }),
        ("lies where dbt reads", |stage| {
            stage.write("project/target/pkgs/r/dbt_project.yml", "name: r\n");
            set(stage, "packages-install-path: target/pkgs");
        }),
        ("packages-install-path", |stage| {
            set(stage, "packages-install-path: \"{{ something(1) }}\"");
        }),
        ("a path in", |stage| set(stage, "seed-paths: [\"{{ something(1) }}\"]")),
        ("project/profiles.yml", |stage| {
            let target = "{type: duckdb, module_paths: [\"{{ something(1) }}\"]}";
            let text = format!("p: {{outputs: {{default: {target}}}}}");
            stage.write("project/profiles.yml", &text);
        }),
        ("broken", |stage| symlink("nowhere", stage.at("project/models/broken")).unwrap()),
        ("pipe", |stage| {
            nix::unistd::mkfifo(&stage.at("project/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("written", |stage| {
            fs::create_dir(stage.at("project/target")).unwrap();
            symlink("../target", stage.at("project/models/written")).unwrap();
        }),
        ("__editable__", |stage| {
            fs::write(stage.site().join("__editable__.dbt_x-1.pth"), "").unwrap();
        }),
        ("not a Python script", |stage| stage.write("venv/bin/dbt", "#!/bin/sh\nexec dbt\n")),
        ("packages", |stage| fs::remove_dir_all(stage.site()).unwrap()),
    ];
    for (named, spoil) in doubts {
        let mut stage = FakeHome::new();
        spoil(&mut stage);
        let error = format!("{:#}", stage.look().unwrap_err());
        assert!(error.contains(named), "{named}: {error}");
    }
}

/// More lines for `dbt_project.yml`.
fn set(stage: &FakeHome, line: &str) {
    stage.write("project/dbt_project.yml", &format!("{PROJECT}{line}\n"));
}

#[test]
fn what_dbt_does_not_read_is_not_searched_for_variables() {
    let stage = FakeHome::new();
    let module = "venv/lib/python3.11/site-packages/dbt_coverage/__init__.py";
    for (path, text) in [
        ("project/scripts/tool.py", "import os\nx = os.environ[name]"),
        ("project/tool.py", "import os\nx = os.environ[name]"),
        ("project/scripts/load.sql", "{{ env_var(name) }}"),
        ("project/.github/workflows/main.yml", "run: \"{{ env_var(name) }}\""),
        ("project/.circleci/config.yml", "run: \"{{ env_var(name) }}\""),
        ("project/docker-compose.yaml", "# {{ env_var(name) }}\nimage: dbt # env_var(x)"),
        ("project/models/more.yml", "models: [{name: m, description: calls env_var(name) twice}]"),
        (module, "import os\nx = os.environ[name]"),
    ] {
        let before = stage.look().unwrap();
        stage.write(path, text);
        assert_eq!(stage.changed(&before).len(), 1, "{path}");
    }
    // It counts with its content all the same.
    let before = stage.look().unwrap();
    stage.write(module, "");
    assert_eq!(stage.changed(&before), ["dbt"]);
}

#[test]
fn a_package_may_be_a_directory_that_contains_the_project() {
    let stage = FakeHome::new();
    stage.write("dbt_project.yml", "name: parent\n");
    stage.write("macros/m.sql", "{{ env_var('FROM_PARENT') }}");
    stage.write(".git/index", "");
    symlink("../..", stage.at("project/dbt_packages/parent")).unwrap();
    let before = stage.look().unwrap();
    stage.write("macros/m.sql", "{{ env_var('FROM_PARENT') }} ");
    assert_eq!(stage.changed(&before), ["files"]);
    let before = stage.look().unwrap();
    stage.write(".git/index", "1");
    assert_eq!(stage.look().unwrap(), before);
    let stage = stage.with("FROM_PARENT", "1");
    assert_eq!(stage.changed(&before), ["environment"]);
}

#[test]
fn modules_that_python_models_import_are_inputs_with_the_variables_that_they_read() {
    let stage = FakeHome::new();
    let target = "{type: duckdb, module_paths: [../modules]}";
    stage.write("project/profiles.yml", &format!("p: {{outputs: {{default: {target}}}}}"));
    stage.write("modules/helper.py", "import deeper");
    stage.write("modules/deeper.py", "from os import getenv\nx = getenv('FROM_MODULE')");
    stage.write("project/models/q.py", "import helper\ndef model(dbt, session): pass");
    let before = stage.look().unwrap();
    stage.write("modules/deeper.py", "from os import getenv\nx = getenv('FROM_MODULE') ");
    assert_eq!(stage.changed(&before), ["files"]);
    let before = stage.look().unwrap();
    let stage = stage.with("FROM_MODULE", "1");
    assert_eq!(stage.changed(&before), ["environment"]);
}

#[test]
fn a_kind_of_file_is_known_whatever_its_case_and_as_a_template() {
    for name in ["m.SQL", "m.sql.j2", "m.sql.jinja", "m.Sql.JINJA2", "m.YML", "m.yaml", "p.PY"] {
        let stage = FakeHome::new();
        let text = match name {
            "p.PY" => "import os\nx = os.environ['OF_KIND']",
            _ => "a: \"{{ env_var('OF_KIND') }}\"",
        };
        stage.write(&format!("project/models/{name}"), text);
        let before = stage.look().unwrap();
        let stage = stage.with("OF_KIND", "1");
        assert_eq!(stage.changed(&before), ["environment"], "{name}");
    }
}

#[test]
fn without_home_the_password_database_says_where_it_is() {
    let home_with = |value: Option<&str>| {
        let value = value.map(|value| ("HOME".into(), value.into()));
        home(&value.into_iter().collect())
    };
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
    assert_eq!(home_with(None), user.dir);
    assert_eq!([home_with(Some("/h")), home_with(Some(""))], ["/h", "/"].map(PathBuf::from));
}

#[test]
fn a_link_to_what_was_read_already_counts_with_its_goal() {
    let stage = FakeHome::new();
    for name in ["a", "b"] {
        stage.write(&format!("project/{name}/m.sql"), name);
    }
    let link = stage.at("project/models/link");
    symlink("../a", &link).unwrap();
    let before = stage.look().unwrap();
    fs::remove_file(&link).unwrap();
    symlink("../b", &link).unwrap();
    assert_eq!(stage.changed(&before), ["files"]);
}

#[test]
fn a_native_dbt_is_known_by_its_program() {
    let stage = FakeHome::new();
    stage.write("venv/bin/dbt", "\x7fELF one");
    let before = stage.look().unwrap();
    stage.write("venv/bin/dbt", "\x7fELF two");
    assert_eq!(stage.changed(&before), ["dbt"]);
}

#[test]
fn another_salt_gives_other_digests() {
    assert_ne!(words("a", &["run".into()]), words("b", &["run".into()]));
    assert_ne!(words("a", &["ab".into()]), words("a", &["a".into(), "b".into()]));
}
