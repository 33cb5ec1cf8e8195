//! Pods on a real engine: made from the templates that the overlays render to.
//!
//! Podman plays pods, claims and config maps, but ignores Jobs and Deployments with success:
//! what is asserted is what became of the containers, never podman's own exit code.

use super::rendering::{Rendering, list, text};
use crate::support::docker::unique;
use crate::support::{images, root, tool};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Podman, with claims and pods of this test's own.
pub(super) struct Engine {
    podman: PathBuf,
    dir: TempDir,
    prefix: String,
    image: String,
    made: RefCell<Made>,
}

/// What has to be removed at the end.
#[derive(Default)]
struct Made {
    pods: Vec<String>,
    volumes: Vec<String>,
}

impl Engine {
    pub(super) fn new(image: &str) -> Option<Self> {
        let podman = tool("podman")?;
        // Without these, podman 4 cannot start a container inside another one, or as a root
        // that may not raise its limits.
        let dir = tempfile::tempdir().expect("a temporary directory");
        let text = "[containers]\n\
            default_ulimits = [\"nofile=20000:20000\", \"nproc=30000:30000\"]\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(dir.path().join("containers.conf"), text).expect("a file");
        let made = RefCell::default();
        let engine = Self { podman, dir, prefix: unique("pods"), image: image.to_owned(), made };
        engine.load();
        Some(engine)
    }

    /// Copies the image from Docker's store to podman's, unless it is there already; one test
    /// process at a time, so that the others find it.
    fn load(&self) {
        let lock = File::create(root().join(".cache/podman.lock")).expect("a writable directory");
        lock.lock().expect("a lock on a local file");
        if self.podman(&["image", "exists", &self.image]).status.success() {
            return;
        }
        let mut save = Command::new("docker")
            .args(["save", &self.image])
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
        command.args(args).env("CONTAINERS_CONF", self.dir.path().join("containers.conf"));
        command
    }

    fn podman(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("podman starts")
    }

    /// A claim under this test's own name for it.
    fn claim(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Makes the volumes of a rendering's claims, all empty.
    pub(super) fn make_claims(&self, overlay: &Rendering) {
        let claims = overlay.kind("PersistentVolumeClaim").cloned();
        let claims: Vec<Value> = claims.map(|claim| self.renamed(claim)).collect();
        let output = self.play(&[], &claims);
        assert!(output.status.success(), "{output:#?}");
    }

    fn renamed(&self, mut claim: Value) -> Value {
        let name = self.claim(text(&claim["metadata"]["name"]));
        self.made.borrow_mut().volumes.push(name.clone());
        claim["metadata"]["name"] = name.into();
        claim
    }

    /// Where a claim's files are on this machine.
    pub(super) fn files_of(&self, claim: &str) -> PathBuf {
        let name = self.claim(claim);
        let output = self.podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", &name]);
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    }

    /// A pod of that template: the rendered one, but for names, the image, and what podman
    /// does not do as a kubelet does.
    pub(super) fn pod(&self, name: &str, template: &Value) -> Pod<'_> {
        let name = format!("{}-{name}", self.prefix);
        self.made.borrow_mut().pods.push(name.clone());
        let message = self.dir.path().join(format!("{name}.message"));
        fs::write(&message, "").expect("a file");
        fs::set_permissions(&message, Permissions::from_mode(0o666)).expect("our own file");
        let mut spec = template["spec"].clone();
        // Podman applies the policy to init containers too, and would start dbt for ever.
        spec["restartPolicy"] = "Never".into();
        for kind in ["initContainers", "containers"] {
            for container in members(&mut spec[kind]) {
                self.adapt_container(container, &name);
            }
        }
        for volume in members(&mut spec["volumes"]) {
            self.adapt_volume(volume, &name);
        }
        // The kubelet makes this file.
        let file = json!({ "name": "message", "hostPath": { "path": message, "type": "File" } });
        spec["volumes"].as_array_mut().expect("volumes").push(file);
        let object = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "labels": template["metadata"]["labels"],
                // Podman otherwise removes an init container that has ended, and its log with it.
                "annotations": { "io.podman.annotations.init.container.type": "always" },
            },
            "spec": spec,
        });
        Pod { engine: self, name, object, message }
    }

    fn adapt_container(&self, container: &mut Value, pod: &str) {
        container["image"] = self.image.clone().into();
        for mount in members(&mut container["volumeMounts"]) {
            mount["name"] = of_pod(&mount["name"], pod);
        }
        if container["name"] == "dbt" {
            let mount = json!({ "name": "message", "mountPath": "/dev/termination-log" });
            container["volumeMounts"].as_array_mut().expect("mounts").push(mount);
        }
    }

    fn adapt_volume(&self, volume: &mut Value, pod: &str) {
        volume["name"] = of_pod(&volume["name"], pod);
        if let Some(claim) = volume.pointer_mut("/persistentVolumeClaim/claimName") {
            *claim = self.claim(text(claim)).into();
        }
    }

    fn play(&self, options: &[&str], objects: &[Value]) -> Output {
        let mut command = self.command(&["play", "kube"]);
        // dbt needs none here, and three pods at once would set one up at the same time.
        command.args(["--network", "none"]).args(options).arg("-");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("podman starts");
        // JSON is YAML.
        let text = objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("podman reads it");
        child.wait_with_output().expect("podman ends")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let made = self.made.take();
        for pod in made.pods {
            let remove = ["pod", "rm", "--ignore", "--force", "--time", "0", &pod];
            // Podman gives up half-way when a container ends at that very moment.
            if !self.podman(&remove).status.success() {
                self.podman(&remove);
            }
        }
        for volume in made.volumes {
            self.podman(&["volume", "rm", "--force", &volume]);
        }
        // As every image of a test, this one stays only under the name of the shipped example.
        if !self.image.starts_with(&format!("{}:", images::KEPT)) {
            self.podman(&["image", "rm", "--force", &self.image]);
        }
    }
}

/// Podman has one `emptyDir` of a name for all pods; a kubelet makes one for each.
fn of_pod(volume: &Value, pod: &str) -> Value {
    format!("{pod}-{}", text(volume)).into()
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// One pod, in the engine once it was played.
pub(super) struct Pod<'a> {
    engine: &'a Engine,
    name: String,
    object: Value,
    message: PathBuf,
}

impl Pod<'_> {
    /// Gives it a user, where the platform would.
    pub(super) fn run_as(&mut self, user: u32) {
        let context = &mut self.object["spec"]["securityContext"];
        (context["runAsUser"], context["runAsGroup"]) = (user.into(), 0.into());
    }

    /// Starts it afresh with the settings of a rendering; returns when dbt's init container, if
    /// it has one, has ended.
    pub(super) fn play(&self, settings: &Rendering) -> String {
        self.play_with(&["--replace"], settings)
    }

    /// Makes it without starting it.
    pub(super) fn create(&self, settings: &Rendering) {
        let said = self.play_with(&["--start=false"], settings);
        assert_eq!(self.state("dbt"), "created 0", "{said}");
    }

    fn play_with(&self, options: &[&str], settings: &Rendering) -> String {
        fs::write(&self.message, "").expect("our own file");
        let settings = settings.kind("ConfigMap");
        let objects: Vec<Value> = settings.chain([&self.object]).cloned().collect();
        format!("{:#?}", self.engine.play(options, &objects))
    }

    /// Starts it in the background.
    pub(super) fn start(&self) -> std::process::Child {
        let mut command = self.engine.command(&["pod", "start", &self.name]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("podman starts")
    }

    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// Blocks until that container is in this condition: `running`, `stopped`.
    pub(super) fn wait_until(&self, condition: &str, container: &str) {
        self.engine.podman(&["wait", "--condition", condition, &self.container(container)]);
    }

    /// Blocks until that container, which runs, has said this on its standard error.
    pub(super) fn wait_for_line(&self, text: &str, container: &str) {
        let mut follow = self.engine.command(&["logs", "--follow", &self.container(container)]);
        follow.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut follow = follow.spawn().expect("podman starts");
        let mut lines = BufReader::new(follow.stderr.take().expect("a pipe")).lines();
        let said = lines.any(|line| line.is_ok_and(|line| line.contains(text)));
        let _ = follow.kill();
        let _ = follow.wait();
        assert!(said, "{container} never said {text:?}: {}", self.log(container));
    }

    /// A container's state and exit code: `exited 0`, `running 0`.
    pub(super) fn state(&self, container: &str) -> String {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let name = self.container(container);
        let output = self.engine.podman(&["inspect", "--format", format, &name]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn log(&self, container: &str) -> String {
        let output = self.engine.podman(&["logs", &self.container(container)]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// What dbt's container left as its termination message.
    pub(super) fn message(&self) -> Value {
        let text = fs::read(&self.message).expect("our own file");
        serde_json::from_slice(&text).unwrap_or(Value::Null)
    }

    /// Asserts how dbt's container ended, and how many nodes it says that it built.
    #[track_caller]
    pub(super) fn expect_dbt(&self, state: &str, built: usize, said: &str) {
        let all = || format!("{said} {:#} {}", self.message(), self.log("dbt"));
        assert_eq!(self.state("dbt"), state, "{}", all());
        assert_eq!(self.message()["built"], built, "{}", all());
    }

    /// Asserts the state of the application's container.
    #[track_caller]
    pub(super) fn expect_dashboard(&self, state: &str) {
        assert_eq!(self.state("dashboard"), state, "{} {}", self.log("dbt"), self.log("dashboard"));
    }
}

/// The names of a pod's claims, in its own words.
pub(super) fn claims_of(spec: &Value) -> Vec<&str> {
    let volumes = list(&spec["volumes"]);
    volumes.filter_map(|v| v.pointer("/persistentVolumeClaim/claimName")).map(text).collect()
}
