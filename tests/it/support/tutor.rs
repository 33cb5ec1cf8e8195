//! Tutor with Aspects and our plugin (contrib/tutor), installed and used as an operator does.

use super::clickhouse::installed;
use super::shop::{Done, copy_tree};
use super::{root, variable};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Stands where Docker's client would: writes down each command, and that no project runs.
const DOCKER: &str = "#!/bin/sh\n\
    case \" $* \" in *' ls --format json '*) echo '[]'; exit ;; esac\n\
    printf '%s\\0' \"$@\" >> \"$TUTOR_ROOT/docker\"\n";

/// A root of Tutor's, rendered.
pub(crate) struct Tutor {
    program: PathBuf,
    dir: TempDir,
}

impl Tutor {
    /// With both plugins installed, and this `config.yml`, which says what is enabled; `None`
    /// (a loud skip) without Tutor.
    pub(crate) fn new(config: &str) -> Option<Self> {
        let program = installed("tutor/bin/tutor")?;
        let tutor = Self { program, dir: tempfile::tempdir().expect("a temporary directory") };
        // Building a package writes beside its source.
        copy_tree(&root().join("contrib/tutor"), &tutor.path("source"));
        for fresh in ["bin", "plugins", "root"] {
            fs::create_dir(tutor.path(fresh)).expect("a fresh directory");
        }
        fs::write(tutor.path("bin/docker"), DOCKER).expect("a file");
        fs::set_permissions(tutor.path("bin/docker"), fs::Permissions::from_mode(0o755))
            .expect("an executable");
        let pip = "-m pip install --quiet --disable-pip-version-check --no-deps --no-index \
                   --no-build-isolation --target site ./source";
        tutor.python(&pip.split_whitespace().collect::<Vec<_>>()).expect_code(0);
        fs::write(tutor.path("root/config.yml"), config).expect("a file");
        tutor.run(&["config", "save"]).expect_code(0);
        Some(tutor)
    }

    /// A path below the fixture's directory; Tutor's root is `root`.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// `tutor` with these arguments.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.start(&self.program, args)
    }

    /// A file that Tutor rendered.
    pub(crate) fn rendered(&self, file: &str) -> String {
        let path = self.path("root/env").join(file);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The documents of a YAML file that Tutor rendered.
    pub(crate) fn documents(&self, file: &str) -> Vec<Value> {
        let convert = "import json, sys, yaml\n\
                       print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
        let path = self.path("root/env").join(file);
        let done = self.python(&["-c", convert, path.to_str().expect("UTF-8")]);
        serde_json::from_str(&done.expect_code(0).stdout).expect("JSON")
    }

    /// What `tutor local …` has Docker run in the jobs of Aspects, one shell command each.
    pub(crate) fn tasks(&self, args: &[&str]) -> Vec<String> {
        let said = self.path("root/docker");
        let _ = fs::remove_file(&said);
        self.run(&[&["local"], args].concat()).expect_code(0);
        let said = fs::read_to_string(said).expect("Docker was called");
        let words = said.split('\0').collect::<Vec<_>>();
        let start = ["aspects-job", "sh", "-e", "-c"];
        let found = words.windows(5).filter(|words| words.starts_with(&start));
        found.map(|words| words[4].to_owned()).collect()
    }

    fn python(&self, args: &[&str]) -> Done {
        self.start(&self.program.with_file_name("python"), args)
    }

    fn start(&self, program: &Path, args: &[&str]) -> Done {
        let mut path = OsString::from(self.path("bin"));
        path.push(":");
        path.push(variable("PATH").unwrap_or_default());
        let output = Command::new(program)
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.dir.path())
            .env("PYTHONPATH", self.path("site"))
            .env("TUTOR_ROOT", self.path("root"))
            .env("TUTOR_PLUGINS_ROOT", self.path("plugins"))
            .output()
            .expect("Python starts");
        Done::new(&output, b"")
    }
}
