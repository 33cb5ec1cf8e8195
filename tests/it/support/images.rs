//! The project's own container images, built from the shipped files with local base images.
//!
//! Tags hold a digest of everything that went in: the first test that needs an image builds
//! it, under a lock that all test processes share, and later ones, also of later test runs,
//! find it.

use super::docker::{docker, docker_ok, engine, unique};
use super::{binary, root, skip, tool};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository name of the images that stay for later test runs.
pub(crate) const KEPT: &str = "dbt-entrypoint-test";

/// The static binary for an architecture (`x86_64`, `aarch64`), built by Cargo when it is
/// not up to date; a loud skip where the toolchain lacks the target.
pub(crate) fn static_binary(architecture: &str) -> Option<PathBuf> {
    let triple = format!("{architecture}-unknown-linux-musl");
    if !installed(&triple) {
        skip(&format!("the Rust target {triple} is not installed"));
        return None;
    }
    // …/target/debug/dbt-entrypoint -> …/target
    let target = binary().ancestors().nth(2).expect("a target directory");
    let mut build = Command::new(root().join("release/binary.sh"));
    let output =
        build.arg(&triple).env("CARGO_TARGET_DIR", target).output().expect("a script of ours");
    assert!(output.status.success(), "{build:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(target.join(triple).join("release/dbt-entrypoint"))
}

fn installed(triple: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", triple]);
    let output = rustc.output().expect("rustc is installed");
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}

/// An image with nothing but the binary: the `bin` stage of `docker/Dockerfile`.
pub(crate) fn bin() -> Option<String> {
    stage("bin", None)
}

/// dbt with the binary as its entrypoint: the `runtime` stage of `docker/Dockerfile`.
pub(crate) fn runtime() -> Option<String> {
    stage("runtime", None)
}

/// The runtime image with the example project in it: `examples/shop/Dockerfile`.
pub(crate) fn shop() -> Option<String> {
    Some(example(&runtime()?))
}

fn example(runtime: &str) -> String {
    let project = root().join("examples/shop");
    let tag = tag("shop", &[runtime.as_bytes(), &tree(&project)]);
    build_once(&tag, || project_options(runtime, &project));
    tag
}

/// The example project with the dbt that reaches PostgreSQL.
pub(crate) fn shop_on_postgres() -> Option<String> {
    Some(example(&runtime_on_postgres()?))
}

/// The runtime image with dbt-postgres in place of dbt-duckdb.
pub(crate) fn runtime_on_postgres() -> Option<String> {
    stage("runtime", Some("tests/requirements/dbt-postgres.txt"))
}

/// PostgreSQL from Debian's packages, in place of Docker's official image.
pub(crate) fn postgres() -> Option<String> {
    engine()?;
    tool("mmdebstrap")?;
    let _lock = lock();
    Some(local_image(&["postgres"]))
}

/// An image of another state of the example project, removed at the end.
pub(crate) struct Image {
    tag: String,
}

impl Image {
    /// Builds a copy of the example project on top of the runtime image.
    pub(crate) fn of_project(project: &Path) -> Option<Self> {
        Some(Self::on(&runtime()?, project))
    }

    /// As `of_project`, on another runtime image.
    pub(crate) fn on(runtime: &str, project: &Path) -> Self {
        let image = Self { tag: unique("image") };
        build(&image.tag, &project_options(runtime, project));
        image
    }

    /// Its tag, for the docker client.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.tag]);
    }
}

fn project_options(runtime: &str, project: &Path) -> Vec<String> {
    let project = project.to_str().expect("a path of our own").to_owned();
    vec!["--build-arg".to_owned(), format!("DBT_IMAGE={runtime}"), project]
}

fn stage(name: &str, requirements: Option<&str>) -> Option<String> {
    engine()?;
    tool("mmdebstrap")?;
    let binary = static_binary(std::env::consts::ARCH)?;
    let contents = fs::read(&binary).expect("cargo built it");
    let recipe = tree(&root().join("docker"));
    let lists = tree(&root().join("tests/requirements"));
    let chosen = requirements.unwrap_or_default();
    let tag = tag(name, &[&contents, &recipe, &lists, chosen.as_bytes()]);
    build_once(&tag, || stage_options(name, &binary, requirements));
    Some(tag)
}

fn stage_options(name: &str, binary: &Path, requirements: Option<&str>) -> Vec<String> {
    let root = root().to_str().expect("the repository's path is UTF-8");
    let builder = ["builder", binary.to_str().expect("a path of our own")];
    [
        ["--file", &format!("{root}/docker/Dockerfile")],
        ["--target", name],
        ["--build-arg", &format!("BASE_IMAGE={}", local_image(&["base"]))],
        ["--build-arg", &format!("BUILDER_IMAGE={}", local_image(&builder))],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .chain(requirements.into_iter().flat_map(build_arg))
    .chain([root.to_owned()])
    .collect()
}

fn build_arg(requirements: &str) -> [String; 2] {
    ["--build-arg".to_owned(), format!("REQUIREMENTS={requirements}")]
}

/// Builds under the lock, so that test processes started together build an image once.
fn build_once(tag: &str, options: impl FnOnce() -> Vec<String>) {
    let _lock = lock();
    if !docker(&["image", "inspect", tag]).status.success() {
        build(tag, &options());
    }
}

fn build(tag: &str, options: &[String]) {
    let mut words = vec!["build", "--quiet", "--tag", tag];
    words.extend(options.iter().map(String::as_str));
    docker_ok(&words);
}

/// Held while images are built: two builds at once would do the same work twice.
fn lock() -> File {
    let path = root().join(".cache/images.lock");
    fs::create_dir_all(root().join(".cache")).expect("the repository is writable");
    let file = File::create(path).expect("the repository is writable");
    file.lock().expect("a lock on a local file");
    file
}

fn local_image(args: &[&str]) -> String {
    let mut script = Command::new(root().join("docker/local-images.sh"));
    let output = script.args(args).output().expect("a script of ours");
    assert!(output.status.success(), "{script:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn tag(name: &str, parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let hex = digest.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect::<String>();
    format!("{KEPT}:{name}-{hex}")
}

/// Names and contents of all files below a directory, in a fixed order.
fn tree(dir: &Path) -> Vec<u8> {
    let mut entries = fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .collect::<Vec<_>>();
    entries.sort();
    let mut all = Vec::new();
    for path in entries {
        all.extend(path.file_name().unwrap_or_default().as_encoded_bytes());
        all.extend(if path.is_dir() { tree(&path) } else { fs::read(&path).expect("a file") });
    }
    all
}

/// The operating system that the images of these tests stand on.
pub(crate) fn base() -> Option<String> {
    engine()?;
    tool("mmdebstrap")?;
    let _lock = lock();
    Some(local_image(&["base"]))
}

/// A local image whose "cargo" hands out that binary.
pub(crate) fn builder(binary: &Path) -> Option<String> {
    engine()?;
    tool("mmdebstrap")?;
    let _lock = lock();
    Some(local_image(&["builder", binary.to_str().expect("a path of our own")]))
}

impl Image {
    /// Builds a Dockerfile of these lines, in a directory that is its context.
    pub(crate) fn of_lines(context: &Path, lines: &[&str]) -> Self {
        fs::write(context.join("Dockerfile"), lines.join("\n")).expect("a writable directory");
        let image = Self { tag: unique("image") };
        build(&image.tag, &[context.to_str().expect("a path of our own").to_owned()]);
        image
    }

    /// Builds the `bin` stage anew, whatever there is in the cache.
    pub(crate) fn of_bin_without_cache() -> Option<Self> {
        let binary = static_binary(std::env::consts::ARCH)?;
        let image = Self { tag: unique("image") };
        let options = stage_options("bin", &binary, None);
        build(&image.tag, &[vec!["--no-cache".to_owned()], options].concat());
        Some(image)
    }
}
