//! Where dbt writes, when it may not write into the project.
//!
//! A dbt that cannot write its log or its artifacts ends with code 2 and says nothing at all
//! (dbt-core 1.8 to 1.12); a container with a read-only root file system is one where it cannot.

use super::locate;
use crate::cli::Config;
use crate::dbt::command::{Command, Opt};
use crate::exit::Failure;
use crate::os::project::Project;
use crate::os::{access, private};
use anyhow::anyhow;
use std::ffi::OsString;
use std::path::Path;

/// With `DBT_TARGET_PATH` and `DBT_LOG_PATH` in the temporary directory (`TMPDIR`, else `/tmp`),
/// each where nobody named one and the project's own cannot be written.
pub(crate) fn with_writable_paths(config: &Config, words: &[OsString]) -> Config {
    let command = Command::parse(words.to_vec(), &config.environment);
    let mut config = config.clone();
    let Ok(project) = locate(&config, &command) else { return config };
    let written = &project.project;
    let paths = [
        (Opt::TargetPath, &project.target_path, &written.target_path, "DBT_TARGET_PATH", "target"),
        (Opt::LogPath, &project.log_path, &written.log_path, "DBT_LOG_PATH", "logs"),
    ];
    for (option, path, written, variable, name) in paths {
        let named = written.is_some() || command.value(option).is_some();
        if named || access::is_writable(path) {
            continue;
        }
        let elsewhere = private::base(&config.environment).join("dbt").join(name);
        if access::is_writable(&elsewhere) {
            log::debug!("{} cannot be written: dbt gets {}", path.display(), elsewhere.display());
            config.environment.insert(variable.into(), elsewhere.into());
        }
    }
    config
}

/// For a command that builds nothing, and may not need to write.
pub(super) fn warn_unwritable(project: &Project) {
    for path in [&project.target_path, &project.log_path] {
        if !access::is_writable(path) {
            log::warn!(
                "dbt cannot write to {}, and may end with code 2 without a word",
                path.display()
            );
        }
    }
}

/// Whoever builds needs dbt's artifacts.
///
/// # Errors
/// 78 where dbt cannot write them.
pub(super) fn refuse_unwritable(target: &Path) -> Result<(), Failure> {
    if access::is_writable(target) {
        return Ok(());
    }
    Err(Failure::refused(anyhow!(
        "dbt cannot write its artifacts to {}; nothing was run\n  \
         what to do:\n    \
         docker run --tmpfs /tmp …     (or an emptyDir at /tmp: dbt's files go there where the project is read-only)\n    \
         dbt-entrypoint … --target-path DIR     (or DBT_TARGET_PATH: say where)",
        target.display()
    )))
}
