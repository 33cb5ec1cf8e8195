//! Installations as the tools of Python make them, in directories made for the purpose.

use super::*;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const SCRIPT: &str = "import sys\nfrom dbt.cli.main import cli\nsys.exit(cli())\n";
const ISOLATED: &str = "include-system-site-packages = false\n";

struct FakeHome {
    dir: TempDir,
    environment: Environment,
}

impl FakeHome {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Nothing of the machine is found: neither programs nor packages of a user.
        let environment = [("PATH", "bin"), ("HOME", "home")]
            .map(|(name, place)| (OsString::from(name), dir.path().join(place).into_os_string()));
        Self { dir, environment: environment.into() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &[u8]) -> &Self {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn link(&self, to: &str, from: &str) -> &Self {
        fs::create_dir_all(self.at(from).parent().unwrap()).unwrap();
        symlink(self.at(to), self.at(from)).unwrap();
        self
    }

    /// A script for a Python, by the first line that most tools write.
    fn script(&self, path: &str, python: &str) -> &Self {
        let text = format!("#!{}\n{SCRIPT}", self.at(python).display());
        self.write(path, text.as_bytes())
    }

    /// `bin/python` and `bin/dbt` of a virtual environment, with these distributions.
    fn venv(&self, root: &str, distributions: &[&str]) -> &Self {
        let python = format!("{root}/bin/python");
        self.write(&format!("{root}/pyvenv.cfg"), ISOLATED.as_bytes()).write(&python, b"");
        self.script(&format!("{root}/bin/dbt"), &python);
        self.packages(&format!("{root}/lib/python3.11/site-packages"), distributions)
    }

    fn packages(&self, site: &str, distributions: &[&str]) -> &Self {
        for name in distributions.iter().chain(&["jinja2-3.1.0.dist-info", "dbt"]) {
            fs::create_dir_all(self.at(site).join(name)).unwrap();
        }
        self
    }

    fn engine(&self, program: &str) -> String {
        Installation::look(self.at(program), &self.environment).engine().to_string()
    }
}

const UNKNOWN: &str = "an unknown dbt of unknown version, untested";

#[test]
fn a_virtual_environment_tells_the_version_of_its_dbt() {
    for (distribution, engine) in [
        ("dbt_core-1.9.11.dist-info", "dbt v1 1.9.11"),
        ("dbt_core-1.12.0rc1.dist-info", "dbt v1 1.12.0rc1"),
        ("dbt_core-1.13.0b1.dist-info", "dbt v1 1.13.0b1"),
        ("dbt_core-2.0.0a4.dist-info", "dbt v2 2.0.0a4"),
        ("dbt-2.0.9.dist-info", "dbt v2 2.0.9, untested"),
        ("dbt_adapters-1.24.5.dist-info", UNKNOWN),
    ] {
        let stage = FakeHome::new();
        assert_eq!(stage.venv("venv", &[distribution]).engine("venv/bin/dbt"), engine);
    }
}

#[test]
fn the_first_lines_of_every_tool_lead_to_their_python() {
    let stage = FakeHome::new();
    stage.venv("venv", &["dbt_core-1.11.16.dist-info"]);
    let python = stage.at("venv/bin/python").display().to_string();
    stage.link("venv/bin/python", "bin/python3.11");
    stage.write("bin/pyvenv.cfg", b"");
    for first in [
        format!("#!{python}"),
        format!("#! {python} -I"),
        format!("#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''"),
        format!("#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''"),
        "#!/usr/bin/env python3.11".to_owned(),
    ] {
        stage.write("venv/bin/dbt", format!("{first}\n{SCRIPT}").as_bytes());
        assert_eq!(stage.engine("venv/bin/dbt"), "dbt v1 1.11.16", "{first}");
    }
}

#[test]
fn pipx_and_uv_link_to_a_script_in_an_environment_of_its_own() {
    for root in ["home/.local/share/pipx/venvs/dbt-core", "home/.local/share/uv/tools/dbt-core"] {
        let stage = FakeHome::new();
        stage.venv(root, &["dbt_core-1.10.23.dist-info"]);
        stage.link(&format!("{root}/bin/dbt"), "home/.local/bin/dbt");
        assert_eq!(stage.engine("home/.local/bin/dbt"), "dbt v1 1.10.23", "{root}");
    }
}

#[test]
fn a_python_that_is_not_isolated_has_the_packages_of_its_prefix_and_of_the_user() {
    for site in [
        "usr/lib/python3/dist-packages",
        "usr/local/lib/python3.11/dist-packages",
        "usr/lib64/python3.12/site-packages",
        "home/.local/lib/python3.11/site-packages",
        "elsewhere",
    ] {
        let mut stage = FakeHome::new();
        stage.write("usr/bin/python3.11", b"").link("usr/bin/python3.11", "usr/bin/python3");
        stage.script("usr/bin/dbt", "usr/bin/python3");
        let named = stage.at("elsewhere").into_os_string();
        stage.environment.insert("PYTHONPATH".into(), named);
        stage.packages(site, &["dbt_core-1.9.0.egg-info"]);
        assert_eq!(stage.engine("usr/bin/dbt"), "dbt v1 1.9.0", "{site}");
    }
}

#[test]
fn an_environment_that_sees_the_packages_below_it_has_dbt_from_there() {
    let stage = FakeHome::new();
    stage
        .venv("venv", &[])
        .packages("usr/lib/python3/dist-packages", &["dbt_core-1.8.10.dist-info"]);
    stage.write("usr/bin/python3", b"");
    fs::remove_file(stage.at("venv/bin/python")).unwrap();
    stage.link("usr/bin/python3", "venv/bin/python");
    assert_eq!(stage.engine("venv/bin/dbt"), UNKNOWN);
    stage.write("venv/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = true\n");
    assert_eq!(stage.engine("venv/bin/dbt"), "dbt v1 1.8.10");
}

#[test]
fn a_directory_of_two_names_is_listed_once() {
    let stage = FakeHome::new();
    stage.venv("venv", &["dbt_core-1.11.16.dist-info"]).link("venv/lib", "venv/lib64");
    let found = Installation::look(stage.at("venv/bin/dbt"), &stage.environment);
    let Form::Python(python) = &found.form else { panic!("{found:?}") };
    assert_eq!(python.sites.len(), 1, "{found:?}");
    assert_eq!(
        python.sites[0].names,
        ["dbt", "dbt_core-1.11.16.dist-info", "jinja2-3.1.0.dist-info"]
    );
}

#[test]
fn what_contradicts_itself_or_may_have_changed_has_no_version() {
    let two = ["dbt_core-1.9.11.dist-info", "dbt_core-1.11.16.dist-info"];
    let stage = FakeHome::new();
    let engine = stage.venv("venv", &two).engine("venv/bin/dbt");
    assert_eq!(engine, "dbt v1 of unknown version, untested");

    let stage = FakeHome::new();
    stage.venv("venv", &["dbt_core-1.9.11.dist-info"]);
    stage.packages("venv/lib/python3.12/site-packages", &["dbt-2.0.9.dist-info"]);
    assert_eq!(stage.engine("venv/bin/dbt"), UNKNOWN);

    let stage = FakeHome::new();
    stage.venv("venv", &two[..1]);
    let origin = "venv/lib/python3.11/site-packages/dbt_core-1.9.11.dist-info/direct_url.json";
    stage.write(origin, br#"{"url": "file:///wheel.whl", "archive_info": {}}"#);
    assert_eq!(stage.engine("venv/bin/dbt"), "dbt v1 1.9.11");
    stage.write(origin, br#"{"url": "file:///src", "dir_info": {"editable": true}}"#);
    assert_eq!(stage.engine("venv/bin/dbt"), UNKNOWN);
}

#[test]
fn whatever_is_no_python_script_is_not_known() {
    let stage = FakeHome::new();
    stage.venv("venv", &["dbt_core-1.11.16.dist-info"]);
    let python = stage.at("venv/bin/python").display().to_string();
    let long = format!("#!{python}\n{}", "#\n".repeat(1 << 15));
    let unknown: [(&str, Vec<u8>); 6] = [
        ("a shell script", b"#!/bin/sh\nexec /opt/venv/bin/dbt \"$@\"\n".to_vec()),
        ("a zipapp", [format!("#!{python}\n").as_bytes(), b"PK\x03\x04\n"].concat()),
        ("no first line", SCRIPT.as_bytes().to_vec()),
        ("a Python that is gone", b"#!/nowhere/python\n".to_vec()),
        ("a long file", long.into_bytes()),
        ("nothing", Vec::new()),
    ];
    for (what, text) in unknown {
        stage.write("venv/bin/dbt", &text);
        assert_eq!(stage.engine("venv/bin/dbt"), UNKNOWN, "{what}");
    }
    assert_eq!(stage.engine("no/such/dbt"), UNKNOWN);
    assert_eq!(Installation::none().engine(), &Engine::unknown());
}

#[test]
fn a_native_program_has_the_version_of_the_distribution_that_installed_it() {
    let stage = FakeHome::new();
    stage.venv("venv", &["dbt_core-2.0.0a4.dist-info"]).write("venv/bin/dbt", b"\x7fELF and more");
    let engine = |stage: &FakeHome| stage.engine("venv/bin/dbt");
    assert_eq!(engine(&stage), "dbt v2 of unknown version, untested");
    let mut record = String::from("dbt_core-2.0.0a4.dist-info/RECORD,,\n");
    writeln!(record, "../../../bin/dbt,sha256=qv_E,13").unwrap();
    let path = "venv/lib/python3.11/site-packages/dbt_core-2.0.0a4.dist-info/RECORD";
    stage.write(path, record.as_bytes());
    assert_eq!(engine(&stage), "dbt v2 2.0.0a4");
    stage.link("venv/bin/dbt", "bin/dbt");
    assert_eq!(stage.engine("bin/dbt"), "dbt v2 2.0.0a4");
    stage.write("venv/bin/dbt", b"\x7fELF of another size");
    assert_eq!(engine(&stage), "dbt v2 of unknown version, untested");
}
