//! Which dbt it is, as an input: the program, and the packages that its Python would import.
//!
//! dbt-core's and the adapter's macros are in the manifest, so that they are read like the
//! project's own; of all other packages the name and version in `*.dist-info` is enough.

use super::walk::FileWalk;
use crate::os::installation::{Form, Installation, Site};
use anyhow::{Result, bail};

/// Modules of dbt's own that are no plugins (dbt-core 1.8 to 1.12).
const OF_DBT: [&str; 5] =
    ["dbt_common", "dbt_extractor", "dbt_protos", "dbt_semantic_interfaces", "dbt_adapters"];

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
            // A plugin of dbt's is any module of that name, and may read anything.
            _ if name.starts_with("dbt_") && !OF_DBT.contains(&name.as_str()) => {
                bail!("{} may be a plugin of dbt's", path.display())
            }
            _ => {}
        }
    }
    Ok(())
}
