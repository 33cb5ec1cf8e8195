//! The release recipe, in a copy of this repository as it stands: what it makes, what it refuses.

use crate::support::images::{Image, base, static_binary};
use crate::support::{dbt, docker, root, skip, tool, variable};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Crates that only tests use.
const DEVELOPMENT: [&str; 2] = ["proptest", "tempfile"];

/// A repository of its own with one commit: the files of this one, in another directory.
struct Checkout {
    dir: TempDir,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Self { dir: tempfile::tempdir().unwrap() };
        let listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Command::new("git").args(listed).current_dir(root()).output().unwrap();
        let names = String::from_utf8(listed.stdout).unwrap();
        for name in names.split_terminator('\0').filter(|name| root().join(name).is_file()) {
            let to = checkout.dir.path().join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join(name), to).unwrap();
        }
        symlink(root().join(".cache"), checkout.dir.path().join(".cache")).unwrap();
        checkout.git(&["init", "--quiet"]);
        // The tests run with any compiler, a release is made with one.
        let pinned = format!("BUILDER_IMAGE=rust:{}-", compiler(&root().join("docker/Dockerfile")));
        checkout.edit("docker/Dockerfile", &pinned, &format!("BUILDER_IMAGE=rust:{}-", here()));
        checkout
    }

    /// As it would be for a release: what is unreleased has become this version's section.
    fn with_a_dated_section() -> Self {
        let checkout = Self::new();
        let dated = format!("## {VERSION} (2030-01-31)");
        checkout.edit("CHANGELOG.md", "## Unreleased", &dated);
        checkout
    }

    fn git(&self, words: &[&str]) {
        let identity = ["-c", "user.name=a test", "-c", "user.email=test@example.com"];
        let mut git = Command::new("git");
        let output = git.args(identity).args(words).current_dir(&self.dir).output().unwrap();
        assert!(output.status.success(), "git {words:?}: {output:#?}");
    }

    /// Replaces what must be there, and commits it.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name}: {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        self.commit();
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=all"]);
    }

    /// The recipe, with a home of Cargo and a target directory of its own; what was compiled
    /// in them for an earlier test run stays, since nothing else looks there.
    fn release(&self) -> Output {
        let elsewhere = root().join("target/elsewhere");
        let home = elsewhere.join("cargo-home");
        fs::create_dir_all(&home).unwrap();
        let _ = symlink(cargo_home().join("registry"), home.join("registry"));
        let mut recipe = Command::new(self.dir.path().join("release/release.sh"));
        recipe.env("CARGO_HOME", home).env("CARGO_TARGET_DIR", elsewhere);
        recipe.output().unwrap()
    }

    fn dist(&self) -> PathBuf {
        self.dir.path().join("dist")
    }

    #[track_caller]
    fn expect_refusal(&self, why: &str) {
        let output = self.release();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why), "{output:#?}");
        assert_eq!(output.status.code(), Some(1));
        assert!(!self.dist().exists(), "nothing was made");
    }
}

/// The version of Rust that a Dockerfile compiles with.
fn compiler(dockerfile: &Path) -> String {
    let text = fs::read_to_string(dockerfile).unwrap();
    let image = text.lines().find_map(|line| line.strip_prefix("ARG BUILDER_IMAGE=rust:")).unwrap();
    image.split('-').next().unwrap().to_owned()
}

/// The version of Rust of these tests.
fn here() -> String {
    let said = ok(Command::new("rustc").arg("--version"));
    said.split_whitespace().nth(1).unwrap().to_owned()
}

fn cargo_home() -> PathBuf {
    let home = || Path::new(&variable("HOME").unwrap()).join(".cargo");
    variable("CARGO_HOME").map_or_else(home, PathBuf::from)
}

#[test]
fn the_recipe_passes_its_linter() {
    let linter = root().join(".cache/tools/bin/shellcheck");
    if !linter.is_file() {
        return skip("the linters are not installed");
    }
    let scripts =
        ["release.sh", "binary.sh", "tools.sh"].map(|name| root().join("release").join(name));
    ok(Command::new(linter).args(scripts));
}

#[test]
fn a_release_is_refused_without_a_section_with_changes_with_an_old_tag_and_by_another_compiler() {
    Checkout::new().expect_refusal(&format!("CHANGELOG.md has no section \"## {VERSION}\""));
    let checkout = Checkout::with_a_dated_section();
    checkout.git(&["tag", &format!("v{VERSION}")]);
    checkout.expect_refusal(&format!("the tag v{VERSION} exists"));
    fs::write(checkout.dir.path().join("src/new.rs"), "").unwrap();
    checkout.expect_refusal("changes that are not committed");
    checkout.edit("docker/Dockerfile", &format!("rust:{}-", here()), "rust:1.0.0-");
    checkout.expect_refusal("another compiler makes other bytes");
}

#[test]
fn one_command_makes_the_same_bytes_elsewhere_packages_that_install_and_their_papers() {
    if tool("dpkg-deb").is_none() || tool("python3").is_none() {
        return;
    }
    for name in ["cargo-deb", "cargo-cyclonedx"] {
        if !root().join(".cache").join(name).is_dir() {
            return skip(&format!("{name} is not installed"));
        }
    }
    let (Some(x86_64), Some(arm64)) = (static_binary("x86_64"), static_binary("aarch64")) else {
        return;
    };
    let checkout = Checkout::with_a_dated_section();
    let output = checkout.release();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dist = checkout.dist();
    expect_files_and_checksums(&dist);
    expect_notes(&dist);
    for (architecture, debian, binary) in [("x86_64", "amd64", x86_64), ("aarch64", "arm64", arm64)]
    {
        let binary = fs::read(binary).unwrap();
        expect_archive(&dist, architecture, &binary);
        expect_package(&dist, debian, &binary);
        expect_wheel(&dist, architecture, &binary);
        expect_bill(&dist, architecture);
    }
    expect_package_installs(&dist);
    expect_wheel_installs(&dist);
    expect_crate_installs(&dist);
}

/// Runs a program and expects success; its standard output.
#[track_caller]
fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:#?}");
    String::from_utf8(output.stdout).unwrap()
}

fn expect_files_and_checksums(dist: &Path) {
    let made = fs::read_dir(dist).unwrap().map(|entry| entry.unwrap().file_name());
    let made: BTreeSet<String> = made.map(|name| name.into_string().unwrap()).collect();
    let of_targets = ["x86_64", "aarch64"].map(|architecture| {
        let name = format!("dbt-entrypoint-{VERSION}-{architecture}-linux");
        [format!("{name}.tar.gz"), format!("{name}.cdx.json"), wheel(architecture)]
    });
    let debian = ["amd64", "arm64"].map(|name| format!("dbt-entrypoint_{VERSION}_{name}.deb"));
    let rest = [format!("dbt-entrypoint-{VERSION}.crate"), "NOTES.md".into(), "SHA256SUMS".into()];
    let expected: BTreeSet<String> =
        of_targets.into_iter().flatten().chain(debian).chain(rest).collect();
    assert_eq!(made, expected);
    let sums = fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), expected.len() - 1, "{sums}");
    ok(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(dist));
}

fn expect_notes(dist: &Path) {
    let notes = fs::read_to_string(dist.join("NOTES.md")).unwrap();
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let unreleased = changelog.split_once("## Unreleased").unwrap().1;
    let section = unreleased.split("\n## ").next().unwrap().trim();
    assert!(
        notes.starts_with(&format!("# dbt-entrypoint {VERSION}\n\n{section}\n\nCommit ")),
        "{notes}"
    );
}

/// The binary is, byte for byte, what was compiled in another directory; nothing in the
/// archive tells who packed it, or when.
fn expect_archive(dist: &Path, architecture: &str, binary: &[u8]) {
    let name = format!("dbt-entrypoint-{VERSION}-{architecture}-linux");
    let archive = dist.join(format!("{name}.tar.gz"));
    let unpacked = tempfile::tempdir().unwrap();
    ok(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(unpacked.path()));
    let dir = unpacked.path().join(name);
    assert!(fs::read(dir.join("dbt-entrypoint")).unwrap() == binary, "{architecture}: other bytes");
    for file in ["LICENSE", "dbt-entrypoint.1", "completions/dbt-entrypoint.bash"] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    let listed = ok(Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(&archive));
    let times: BTreeSet<_> = listed.lines().map(|line| line.split_whitespace().nth(4)).collect();
    assert_eq!(times.len(), 1, "all of the commit's time: {listed}");
    assert!(listed.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
}

fn expect_package(dist: &Path, debian: &str, binary: &[u8]) {
    let package = dist.join(format!("dbt-entrypoint_{VERSION}_{debian}.deb"));
    let field = |name| ok(Command::new("dpkg-deb").arg("--field").arg(&package).arg(name));
    assert_eq!(field("Architecture").trim(), debian);
    assert_eq!(field("Version").trim(), VERSION);
    let unpacked = tempfile::tempdir().unwrap();
    ok(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(unpacked.path()));
    let installed = fs::read(unpacked.path().join("usr/bin/dbt-entrypoint")).unwrap();
    assert!(installed == binary, "{debian}: another binary");
    for file in [
        "bash-completion/completions/dbt-entrypoint",
        "doc/dbt-entrypoint/changelog.Debian.gz",
        "doc/dbt-entrypoint/copyright",
        "fish/vendor_completions.d/dbt-entrypoint.fish",
        "man/man1/dbt-entrypoint.1.gz",
        "zsh/vendor-completions/_dbt-entrypoint",
    ] {
        assert!(unpacked.path().join("usr/share").join(file).is_file(), "{debian}: {file}");
    }
}

/// The name of the wheel for an architecture.
fn wheel(architecture: &str) -> String {
    let platforms = ["manylinux2014", "manylinux_2_17", "musllinux_1_1"];
    let tags = platforms.map(|platform| format!("{platform}_{architecture}")).join(".");
    format!("dbt_entrypoint-{VERSION}-py3-none-{tags}.whl")
}

/// The binary in it is that of the release, and `RECORD` has the digest of each file.
fn expect_wheel(dist: &Path, architecture: &str, binary: &[u8]) {
    let script = "import base64, csv, hashlib, io, sys, zipfile\n\
        wheel = zipfile.ZipFile(sys.argv[1])\n\
        names = wheel.namelist()\n\
        record = wheel.read(names[-1]).decode()\n\
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(record))}\n\
        assert list(rows) == names, (rows, names)\n\
        for name in names[:-1]:\n    \
            digest = hashlib.sha256(wheel.read(name)).digest()\n    \
            digest = base64.urlsafe_b64encode(digest).decode().rstrip('=')\n    \
            assert rows[name] == 'sha256=' + digest, name\n\
        sys.stdout.buffer.write(wheel.read(names[0]))";
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(dist.join(wheel(architecture)));
    let done = python.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stdout == binary, "{architecture}: another binary");
}

/// `pip install` puts it beside a dbt.
fn expect_wheel_installs(dist: &Path) {
    let Some(dbt) = dbt("1.11") else { return };
    let place = tempfile::tempdir().unwrap();
    let environment = place.path().join("environment");
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index"];
    let mut install = Command::new(dbt.with_file_name("python"));
    install.args(pip).arg("--prefix").arg(&environment);
    ok(install.arg(dist.join(wheel(std::env::consts::ARCH))));
    let said = ok(Command::new(environment.join("bin/dbt-entrypoint")).arg("--version"));
    assert_eq!(said, format!("dbt-entrypoint {VERSION}\n"));
}

/// The bill of materials names the crates that `cargo tree` shows, and no others.
fn expect_bill(dist: &Path, architecture: &str) {
    let path = dist.join(format!("dbt-entrypoint-{VERSION}-{architecture}-linux.cdx.json"));
    let bill: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let named = |part: &Value| {
        format!("{} v{}", part["name"].as_str().unwrap(), part["version"].as_str().unwrap())
    };
    let own = named(&bill["metadata"]["component"]);
    assert_eq!(own, format!("dbt-entrypoint v{VERSION}"));
    let crates: BTreeSet<String> =
        bill["components"].as_array().unwrap().iter().map(named).collect();
    let target = format!("{architecture}-unknown-linux-musl");
    let tree = ["tree", "--locked", "--edges=normal", "--prefix=none", "--format={p}", "--target"];
    let tree = ok(Command::new(env!("CARGO")).args(tree).arg(target).current_dir(root()));
    let words = tree.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let expected: BTreeSet<String> = words.filter(|name| *name != own).collect();
    assert_eq!(crates, expected);
    let development = |name: &&str| crates.iter().any(|part| part.starts_with(&format!("{name} ")));
    assert_eq!(DEVELOPMENT.iter().find(|name| development(name)), None);
    assert!(!bill.to_string().contains("file://"), "no directory of this machine: {bill:#}");
}

fn expect_package_installs(dist: &Path) {
    let Some(base) = base() else { return };
    let debian = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let package = format!("dbt-entrypoint_{VERSION}_{debian}.deb");
    let context = tempfile::tempdir().unwrap();
    fs::copy(dist.join(&package), context.path().join("package.deb")).unwrap();
    let lines = [
        &format!("FROM {base}"),
        "COPY package.deb /",
        "RUN dpkg --install /package.deb && dpkg --status dbt-entrypoint",
        "RUN test -f /usr/share/man/man1/dbt-entrypoint.1.gz",
        "ENTRYPOINT [\"dbt-entrypoint\"]",
    ];
    let image = Image::of_lines(context.path(), &lines);
    let done = docker::run(image.tag(), &[], &["--version"]);
    assert_eq!(done.stdout, format!("dbt-entrypoint {VERSION}\n"), "{done:#?}");
}

/// What `cargo publish` would upload is enough for `cargo install`.
fn expect_crate_installs(dist: &Path) {
    let place = tempfile::tempdir().unwrap();
    let archive = dist.join(format!("dbt-entrypoint-{VERSION}.crate"));
    ok(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(place.path()));
    let source = place.path().join(format!("dbt-entrypoint-{VERSION}"));
    let mut install = Command::new(env!("CARGO"));
    install.args(["install", "--quiet", "--locked", "--debug", "--path"]).arg(source);
    install
        .arg("--root")
        .arg(place.path())
        .arg("--target-dir")
        .arg(root().join("target/elsewhere"));
    ok(install.current_dir(place.path()));
    let said = ok(Command::new(place.path().join("bin/dbt-entrypoint")).arg("--version"));
    assert_eq!(said, format!("dbt-entrypoint {VERSION}\n"));
}
