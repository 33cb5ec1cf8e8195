//! Which dbt it is, as an input: the program, and the packages that its Python would import.
//!
//! dbt-core's and the adapter's macros are in the manifest, so that they are read like the
//! project's own; of all other packages the name and version in `*.dist-info` is enough.

use super::walk::{FileWalk, ReadBy};
use crate::os::installation::{Form, Installation, Site};
use anyhow::{Context, Result, bail};
use memchr::memmem;
use std::fs;
use std::io;
use std::path::Path;

/// Modules of dbt's own that are no plugins (dbt-core 1.8 to 1.13). `dbt_state` is one only with
/// `--manage-state`, which is refused.
const OF_DBT: [&str; 6] = [
    "dbt_common",
    "dbt_extractor",
    "dbt_protos",
    "dbt_semantic_interfaces",
    "dbt_adapters",
    "dbt_state",
];

/// What would make dbt another one if it changed.
pub(super) fn add(installation: &Installation, into: &mut FileWalk) -> Result<()> {
    let program = installation.program();
    let python = match &installation.form {
        Form::Native => return into.program(program),
        Form::Unknown(why) => bail!("{why}"),
        Form::Python(python) => python,
    };
    let engine = installation.engine();
    if engine.is_native() {
        bail!("{} starts a native program, which is not looked for", program.display());
    }
    if engine.version().is_none() {
        bail!("the Python packages of {} do not tell the version of dbt", program.display());
    }
    into.text(program, Some(&python.script))?;
    into.text(&python.settings.0, python.settings.1.as_deref())?;
    for site in &python.sites {
        packages(site, into)?;
        into.below(&site.directory.join("dbt/include"))?;
    }
    Ok(())
}

/// The names and versions of what is installed in a directory.
fn packages(site: &Site, into: &mut FileWalk) -> Result<()> {
    for name in &site.names {
        let path = site.directory.join(name);
        let name = name.to_string_lossy().to_lowercase();
        if name.starts_with("__editable__") || name.ends_with(".egg-link") {
            bail!("{} is installed from sources that may change", path.display());
        }
        match name.rsplit_once('.').map(|(_, end)| end) {
            Some("pth") => into.below(&path)?,
            Some("dist-info" | "egg-info") => into.name(path)?,
            // dbt imports every module of that name; one that has `plugins` may read anything.
            _ if name.starts_with("dbt_") && !OF_DBT.contains(&name.as_str()) => {
                if mentions_plugins(&path).with_context(|| path.display().to_string())? {
                    bail!("{} may be a plugin of dbt's", path.display());
                }
                into.read_by = ReadBy::Others;
                into.below(&path)?;
                into.read_by = ReadBy::Dbt;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a module, or one below it, has anything that is called `plugins`: dbt-core takes a module
/// for a plugin by that attribute (`dbt/plugins/manager.py`).
fn mentions_plugins(path: &Path) -> io::Result<bool> {
    let is_named = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("plugins"))
    };
    if is_named(path) {
        return Ok(true);
    }
    if !path.is_dir() {
        return Ok(memmem::find(&fs::read(path)?, b"plugins").is_some());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != "__pycache__") && mentions_plugins(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}
