//! The plugin for Open edX Aspects (contrib/tutor): what Tutor renders and runs with it, and
//! that what it replaces is there without it. `job` runs what was rendered.

mod job;
mod script;

use crate::support::tutor::Tutor;
use crate::support::{root, skip};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// Without our plugin, but with what it is to be told.
const PLAIN: &str = "PLUGINS: [aspects]\nDBT_ENTRYPOINT_VARIABLES: {A: 1, B: 'x \"y\"'}\n";

const COMPOSE: &str = "local/docker-compose.jobs.yml";
const DOCKERFILE: &str = "plugins/dbt-entrypoint/build/aspects-dbt/Dockerfile";
const SCRIPTS: &str = "plugins/aspects/apps/aspects/scripts";
const SCRIPT: &str = "plugins/aspects/apps/aspects/scripts/dbt.sh";
const STORE: &str = "python3 /app/aspects/scripts/stored_manifest.py store";

/// The job of Aspects in the Compose file that Tutor rendered.
fn compose_job(tutor: &Tutor) -> Value {
    tutor.documents(COMPOSE)[0]["services"]["aspects-job"].clone()
}

/// The object of this kind and name among the Kubernetes manifests that Tutor rendered.
fn kubernetes(tutor: &Tutor, file: &str, kind: &str, name: &str) -> Value {
    let mut documents = tutor.documents(file).into_iter();
    let found = documents.find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("{file} has no {kind} {name}"))
}

/// Whether a list of objects has one with these members.
fn has(list: &Value, members: &Value) -> bool {
    let members = members.as_object().expect("an object");
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().any(|item| members.iter().all(|(name, value)| item[name] == *value))
}

#[test]
fn tutor_renders_the_jobs_with_the_binary_and_a_volume_and_takes_it_all_back() {
    let Some(tutor) = Tutor::new(PLAIN) else { return };
    // What is replaced is there. Where it no longer is, Aspects has moved, and so must we.
    let plain = compose_job(&tutor);
    assert_eq!(plain["environment"]["DBT_STATE"], "/app/aspects-dbt/state", "{plain:#}");
    assert!(!plain["volumes"].to_string().contains(":/state"), "{plain:#}");
    let script = tutor.rendered(SCRIPT);
    assert!(script.contains("-s \"state:modified+\"") && script.contains("sink"), "{script}");
    let changed = [COMPOSE, SCRIPT, "k8s/jobs.yml", "k8s/volumes.yml", "kustomization.yml"];
    let before = changed.map(|file| tutor.rendered(file));

    tutor.run(&["plugins", "enable", "dbt-entrypoint"]).expect_code(0);
    let job = compose_job(&tutor);
    assert!(job["image"].as_str().is_some_and(|it| it.starts_with("aspects-dbt:")), "{job:#}");
    let volumes = job["volumes"].as_array().expect("volumes");
    assert!(volumes.contains(&json!("../../data/dbt-entrypoint:/state")), "{job:#}");
    let environment = &job["environment"];
    for (name, value) in [("DBT_ENTRYPOINT_PUBLISH", STORE), ("A", "1"), ("B", "x \"y\"")] {
        assert_eq!(environment[name], value, "{job:#}");
    }
    // What dbt needs of the environment is as it was, but for the script's state directory.
    for (name, value) in plain["environment"].as_object().expect("variables") {
        let kept = if name == "DBT_STATE" { &Value::Null } else { value };
        assert_eq!(environment[name], *kept, "{name}");
    }
    let script = tutor.rendered(SCRIPT);
    assert_eq!(script.lines().last(), Some("exec dbt-entrypoint \"$@\""));

    tutor.run(&["plugins", "disable", "dbt-entrypoint"]).expect_code(0);
    for (file, before) in changed.iter().zip(before) {
        assert!(tutor.rendered(file) == before, "{file} is not what it was");
    }
}

#[test]
fn tutor_renders_a_kubernetes_job_that_keeps_its_state_and_is_not_tried_again_in_vain() {
    let Some(tutor) = Tutor::new(PLAIN) else { return };
    let plain = kubernetes(&tutor, "k8s/jobs.yml", "Job", "aspects-job");
    let pod = &plain["spec"]["template"]["spec"];
    // It hides the project in the image, so that each job fetches it again.
    assert!(has(&pod["containers"][0]["volumeMounts"], &json!({"mountPath": "/app"})), "{pod:#}");
    assert!(has(&pod["volumes"], &json!({"name": "app", "emptyDir": {}})), "{pod:#}");

    tutor.run(&["plugins", "enable", "dbt-entrypoint"]).expect_code(0);
    let job = kubernetes(&tutor, "k8s/jobs.yml", "Job", "aspects-job");
    let rules = &job["spec"]["podFailurePolicy"]["rules"];
    assert_eq!(rules[1]["action"], "FailJob", "{job:#}");
    assert!(rules[1]["onExitCodes"]["values"].to_string().contains("78"), "{job:#}");
    let pod = &job["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert!(!has(&container["volumeMounts"], &json!({"mountPath": "/app"})), "{job:#}");
    assert!(has(&container["volumeMounts"], &json!({"mountPath": "/state"})), "{job:#}");
    assert!(!has(&pod["volumes"], &json!({"emptyDir": {}})), "{job:#}");
    let claim = json!({"persistentVolumeClaim": {"claimName": "dbt-entrypoint"}});
    assert!(has(&pod["volumes"], &claim), "{job:#}");
    for (name, value) in [("DBT_ENTRYPOINT_PUBLISH", STORE), ("A", "1")] {
        assert!(has(&container["env"], &json!({"name": name, "value": value})), "{job:#}");
    }
    assert!(!has(&container["env"], &json!({"name": "DBT_STATE"})), "{job:#}");
    let files = tutor.rendered("kustomization.yml");
    assert!(files.contains(&format!("  - {SCRIPTS}/stored_manifest.py\n")), "{files}");

    let volume = "PersistentVolumeClaim";
    let claim = kubernetes(&tutor, "k8s/volumes.yml", volume, "dbt-entrypoint");
    valid(&tutor, &[job, claim]);
}

/// By the schemas of Kubernetes.
fn valid(tutor: &Tutor, objects: &[Value]) {
    let validate = root().join(".cache/tools/bin/kubernetes-validate");
    if !validate.is_file() {
        return skip("kubernetes-validate is not installed");
    }
    for object in objects {
        let file = tutor.path("object.yaml");
        fs::write(&file, object.to_string()).expect("a file");
        let said = Command::new(&validate).arg("--strict").arg(&file).output().expect("it starts");
        assert!(said.status.success(), "{said:#?}");
    }
}

#[test]
fn the_project_is_cloned_into_the_image_and_never_by_a_job() {
    let Some(tutor) = Tutor::new("PLUGINS: [aspects, dbt-entrypoint]\n") else { return };
    let image = tutor.rendered(DOCKERFILE);
    let from = image.lines().find(|line| line.starts_with("FROM ")).expect("a base image");
    assert!(from.starts_with("FROM edunext/aspects:"), "{image}");
    let binary = "COPY --from=dbt-entrypoint-bin /dbt-entrypoint /usr/local/bin/";
    assert!(image.lines().any(|line| line == binary), "{image}");
    assert!(image.contains("git clone --depth 1 -b v"), "{image}");
    // With the keys of the build, for a private repository, packages and requirements.
    assert_eq!(image.matches("RUN --mount=type=ssh ").count(), 2, "{image}");
    let script = tutor.rendered(SCRIPT);
    for fetching in ["git", "ssh", "pip install", "bootstrap", "dbt deps"] {
        assert!(!script.contains(fetching), "{fetching}: {script}");
    }

    let hadolint = root().join(".cache/tools/bin/hadolint");
    if !hadolint.is_file() {
        return skip("hadolint is not installed");
    }
    let file = tutor.path("root/env").join(DOCKERFILE);
    // The image that brings the binary is no stage of this file.
    let ignored = ["--ignore", "DL3022"];
    let said = Command::new(hadolint).args(ignored).arg(file).output().expect("it starts");
    assert!(said.status.success(), "{said:#?}");
}

#[test]
fn the_commands_of_tutor_end_as_the_binary_and_keep_the_words_and_only_changed() {
    let Some(tutor) = Tutor::new(PLAIN) else { return };
    let init = ["do", "init", "--limit", "aspects"];
    let script = "bash /app/aspects/scripts/dbt.sh";
    assert!(tutor.tasks(&init)[0].trim_end().ends_with(&format!("\n{script} True run")));
    assert!(tutor.tasks(&["do", "dbt"])[0].contains(&format!("&& {script} True run &&")));

    tutor.run(&["plugins", "enable", "dbt-entrypoint"]).expect_code(0);
    let task = &tutor.tasks(&init)[0];
    assert!(task.trim_end().ends_with(&format!("\nexec {script} True run")), "{task}");
    assert!(task.contains("alembic.sh upgrade head\n"), "{task}");
    assert_eq!(tutor.tasks(&["do", "dbt"]), [format!("exec {script} True run")]);
    let words = ["do", "dbt", "-c", "run --vars '{a: 1}'", "--only_changed", "False"];
    assert_eq!(tutor.tasks(&words), [format!("exec {script} False run --vars '{{a: 1}}'")]);
    for verb in ["verify --record", "orphans --drop --approve 0f"] {
        let task = tutor.tasks(&["do", "dbt", "-c", verb]);
        assert_eq!(task, [format!("exec {script} True {verb}")]);
    }
}

/// Aspects of a later version, in which what we replace has changed.
const MOVED: &str = "from tutor import hooks\n\
    @hooks.Filters.ENV_PATCHES.add()\n\
    def later(patches):\n    \
    return [(name, text.replace('/app/aspects\\n', '/aspects\\n')) for name, text in patches]\n";

#[test]
fn an_aspects_that_is_not_the_one_we_know_is_refused_until_the_plugin_is_disabled() {
    let Some(tutor) = Tutor::new(PLAIN) else { return };
    fs::write(tutor.path("plugins/later.py"), MOVED).expect("a file");
    tutor.run(&["plugins", "enable", "later"]).expect_code(0);
    let refused = tutor.run(&["plugins", "enable", "dbt-entrypoint"]);
    refused.expect_code(1);
    let said = "no longer has the lines\n    - ../../env/plugins/aspects/apps/aspects:/app/aspects";
    assert!(refused.stderr.contains(said), "{refused:#?}");
    assert!(refused.stderr.contains("tutor plugins disable dbt-entrypoint"), "{refused:#?}");
    tutor.run(&["plugins", "disable", "dbt-entrypoint"]).expect_code(0);
}
