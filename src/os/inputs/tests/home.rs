//! A project, a home and an installation of dbt, as files.

use super::*;

pub(super) const PROJECT: &str = "name: p\nprofile: p\nmodel-paths: [models, ../elsewhere]\n";
pub(super) const PROFILES: &str = "p:\n  outputs:\n    default: {type: duckdb, path: p.duckdb, schema: \"{{ env_var('SCHEMA', 'main') }}\"}\n";

/// A project, a home and an installation of dbt, as files.
pub(super) const FILES: [(&str, &str); 24] = [
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

pub(super) const INSTALLED: [&str; 3] = ["dbt_core-1.11.0", "dbt_duckdb-1.10.0", "jinja2-3.1.0"];

pub(super) struct FakeHome {
    pub(super) dir: TempDir,
    pub(super) environment: Environment,
    pub(super) words: Vec<OsString>,
}

impl FakeHome {
    pub(super) fn new() -> Self {
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

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(super) fn site(&self) -> PathBuf {
        self.at("venv/lib/python3.11/site-packages")
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn look(&self) -> Result<BTreeMap<String, String>> {
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
    pub(super) fn changed(&self, before: &BTreeMap<String, String>) -> Vec<String> {
        let now = self.look().unwrap();
        now.into_iter()
            .filter(|(kind, digest)| before[kind] != *digest)
            .map(|(kind, _)| kind)
            .collect()
    }
}
