//! What dbt is handed: its words, its environment, its streams; a fake dbt writes them down.

use crate::support::{Done, binary, copy_example, variable};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Writes its words and its environment down, each ended by NUL, and says who it is. If it succeeds,
/// it leaves the manifest of a project without nodes.
const FAKE: &str = "#!/bin/sh
printf '%s\\0' \"$@\" >> words
env -0 > environment
echo this is dbt
if [ \"${FAKE_EXIT:-0}\" = 0 ] && mkdir -p target; then
    cat > target/manifest.json <<END
{\"metadata\": {\"dbt_schema_version\": \"https://schemas.getdbt.com/dbt/manifest/v12.json\",
  \"dbt_version\": \"1.11.16\", \"invocation_id\": \"$$\", \"project_name\": \"shop\",
  \"adapter_type\": \"duckdb\"},
 \"nodes\": {}, \"sources\": {}, \"macros\": {}, \"docs\": {}, \"exposures\": {}, \"metrics\": {},
 \"groups\": {}, \"selectors\": {}, \"disabled\": {}, \"parent_map\": {}, \"child_map\": {},
 \"semantic_models\": {}, \"unit_tests\": {}}
END
fi
exit \"${FAKE_EXIT:-0}\"
";

struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        copy_example(&stage.path("shop"));
        fs::create_dir(stage.path("state")).expect("a fresh directory");
        fs::write(stage.path("dbt"), FAKE).expect("a script");
        fs::set_permissions(stage.path("dbt"), fs::Permissions::from_mode(0o755))
            .expect("its mode");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(words)
            .current_dir(self.path("shop"))
            .env_clear()
            .env("PATH", variable("PATH").unwrap_or_default())
            .env("DBT_ENTRYPOINT_DBT", self.path("dbt"))
            .env("DBT_ENTRYPOINT_ALLOW_EPHEMERAL", "yes")
            .env("DBT_STATE", self.path("state"));
        command
    }

    fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Done {
        let _ = fs::remove_file(self.path("shop/words"));
        Done::new(&self.command(words).output().expect("the program starts"), b"")
    }

    /// The words of all starts of the fake dbt.
    fn words(&self) -> Vec<OsString> {
        nul_ended(&fs::read(self.path("shop/words")).unwrap_or_default())
    }

    fn environment(&self) -> Vec<OsString> {
        nul_ended(&fs::read(self.path("shop/environment")).expect("dbt was started"))
    }
}

fn nul_ended(bytes: &[u8]) -> Vec<OsString> {
    let mut words: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    words.pop();
    words.into_iter().map(|word| OsString::from_vec(word.to_vec())).collect()
}

fn has_variable(environment: &[OsString], name: &str) -> bool {
    environment.iter().any(|pair| pair.as_bytes().starts_with(format!("{name}=").as_bytes()))
}

#[test]
fn a_command_that_does_not_build_is_handed_on_byte_for_byte() {
    let stage = Stage::new();
    let odd = [
        OsStr::new("run-operation"),
        OsStr::from_bytes(b"\xff\xfe"),
        OsStr::new(""),
        OsStr::new("a b"),
    ];
    stage.run(&odd).expect_code(0);
    assert_eq!(stage.words(), odd);
    stage.run(&["no-such-subcommand", "--state", "x"]).expect_code(0);
    assert_eq!(stage.words(), ["no-such-subcommand", "--state", "x"]);
    assert!(has_variable(&stage.environment(), "DBT_STATE"));
    assert!(fs::read_dir(stage.path("state")).expect("a directory").next().is_none());
}

#[test]
fn a_building_commands_words_survive_in_order_and_the_state_variable_does_not() {
    let stage = Stage::new();
    let words =
        ["--no-use-colors", "build", "--threads", "4", "--exclude", "", "--vars", "{a: 'b c'}"];
    stage.run(&words).expect_code(0);
    let handed = stage.words();
    let mut rest = handed.iter();
    assert!(words.iter().all(|word| rest.any(|handed| handed == word)), "{handed:?}");
    assert!(handed.contains(&"--write-json".into()), "{handed:?}");
    assert!(!handed.iter().any(|word| word.as_bytes().starts_with(b"--select")), "{handed:?}");
    assert!(!has_variable(&stage.environment(), "DBT_STATE"));
}

#[test]
fn without_state_nothing_is_added_and_the_volume_is_not_touched() {
    let stage = Stage::new();
    stage.run(&["--no-state", "run", "--select", "x"]).expect_code(0);
    assert_eq!(stage.words(), ["run", "--select", "x"]);
    assert!(has_variable(&stage.environment(), "DBT_STATE"));
    assert!(fs::read_dir(stage.path("state")).expect("a directory").next().is_none());
}

#[test]
fn dbts_exit_code_is_ours_and_its_standard_output_is_untouched() {
    for code in [0, 1, 2, 3, 130, 255] {
        let stage = Stage::new();
        for words in [&["build"][..], &["debug"], &["--no-state", "run"]] {
            let mut command = stage.command(words);
            let output = command.env("FAKE_EXIT", code.to_string()).output().expect("it starts");
            let done = Done::new(&output, b"");
            assert_eq!(
                (done.code, done.stdout.as_str()),
                (code, "this is dbt\n"),
                "{words:?} {done:#?}"
            );
        }
    }
}

#[test]
fn a_dbt_that_began_nothing_leaves_an_empty_volume_empty() {
    let stage = Stage::new();
    for _ in 0..2 {
        let output = stage.command(&["build"]).env("FAKE_EXIT", "1").output();
        let done = Done::new(&output.expect("the program starts"), b"");
        assert!(done.stderr.contains("first population"), "{done:#?}");
    }
    assert!(!stage.path("state/manifest.json").exists());
}

#[test]
fn a_dbt_that_is_missing_or_cannot_be_executed_has_the_codes_of_posix() {
    let stage = Stage::new();
    stage.run(&["--dbt", "no-such-dbt", "build"]).expect_code(127);
    fs::set_permissions(stage.path("dbt"), fs::Permissions::from_mode(0o644)).expect("its mode");
    stage.run(&["build"]).expect_code(126);
}

#[test]
fn a_closed_standard_output_or_error_is_survived() {
    let shell = |redirection: &str| {
        let stage = Stage::new();
        let line = format!("\"$0\" build {redirection}; echo $? > code");
        let mut command = stage.command::<&str>(&[]);
        let environment: Vec<(OsString, OsString)> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = Command::new("sh");
        command.args(["-c", &line]).arg(binary()).current_dir(stage.path("shop"));
        command.env_clear().envs(environment).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().expect("sh runs").success());
        fs::read_to_string(stage.path("shop/code")).expect("the code").trim().to_owned()
    };
    assert_eq!(shell("2>&-"), "0");
    assert_eq!(shell("2>/dev/full"), "0");
    assert_eq!(shell("<&- 2>&-"), "0");
}

#[test]
fn a_project_that_is_not_there_is_named_and_dbt_is_not_started() {
    let stage = Stage::new();
    let done = stage.run(&["build", "--project-dir", "/no/such/project"]);
    done.expect_code(78);
    assert!(done.stderr.contains("/no/such/project"), "{done:#?}");
    assert_eq!(stage.words(), Vec::<OsString>::new());
}

#[test]
fn a_state_directory_that_is_missing_is_refused_with_the_remedy() {
    let stage = Stage::new();
    let done = stage.run(&["--state-dir", "/no/such/volume", "build"]);
    done.expect_code(78);
    assert!(done.stderr.contains("--no-state"), "{done:#?}");
    assert_eq!(stage.words(), Vec::<OsString>::new());
}
