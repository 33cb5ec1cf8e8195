//! A directory of our own that is gone when we are done.

use crate::environment::Environment;
use crate::os::random;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Removed, with all that is in it, when this is dropped.
#[derive(Debug)]
pub struct PrivateDir(PathBuf);

/// `TMPDIR`, else `/tmp`.
#[must_use]
pub fn temp_dir(environment: &Environment) -> PathBuf {
    let named = environment.get(OsStr::new("TMPDIR")).filter(|dir| !dir.is_empty());
    named.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

impl PrivateDir {
    /// Below `TMPDIR`, else `/tmp`.
    ///
    /// # Errors
    /// Where nothing can be written there, with what to do.
    pub fn make(environment: &Environment) -> Result<Self> {
        let base = std::path::absolute(temp_dir(environment))?;
        let dir = base.join(format!("dbt-entrypoint-{}", random::salt()?));
        std::fs::DirBuilder::new().mode(0o700).create(&dir).with_context(|| {
            format!(
                "a temporary directory cannot be made in {}\n  what to do: mount one (--tmpfs /tmp), or name one with TMPDIR",
                base.display()
            )
        })?;
        Ok(Self(dir))
    }

    /// Where it is; absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::debug!("{} stays behind: {error}", self.0.display());
        }
    }
}
