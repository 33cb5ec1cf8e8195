//! Which dbt it is: the program, and the packages that its Python would import.
//!
//! dbt-core's and the adapter's macros are in the manifest, so that they are read like the
//! project's own; of all other packages the name and version in `*.dist-info` is enough.

use super::walk::Walk;
use crate::environment::Environment;
use crate::environment::home;
use crate::os::program;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Modules of dbt's own that are no plugins (dbt-core 1.8 to 1.12).
const OF_DBT: [&str; 5] =
    ["dbt_common", "dbt_extractor", "dbt_protos", "dbt_semantic_interfaces", "dbt_adapters"];

/// Find the installation that `dbt` would run from.
pub(super) fn find(dbt: &Path, environment: &Environment, into: &mut Walk) -> Result<()> {
    if program::is_native(dbt) {
        return into.program(dbt);
    }
    into.below(dbt)?;
    let python = interpreter(dbt, environment)?;
    into.below(&python.with_file_name("../pyvenv.cfg"))?;
    let mut core = false;
    for directory in site_packages(&python, environment)? {
        core |= packages(&directory, into)?;
        into.below(&directory.join("dbt/include"))?;
    }
    if !core {
        bail!("the Python packages of {} were not found", dbt.display());
    }
    Ok(())
}

/// The Python of a script's first lines, as pip, uv and setuptools write them.
fn interpreter(script: &Path, environment: &Environment) -> Result<PathBuf> {
    let mut text = Vec::new();
    File::open(script)?.take(4096).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().strip_prefix("#!").unwrap_or_default().trim();
    let mut words = first.split_whitespace();
    let named = match (words.next(), words.next()) {
        // pip's way around the limited length of a first line.
        (Some("/bin/sh"), None) => {
            let line = lines.next().and_then(|line| line.strip_prefix("'''exec' "));
            line.and_then(|line| line.trim_start_matches('"').split(['"', ' ']).next())
        }
        (Some("/usr/bin/env"), Some(name)) => Some(name),
        (path, _) => path,
    };
    let is_python =
        |path: &&str| path.rsplit('/').next().is_some_and(|name| name.starts_with("python"));
    let Some(named) = named.filter(is_python) else {
        bail!("{} is not a Python script", script.display());
    };
    program::find(OsStr::new(named), environment).map_err(|failure| anyhow::anyhow!("{failure}"))
}

/// Every directory of packages that the Python may import from.
fn site_packages(python: &Path, environment: &Environment) -> Result<Vec<PathBuf>> {
    let prefix = |python: &Path| python.parent().and_then(Path::parent).map(Path::to_path_buf);
    let mut prefixes: Vec<PathBuf> = prefix(python).into_iter().collect();
    let settings = prefixes.first().map(|prefix| prefix.join("pyvenv.cfg"));
    let isolated = settings.and_then(|path| fs::read_to_string(path).ok()).is_some_and(|text| {
        !text.to_lowercase().replace(' ', "").contains("include-system-site-packages=true")
    });
    if !isolated {
        let real = python.canonicalize().with_context(|| python.display().to_string())?;
        prefixes.extend(prefix(&real));
        prefixes.extend([PathBuf::from("/usr/local"), home(environment).join(".local")]);
    }
    let mut found: Vec<PathBuf> = prefixes.iter().flat_map(|prefix| below(prefix)).collect();
    found.extend(python_path(environment));
    Ok(found)
}

/// `lib/python3.11/site-packages` and Debian's `lib/python3/dist-packages`.
fn below(prefix: &Path) -> Vec<PathBuf> {
    let libraries = ["lib", "lib64", "local/lib"].map(|lib| prefix.join(lib));
    let pythons = libraries.iter().filter_map(|lib| fs::read_dir(lib).ok()).flatten();
    let pythons = pythons.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> = pythons
        .filter(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"python")))
        .flat_map(|python| ["site-packages", "dist-packages"].map(|name| python.join(name)))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn python_path(environment: &Environment) -> Vec<PathBuf> {
    let value = environment.get(OsStr::new("PYTHONPATH")).map(|value| value.as_bytes());
    let entries = value.unwrap_or_default().split(|byte| *byte == b':');
    let named = entries.filter(|entry| !entry.is_empty());
    named
        .map(|entry| PathBuf::from(OsStr::from_bytes(entry)))
        .filter(|path| path.is_dir())
        .collect()
}

/// The names and versions of what is installed in a directory. True if dbt-core is.
fn packages(directory: &Path, into: &mut Walk) -> Result<bool> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()
        .with_context(|| directory.display().to_string())?;
    paths.sort();
    let mut core = false;
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with("__editable__") || name.ends_with(".egg-link") {
            bail!("{} is installed from sources that may change", path.display());
        }
        core |= name.starts_with("dbt_core-") || name.starts_with("dbt-core-");
        match name.rsplit_once('.').map(|(_, end)| end) {
            Some("pth") => into.below(&path)?,
            Some("dist-info" | "egg-info") => into.name(path)?,
            // A plugin of dbt's is any module of that name, and may read anything.
            _ if name.starts_with("dbt_") && !OF_DBT.contains(&name.as_str()) => {
                bail!("{} may be a plugin of dbt's", path.display())
            }
            _ => {}
        }
    }
    Ok(core)
}
