//! What `docker/Dockerfile` makes: labels, fixed bytes, both architectures, and a binary that
//! any image with dbt in it can take over.

use crate::support::docker::{Volume, docker_ok, run, unique};
use crate::support::images::{Image, base, builder, runtime, static_binary};
use crate::support::{Shop, images, root, tool};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn inspect(image: &str, format: &str) -> String {
    docker_ok(&["image", "inspect", "--format", format, image])
}

#[test]
fn both_images_are_labelled_with_this_version_and_have_a_number_for_a_user() {
    let (Some(bin), Some(runtime)) = (images::bin(), runtime()) else { return };
    for image in [bin, runtime] {
        let label = |name| {
            inspect(
                &image,
                &format!("{{{{index .Config.Labels \"org.opencontainers.image.{name}\"}}}}"),
            )
        };
        assert_eq!(label("version"), env!("CARGO_PKG_VERSION"), "{image}");
        assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"), "{image}");
        assert!(label("title").starts_with("dbt-entrypoint"), "{image}");
        assert_ne!(label("description"), "", "{image}");
        assert_eq!(label("revision"), "unknown", "whoever publishes {image} says it");
        assert_eq!(inspect(&image, "{{.Config.User}}"), "10001:0", "{image}");
    }
}

#[test]
fn the_layer_of_the_binary_has_the_same_bytes_at_another_time() {
    let (Some(earlier), Some(now)) = (images::bin(), Image::of_bin_without_cache()) else { return };
    let layers = |image: &str| inspect(image, "{{json .RootFS.Layers}}");
    assert_ne!(inspect(&earlier, "{{.Created}}"), inspect(now.tag(), "{{.Created}}"));
    assert_eq!(layers(&earlier), layers(now.tag()));
}

/// The two lines that docker/Dockerfile tells whoever has an image with dbt, with our image.
fn two_lines(bin: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docker/Dockerfile")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("#   "));
    let told = |line: &&str| line.starts_with("COPY ") || line.starts_with("ENTRYPOINT ");
    let lines: Vec<_> =
        lines.filter(told).map(|line| line.replace("dbt-entrypoint-bin", bin)).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    lines
}

/// An image as dbt's makers publish them: root, dbt on the PATH, /usr/app/dbt, `dbt` as the
/// entrypoint, and nothing of ours.
fn plain_dbt() -> Option<Image> {
    let (base, runtime) = (base()?, runtime()?);
    let empty = tempfile::tempdir().unwrap();
    let lines = [
        &format!("FROM {base}"),
        &format!("COPY --from={runtime} /opt/venv /opt/venv"),
        "ENV PATH=/opt/venv/bin:$PATH PYTHONIOENCODING=utf-8 LANG=C.UTF-8",
        "HEALTHCHECK CMD dbt --version || exit 1",
        "WORKDIR /usr/app/dbt/",
        "ENTRYPOINT [\"dbt\"]",
    ];
    Some(Image::of_lines(empty.path(), &lines))
}

#[test]
fn two_lines_on_top_of_an_image_with_dbt_build_all_and_then_nothing() {
    let (Some(project), Some(bin), Some(dbt)) = (Shop::new(), images::bin(), plain_dbt()) else {
        return;
    };
    let from = format!("FROM {}", dbt.tag());
    let added = two_lines(&bin);
    let lines = [&from, "COPY . /usr/app/dbt/", &added[0], &added[1]];
    let image = Image::of_lines(&project.project(), &lines);

    let (state, warehouse) = (Volume::new(&[]), Volume::new(&[]));
    let build = || {
        let volumes = [state.at("/state"), warehouse.at("/warehouse")];
        let database = "SHOP_DATABASE=/warehouse/shop.duckdb";
        let options = ["--volume", &volumes[0], "--volume", &volumes[1], "--env", database];
        run(image.tag(), &options, &["build"])
    };
    let first = build();
    first.expect_code(0);
    assert!(first.stdout.contains("PASS=21"), "{first:#?}");
    let second = build();
    second.expect_code(0);
    assert_eq!(second.stdout, "", "dbt was not started: {second:#?}");
}

/// Podman, which as BuildKit does tells a Dockerfile for which platform it builds; with a local
/// builder image from Docker's store.
struct Podman {
    program: PathBuf,
    settings: TempDir,
    builder: String,
    image: String,
}

impl Podman {
    fn new(builder: &str) -> Option<Self> {
        let program = tool("podman")?;
        let settings = tempfile::tempdir().unwrap();
        // For podman 4 inside another container, or as a root that may not raise its limits.
        let text = "[containers]\n\
            default_ulimits = [\"nofile=20000:20000\", \"nproc=30000:30000\"]\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(settings.path().join("containers.conf"), text).unwrap();
        let (image, local) = (unique("image"), format!("localhost/{builder}"));
        let podman = Self { program, settings, builder: local, image };
        let mut save = Command::new("docker");
        let mut save = save.args(["save", builder]).stdout(Stdio::piped()).spawn().unwrap();
        let archive = save.stdout.take().unwrap();
        assert!(podman.command(&["load"]).stdin(archive).output().unwrap().status.success());
        assert!(save.wait().unwrap().success());
        Some(podman)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).env("CONTAINERS_CONF", self.settings.path().join("containers.conf"));
        command
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let output = self.command(words).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "podman {words:?}: {output:#?}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn build(&self, platform: &str) {
        self.ok(&[
            "build",
            "--target=bin",
            "--pull-never",
            "--layers=false",
            &format!("--platform={platform}"),
            &format!("--build-arg=BUILDER_IMAGE={}", self.builder),
            &format!("--file={}", root().join("docker/Dockerfile").display()),
            &format!("--tag={}", self.image),
            root().to_str().unwrap(),
        ]);
    }

    /// Copies the binary out of what was built.
    fn binary(&self, platform: &str) -> PathBuf {
        let container = self.ok(&["create", &format!("--platform={platform}"), &self.image]);
        let copy = self.settings.path().join("binary");
        self.ok(&["cp", &format!("{container}:/dbt-entrypoint"), copy.to_str().unwrap()]);
        self.ok(&["rm", &container]);
        copy
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.command(&["image", "rm", "--force", &self.image, &self.builder]).output();
    }
}

#[test]
fn for_another_platform_the_same_dockerfile_makes_an_image_of_that_platform() {
    let Some(emulator) = tool("qemu-aarch64-static") else { return };
    let Some(binary) = static_binary("aarch64") else { return };
    let Some(podman) = builder(&binary).and_then(|builder| Podman::new(&builder)) else { return };
    podman.build("linux/arm64");
    let format = "--format={{.Os}}/{{.Architecture}}";
    assert_eq!(podman.ok(&["image", "inspect", format, &podman.image]), "linux/arm64");
    let copy = podman.binary("linux/arm64");
    assert!(fs::read(&copy).unwrap() == fs::read(&binary).unwrap(), "another binary");
    let said = Command::new(emulator).arg(&copy).arg("--version").output().unwrap();
    let version = format!("dbt-entrypoint {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&said.stdout), version, "{said:#?}");
}
