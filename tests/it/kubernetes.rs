//! The shipped Kubernetes manifests: valid by schema, and the pod run by a real engine.
//!
//! Podman plays pods, claims and config maps, but ignores Jobs and Deployments with success:
//! what is asserted here is what became of the containers, never podman's own exit code.

use crate::support::docker::unique;
use crate::support::{Shop, images, root, skip, tool};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const MANIFESTS: [&str; 5] = ["pvc", "configmap", "job", "deployment", "pod"];

fn manifest(name: &str) -> String {
    let path = root().join(format!("k8s/{name}.yaml"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_manifest_is_valid_by_the_schemas_of_kubernetes() {
    let validate = root().join(".cache/tools/bin/kubernetes-validate");
    if !validate.is_file() {
        return skip("kubernetes-validate is not installed");
    }
    let files = MANIFESTS.map(|name| root().join(format!("k8s/{name}.yaml")));
    for version in ["1.31", "1.37"] {
        let mut command = Command::new(&validate);
        let output = command.args(["--strict", "-k", version]).args(&files).output().unwrap();
        assert!(output.status.success(), "Kubernetes {version}: {output:#?}");
        let passed = String::from_utf8_lossy(&output.stdout).matches("passed for").count();
        assert_eq!(passed, MANIFESTS.len() + 1, "two claims in one file: {output:#?}");
    }
}

#[test]
fn the_deployment_and_the_pod_for_podman_have_the_same_containers() {
    let part = |name| {
        let text = manifest(name);
        let lines = text.lines().skip_while(|line| line.trim() != "initContainers:");
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(part("deployment"), part("pod"));
}

/// One pod with its claims, under names of its own.
struct Pod {
    name: String,
    image: String,
    settings: TempDir,
    podman: PathBuf,
}

impl Pod {
    fn new(image: &str) -> Option<Self> {
        let podman = tool("podman")?;
        // Without these, podman 4 cannot start a container inside another one, or as a root
        // that may not raise its limits.
        let settings = tempfile::tempdir().expect("a temporary directory");
        let text = "[containers]\n\
            default_ulimits = [\"nofile=20000:20000\", \"nproc=30000:30000\"]\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(settings.path().join("containers.conf"), text).expect("a file");
        let pod = Self { name: unique("pod"), image: image.to_owned(), settings, podman };
        pod.load(image);
        Some(pod)
    }

    /// Copies an image from Docker's store to podman's, unless it is there already.
    fn load(&self, image: &str) {
        if self.podman(&["image", "exists", image]).status.success() {
            return;
        }
        let mut save = Command::new("docker")
            .args(["save", image])
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let archive = save.stdout.take().expect("a pipe");
        let loaded = self.command(&["load"]).stdin(archive).output().expect("podman starts");
        assert!(
            save.wait().expect("docker ends").success() && loaded.status.success(),
            "{loaded:?}"
        );
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.podman);
        command.args(args).env("CONTAINERS_CONF", self.settings.path().join("containers.conf"));
        command
    }

    fn podman(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("podman starts")
    }

    /// The shipped files as they are, but for names and the image.
    fn text(&self, names: &[&str]) -> String {
        let all = names.iter().map(|name| manifest(name)).collect::<Vec<_>>().join("---\n");
        all.replace("image: shop", &format!("image: {}", self.image))
            .replace("name: dashboard\n  labels", &format!("name: {}\n  labels", self.name))
            .replace("dbt-state", &format!("{}-state", self.name))
            .replace("dbt-warehouse", &format!("{}-warehouse", self.name))
            .replace("dbt-settings", &format!("{}-settings", self.name))
    }

    fn play(&self, options: &[&str], text: &str) -> Output {
        let mut command = self.command(&["play", "kube"]);
        command.args(options).arg("-").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("podman starts");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("podman reads it");
        child.wait_with_output().expect("podman ends")
    }

    /// Status of a container, as `Exited 0` or `Running`, after the pod was started.
    fn status(&self, container: &str) -> String {
        let name = format!("{}-{container}", self.name);
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let output = self.podman(&["inspect", "--format", format, &name]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn log(&self, container: &str) -> String {
        let output = self.podman(&["logs", &format!("{}-{container}", self.name)]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Stops and removes the pod; its claims stay.
    fn down(&self) {
        self.podman(&["pod", "rm", "--force", "--time", "2", &self.name]);
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.down();
        for claim in ["state", "warehouse"] {
            let volume = format!("{}-{claim}", self.name);
            self.podman(&["volume", "rm", "--force", &volume]);
        }
        // As every image of a test, this one stays only under the name of the shipped example.
        if !self.image.starts_with(&format!("{}:", images::KEPT)) {
            self.podman(&["image", "rm", "--force", &self.image]);
        }
    }
}

#[test]
fn a_pods_init_container_builds_first_and_builds_nothing_when_the_pod_is_started_again() {
    let Some(image) = images::shop() else { return };
    let Some(pod) = Pod::new(&image) else { return };
    let played = pod.play(&[], &pod.text(&["pvc", "configmap", "pod"]));
    assert_eq!(pod.status("dbt"), "exited 0", "{played:#?} {}", pod.log("dbt"));
    assert_eq!(pod.status("dashboard"), "running 0", "{}", pod.log("dashboard"));
    assert!(pod.log("dbt").contains("PASS=21"), "{}", pod.log("dbt"));

    pod.down();
    // The claims exist already, and podman does not create a volume twice.
    let played = pod.play(&[], &pod.text(&["configmap", "pod"]));
    assert_eq!(pod.status("dbt"), "exited 0", "{played:#?} {}", pod.log("dbt"));
    assert_eq!(pod.status("dashboard"), "running 0", "{}", pod.log("dashboard"));
    assert!(!pod.log("dbt").contains("OK created"), "{}", pod.log("dbt"));
}

#[test]
fn a_pods_application_does_not_start_when_its_init_container_fails() {
    let (Some(shop), Some(_)) = (Shop::new(), images::runtime()) else { return };
    shop.write("models/marts/broken.sql", "select no_such_column from {{ ref('orders') }}\n");
    let Some(image) = images::Image::of_project(&shop.project()) else { return };
    let Some(pod) = Pod::new(image.tag()) else { return };
    let played = pod.play(&[], &pod.text(&["pvc", "configmap", "pod"]));
    assert_eq!(pod.status("dbt"), "exited 1", "{played:#?} {}", pod.log("dbt"));
    assert_eq!(pod.status("dashboard"), "created 0", "{}", pod.log("dashboard"));
}

#[test]
fn the_jobs_failure_policy_names_the_exit_codes_that_no_retry_mends() {
    let job = manifest("job");
    let values = job.lines().filter_map(|line| line.trim().strip_prefix("values: "));
    assert_eq!(values.collect::<Vec<_>>(), ["[64, 73, 77, 78, 126, 127]", "[75]"]);
}

#[test]
fn every_pod_is_given_more_time_to_stop_than_dbt_is() {
    let grace = number(&manifest("configmap"), "DBT_ENTRYPOINT_STOP_GRACE: ");
    for name in ["job", "deployment", "pod"] {
        let pods = number(&manifest(name), "terminationGracePeriodSeconds: ");
        assert!(pods > grace + 5, "{name}: {pods} s for the pod, {grace} s for dbt");
    }
}

fn number(text: &str, key: &str) -> u32 {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key));
    value.expect(key).trim_matches('"').parse().expect("a number")
}

#[test]
fn shipped_yaml_and_shell_and_dockerfiles_pass_their_linters() {
    let tools = root().join(".cache/tools/bin");
    if !Path::new(&tools).is_dir() {
        return skip("the linters are not installed");
    }
    let relaxed = "{extends: relaxed, rules: {line-length: {max: 110}, key-duplicates: enable}}";
    let checks: [(&str, &[&str]); 3] = [
        (
            "yamllint",
            &["--strict", "-d", relaxed, "k8s", "compose", "examples/shop", "examples/aspects"],
        ),
        ("hadolint", &["docker/Dockerfile", "examples/shop/Dockerfile"]),
        (
            "shellcheck",
            &[
                ".cargo/static-pie-ld",
                ".ci/run",
                "contrib/tutor/tutordbtentrypoint/templates/aspects/apps/aspects/scripts/dbt.sh",
                "docker/local-images.sh",
                "examples/demo.sh",
                "tests/run.sh",
                "tests/setup.sh",
            ],
        ),
    ];
    for (linter, words) in checks {
        let mut command = Command::new(tools.join(linter));
        let output = command.args(words).current_dir(root()).output().expect(linter);
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{linter}: {found} {output:?}");
    }
}
