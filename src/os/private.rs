//! A private temporary directory, for what dbt writes on behalf of `plan` and nobody needs later.

use crate::environment::Environment;
use crate::os::random;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A directory that only this user can read. It is removed with its content when this is dropped.
#[derive(Debug)]
pub struct PrivateDir(PathBuf);

/// The directory for temporary files: `TMPDIR`, otherwise `/tmp`.
#[must_use]
pub fn temp_dir(environment: &Environment) -> PathBuf {
    let named = environment.get(OsStr::new("TMPDIR")).filter(|dir| !dir.is_empty());
    named.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

impl PrivateDir {
    /// Create a directory in [`temp_dir`].
    ///
    /// # Errors
    /// The directory cannot be created. The message says what to do.
    pub fn make(environment: &Environment) -> Result<Self> {
        let base = std::path::absolute(temp_dir(environment))?;
        let dir = base.join(format!("dbt-entrypoint-{}", random::salt()?));
        std::fs::DirBuilder::new().mode(0o700).create(&dir).with_context(|| {
            format!(
                "cannot create a temporary directory in {}\n  what to do: mount a writable /tmp (--tmpfs /tmp), or set TMPDIR to a writable directory",
                base.display()
            )
        })?;
        Ok(Self(dir))
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::debug!("cannot remove {}: {error}", self.0.display());
        }
    }
}
