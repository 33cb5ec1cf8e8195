//! A project, a home and a dbt as files: what of them is an input, and what is not.

use super::*;
use crate::os::project::{Asked, locate_from};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const PROJECT: &str = "name: p\nprofile: p\nmodel-paths: [models, ../elsewhere]\n";
const PROFILES: &str = "p:\n  outputs:\n    default: {type: duckdb, path: p.duckdb, schema: \"{{ env_var('SCHEMA', 'main') }}\"}\n";

/// A project, a home and an installation of dbt, as files.
const FILES: [(&str, &str); 24] = [
    ("project/dbt_project.yml", PROJECT),
    ("project/profiles.yml", PROFILES),
    ("project/packages.yml", "packages: []"),
    ("project/dependencies.yml", ""),
    ("project/package-lock.yml", ""),
    ("project/selectors.yml", ""),
    ("project/catalogs.yml", ""),
    ("project/vars.yml", ""),
    ("project/.dbtignore", ""),
    ("project/.env", "FROM_FILE=1\n"),
    ("project/models/m.sql", "select {{ env_var('WITHOUT') }}, {{ env_var('WITH', 1) }}"),
    ("project/models/p.py", "import os\nx = os.environ['FROM_PYTHON']"),
    ("project/models/schema.yml", "description: \"{{ env_var('FROM_YAML') }}\""),
    ("project/macros/m.sql", "{% macro m() %}{{ env_var('FROM_MACRO') }}{% endmacro %}"),
    ("project/seeds/s.csv", "a,b\n1,2\n"),
    ("project/snapshots/s.sql", ""),
    ("project/tests/t.sql", ""),
    ("project/dbt_packages/q/dbt_project.yml", "name: q\n"),
    ("project/dbt_packages/q/macros/m.sql", "{{ env_var('FROM_PACKAGE') }}"),
    ("elsewhere/e.sql", "{{ env_var('FROM_ELSEWHERE') }}"),
    ("home/.dbt/user_settings.yml", ""),
    ("venv/pyvenv.cfg", "include-system-site-packages = false\n"),
    (
        "venv/lib/python3.11/site-packages/dbt/include/duckdb/macros/m.sql",
        "{{ env_var('FROM_ADAPTER') }}",
    ),
    ("venv/lib/python3.11/site-packages/some.pth", "x"),
];

const INSTALLED: [&str; 3] = ["dbt_core-1.11.0", "dbt_duckdb-1.10.0", "jinja2-3.1.0"];

struct FakeHome {
    dir: TempDir,
    environment: Environment,
    words: Vec<OsString>,
}

impl FakeHome {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stage = Self { dir, environment: Environment::new(), words: vec!["parse".into()] };
        FILES.iter().for_each(|(path, text)| stage.write(path, text));
        for package in INSTALLED {
            fs::create_dir(stage.site().join(format!("{package}.dist-info"))).unwrap();
        }
        stage.write("venv/bin/python", "");
        let python = stage.at("venv/bin/python");
        stage.write("venv/bin/dbt", &format!("#!{}\nimport dbt\n", python.display()));
        fs::set_permissions(python, fs::Permissions::from_mode(0o755)).unwrap();
        stage.write("state/manifest.json", "{}");
        let home = stage.at("home").display().to_string();
        stage.with("HOME", &home)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn site(&self) -> PathBuf {
        self.at("venv/lib/python3.11/site-packages")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn look(&self) -> Result<BTreeMap<String, String>> {
        let here = self.at("project");
        let project = locate_from(&here, &Asked::default(), &self.environment)?;
        let places = Places {
            here: &here,
            project: &project,
            written: [&project.target_path, &project.log_path],
            state: &self.at("state"),
            installation: &Installation::look(self.at("venv/bin/dbt"), &self.environment),
            environment: &self.environment,
            words: &self.words,
            salt: "salt",
            is_first_look: true,
        };
        let look = |places: &Places<'_>| look(places).map(|contents| contents.digests(places));
        let (first, second) = (look(&places), look(&Places { is_first_look: false, ..places }));
        assert_eq!(first.as_ref().ok(), second.as_ref().ok(), "what was read before counts alike");
        first
    }

    /// The kinds that are no longer as `before` had them.
    fn changed(&self, before: &BTreeMap<String, String>) -> Vec<String> {
        let now = self.look().unwrap();
        now.into_iter()
            .filter(|(kind, digest)| before[kind] != *digest)
            .map(|(kind, _)| kind)
            .collect()
    }
}

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
