//! The scripts that Tutor rendered, run as in the job, with dbt-clickhouse on a real engine.

use super::{DOCKERFILE, SCRIPTS, compose_job};
use crate::support::clickhouse::{Aspects, installed};
use crate::support::tutor::Tutor;
use crate::support::{Done, binary, variable};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use tempfile::TempDir;

const ALL: [&str; 5] =
    ["course_activity", "course_names", "enrollments", "learners", "video_plays"];

/// As alembic makes it for Aspects (0038_aspects_data.py).
const TABLE: [&str; 2] = [
    "create database event_sink",
    "create table event_sink.aspects_data (path String not null, content String not null) \
     engine = ReplacingMergeTree primary key (path)",
];
const STORED: &str = "select content from event_sink.aspects_data final \
    where path = 'manifest.json' format RawBLOB";

/// The job of Aspects without its container: what is under `/app` there is elsewhere here.
struct Job {
    aspects: Aspects,
    tutor: Tutor,
    /// Where the script that was in use before kept its state.
    former: TempDir,
}

impl Job {
    fn new() -> Option<Self> {
        let mut aspects = Aspects::new()?;
        let former = tempfile::tempdir().expect("a temporary directory");
        let tutor = Tutor::new(&format!(
            "PLUGINS: [aspects, dbt-entrypoint]\n\
             CLICKHOUSE_HOST: 127.0.0.1\n\
             CLICKHOUSE_INTERNAL_INSECURE_HTTP_PORT: {}\n\
             DBT_STATE_DIR: {}\n",
            aspects.port(),
            former.path().display()
        ))?;
        symlink(binary(), tutor.path("bin/dbt-entrypoint")).expect("a link");
        let python = installed("dbt-clickhouse/bin/python3")?;
        let mut path = OsString::from(tutor.path("bin"));
        for part in [python.parent().expect("a directory").into(), variable("PATH")?] {
            path.push(":");
            path.push(part);
        }
        aspects.env("PATH", path);
        for statement in TABLE {
            aspects.query(statement);
        }
        let mut job = Self { aspects, tutor, former };
        job.change("dbt.sh", |text| job.elsewhere(text));
        job.environment();
        Some(job)
    }

    /// What the job and its image set for us; the example knows nothing of the rest.
    fn environment(&mut self) {
        let job = compose_job(&self.tutor);
        for (name, value) in job["environment"].as_object().expect("variables") {
            let ours = name.starts_with("DBT_ENTRYPOINT_");
            if ours || name == "DBT_BRANCH" || name == "DBT_REPOSITORY" {
                let value = self.elsewhere(value.as_str().expect("a string"));
                self.aspects.env(name, value);
            }
        }
        let image = self.tutor.rendered(DOCKERFILE);
        let project = image.split("ENV ASPECTS_DBT=\"").nth(1).expect("the image's project");
        self.aspects.env("ASPECTS_DBT", project.trim_end_matches(['"', '\n']));
    }

    fn elsewhere(&self, text: &str) -> String {
        let scripts = self.tutor.path("root/env").join(SCRIPTS);
        text.replace("/app/aspects/scripts", &scripts.display().to_string())
            .replace("/app/aspects-dbt", &self.aspects.project().display().to_string())
    }

    fn change(&self, script: &str, change: impl FnOnce(&str) -> String) {
        let path = self.tutor.path("root/env").join(SCRIPTS).join(script);
        let before = fs::read_to_string(&path).expect("a script");
        let after = change(&before);
        assert_ne!(before, after, "the change of {script} changes nothing");
        fs::write(path, after).expect("a file");
    }

    /// `tutor local do dbt` with these arguments, and what it has the container run.
    fn dbt(&self, args: &[&str]) -> Done {
        let [task] = &self.tutor.tasks(&[&["do", "dbt"], args].concat())[..] else {
            panic!("one task was expected")
        };
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &self.elsewhere(task)]);
        self.aspects.finish(command)
    }

    /// A Python script of the job's.
    fn python(&self, script: &str, args: &[&str]) -> Done {
        let mut command = Command::new("python3");
        command.arg(self.tutor.path("root/env").join(SCRIPTS).join(script)).args(args);
        self.aspects.finish(command)
    }

    fn baseline(&self) -> String {
        let text = fs::read_to_string(self.aspects.state().join("manifest.json"));
        text.expect("a baseline").trim_end().to_owned()
    }

    fn clickhouse_answers_the_scripts_no_more(&self) {
        let port = format!("port={}", self.aspects.port());
        self.change("stored_manifest.py", |text| text.replace(&port, "port=1"));
    }
}

#[test]
fn the_manifest_of_the_script_is_taken_over_once_and_each_new_baseline_is_given_back() {
    let Some(job) = Job::new() else { return };
    let aspects = &job.aspects;
    aspects.run(&["--no-state", "run"]).expect_built(&ALL);
    // As the script has it stored: by its own helper, for each run another row.
    let manifest = job.former.path().join("manifest.json");
    for text in [
        "{}".to_owned(),
        fs::read_to_string(aspects.project().join("target/manifest.json")).unwrap(),
    ] {
        fs::write(&manifest, text).expect("a file");
        job.python("insert_data.py", &["sink"]).expect_code(0);
    }
    aspects.replace("models/base/video_plays.sql", "1 as plays", "2 as plays");

    let plan = job.dbt(&["-c", "plan run"]);
    assert!(plan.expect_code(10).stdout.contains("adopted 5 nodes"), "{plan:#?}");
    assert!(plan.stdout.contains("2 of 5 nodes would be built"), "{plan:#?}");
    let first = job.dbt(&[]);
    first.expect_built(&["course_activity", "video_plays"]);
    assert!(!first.stdout.contains("adopted"), "{first:#?}");
    let second = job.dbt(&[]);
    second.expect_built(&[]);
    assert_eq!(second.stdout, "", "dbt was started: {second:#?}");

    // Who read what the script stored, reads what we store: its own loader, Superset's lineage.
    assert!(aspects.query(STORED) == job.baseline());
    job.python("insert_data.py", &["load"]).expect_code(0);
    assert!(fs::read_to_string(&manifest).unwrap().trim_end() == job.baseline());
    let lineage =
        job.tutor.rendered("plugins/aspects/apps/superset/pythonpath/collect_dbt_lineage.py");
    let read = lineage.split("client.query(\"").nth(1).and_then(|rest| rest.split("\")").next());
    let read = aspects.query(&format!("{} FORMAT RawBLOB", read.expect("a statement")));
    assert!(read == job.baseline());

    // A lost volume is an empty one.
    fs::remove_dir_all(aspects.state()).expect("a directory");
    fs::create_dir(aspects.state()).expect("a directory");
    let healed = job.dbt(&[]);
    healed.expect_built(&[]);
    assert!(healed.stdout.contains("adopted 5 nodes"), "{healed:#?}");
}

#[test]
fn while_clickhouse_does_not_tell_what_it_holds_nothing_is_built_and_no_baseline_is_lost() {
    let Some(job) = Job::new() else { return };
    let aspects = &job.aspects;
    job.clickhouse_answers_the_scripts_no_more();
    let mark = aspects.mark();
    for args in [&[][..], &["-c", "build"], &["-c", "plan run"], &["--only_changed", "False"]] {
        let refused = job.dbt(args);
        refused.expect_code(78);
        for said in ["stored_manifest.py fetch: ", "nothing was run", "-c '--full run'"] {
            assert!(refused.stderr.contains(said), "{refused:#?}");
        }
    }
    assert_eq!(aspects.mark(), mark, "{:?}", aspects.changes_since(mark));

    // The remedy, though the manifest cannot be stored: the baseline is kept, and stored later.
    let full = job.dbt(&["-c", "--full run"]);
    full.expect_built(&ALL);
    assert!(full.stderr.contains("the next run publishes again"), "{full:#?}");
    assert_eq!(aspects.query(STORED), "");
    let port = format!("port={}", aspects.port());
    job.change("stored_manifest.py", |text| text.replace("port=1", &port));
    job.dbt(&[]).expect_built(&[]);
    assert!(aspects.query(STORED) == job.baseline());
}

#[test]
fn a_new_installation_is_populated_and_only_changed_false_is_a_full_run() {
    let Some(job) = Job::new() else { return };
    let aspects = &job.aspects;
    job.dbt(&[]).expect_built(&ALL);
    job.dbt(&[]).expect_built(&[]);
    let before = job.baseline();
    let listed = job.dbt(&["-c", "ls --resource-type model", "--only_changed", "False"]);
    assert!(listed.expect_code(0).stdout.contains("aspects.base.video_plays"), "{listed:#?}");
    assert!(job.baseline() == before);
    job.dbt(&["--only_changed", "False"]).expect_built(&ALL);

    // Before the first migration of Aspects there is no table, nor its database.
    aspects.query("drop database event_sink");
    job.python("stored_manifest.py", &["fetch", "/dev/null"]).expect_code(3);
}
