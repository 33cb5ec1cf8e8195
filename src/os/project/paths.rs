//! The directories in which dbt reads files, as far as the project and its profiles say.

use super::{FILE, Project};
use crate::dbt::project as files;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const MODULE_PATHS: &str = "module_paths";

impl Project {
    /// Every directory in which the project and its packages say that dbt reads files.
    ///
    /// # Errors
    /// A path that only dbt can render.
    pub fn listed_paths(&self) -> Result<Vec<PathBuf>> {
        let mut all = self.rendered_paths(&self.root, &self.project)?;
        for package in self.packages.values() {
            all.extend(self.rendered_paths(&package.directory, &package.project)?);
        }
        Ok(all)
    }

    /// The directories of the project and of the installed packages.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.root.as_path()).chain(self.package_directories())
    }

    /// Where `dbt deps` installs packages.
    ///
    /// # Errors
    /// A path that only dbt can render.
    pub(crate) fn packages_directory(&self) -> Result<PathBuf> {
        let written = self.project.packages_install_path.as_deref().unwrap_or("dbt_packages");
        let path = self.renderer.render(written);
        let path = path.with_context(|| {
            format!("packages-install-path in {}", self.root.join(FILE).display())
        })?;
        Ok(self.root.join(path))
    }

    /// The directories from which the Python models of dbt-duckdb import modules: `module_paths` of
    /// any target in `profiles.yml`.
    ///
    /// # Errors
    /// A path that only dbt can render, or a file that is no YAML.
    pub(crate) fn module_paths(&self, here: &Path) -> Result<Vec<PathBuf>> {
        let path = self.profiles_dir.join("profiles.yml");
        let Some(text) = self.texts.get(&path).filter(|text| text.contains(MODULE_PATHS)) else {
            return Ok(Vec::new());
        };
        let written = files::members(text, MODULE_PATHS);
        let written = written.with_context(|| format!("reading {}", path.display()))?;
        let rendered = |written: &String| {
            let rendered = self.renderer.render(written);
            Ok(here.join(rendered.with_context(|| format!("a path in {}", path.display()))?))
        };
        written.iter().map(rendered).collect()
    }

    /// The directories of the installed packages.
    pub(crate) fn package_directories(&self) -> impl Iterator<Item = &Path> {
        self.packages.values().map(|package| package.directory.as_path())
    }

    fn rendered_paths(&self, root: &Path, project: &files::ProjectFile) -> Result<Vec<PathBuf>> {
        let rendered = |path: &String| {
            let path = self.renderer.render(path);
            let path = path.with_context(|| format!("a path in {}", root.join(FILE).display()))?;
            Ok(root.join(path))
        };
        let defaults = files::DEFAULT_PATHS.iter().map(|path| Ok(root.join(path)));
        project.paths.iter().map(rendered).chain(defaults).collect()
    }
}
