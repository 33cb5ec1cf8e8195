//! What `kubectl kustomize` makes of the shipped overlays, as values.

use crate::support::shop::copy_tree;
use crate::support::{root, skip};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An overlay, rendered.
pub(super) struct Rendering {
    pub(super) overlay: String,
    pub(super) yaml: Vec<u8>,
    pub(super) objects: Vec<Value>,
}

/// Every overlay that is shipped; `None` (a loud skip) where kubectl is not installed.
pub(super) fn all() -> Option<Vec<Rendering>> {
    names().iter().map(|name| rendering(name)).collect()
}

/// The names of all shipped overlays.
pub(super) fn names() -> Vec<String> {
    let overlays = fs::read_dir(root().join("k8s/overlays")).expect("overlays");
    let mut names = overlays
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of ours"))
        .collect::<Vec<_>>();
    names.sort();
    names
}

/// One overlay by its name.
pub(super) fn rendering(overlay: &str) -> Option<Rendering> {
    of(overlay, &root().join("k8s/overlays").join(overlay))
}

/// An overlay with one of the components on top, as an operator puts it there.
pub(super) fn with_component(component: &str, overlay: &str) -> Option<Rendering> {
    of_an_operator(&format!(
        "resources: [../../k8s/overlays/{overlay}]\ncomponents: [../../k8s/components/{component}]\n"
    ))
}

/// This `kustomization.yaml`, two directories below the one that holds the `k8s` that we ship.
pub(super) fn of_an_operator(kustomization: &str) -> Option<Rendering> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    copy_tree(&root().join("k8s"), &dir.path().join("k8s"));
    let overlay = dir.path().join("deploy/production");
    fs::create_dir_all(&overlay).expect("a fresh directory");
    fs::write(overlay.join("kustomization.yaml"), kustomization).expect("a file");
    of(kustomization, &overlay)
}

/// Whatever stands in a directory with a `kustomization.yaml`.
fn of(overlay: &str, dir: &Path) -> Option<Rendering> {
    let mut kubectl = Command::new(installed("kubectl/bin/kubectl")?);
    let output = kubectl.arg("kustomize").arg(dir).output().expect("kubectl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // A deprecation is a warning there, and the next version's error.
    assert!(output.status.success() && said.is_empty(), "{overlay}: {said}");
    let objects = parsed(&output.stdout)?;
    Some(Rendering { overlay: overlay.to_owned(), yaml: output.stdout, objects })
}

/// The documents of a YAML text.
pub(super) fn parsed(yaml: &[u8]) -> Option<Vec<Value>> {
    let script = "import json, sys, yaml\n\
        json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    let mut python = Command::new(installed("tools/bin/python")?)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    python.stdin.take().expect("a pipe").write_all(yaml).expect("Python reads");
    let output = python.wait_with_output().expect("Python ends");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// A program of the environments that `tests/setup.sh` makes: the same version everywhere.
pub(super) fn installed(program: &str) -> Option<PathBuf> {
    let path = root().join(".cache").join(program);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing", path.display()));
    None
}

impl Rendering {
    /// All objects of that kind.
    pub(super) fn kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    /// The one object of that kind.
    pub(super) fn only<'a>(&'a self, kind: &'a str) -> &'a Value {
        let mut found = self.kind(kind);
        let first = found.next().unwrap_or_else(|| panic!("{}: no {kind}", self.overlay));
        assert!(found.next().is_none(), "{}: more than one {kind}", self.overlay);
        first
    }

    /// The templates of all pods that its objects make.
    pub(super) fn pod_templates(&self) -> Vec<&Value> {
        self.objects.iter().filter_map(pod_template).collect()
    }

    /// Names of all objects of that kind.
    pub(super) fn names<'a>(&'a self, kind: &'a str) -> Vec<&'a str> {
        self.kind(kind).map(|object| text(&object["metadata"]["name"])).collect()
    }
}

/// The template of the pods that an object makes, if it makes any.
pub(super) fn pod_template(object: &Value) -> Option<&Value> {
    object.pointer("/spec/template").or_else(|| object.pointer("/spec/jobTemplate/spec/template"))
}

/// The containers of a pod's specification, init containers first.
pub(super) fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().flat_map(|kind| list(&spec[kind]))
}

/// The members of a list; none where there is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A string that has to be there.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}"))
}
