//! What the nodes of a manifest read from outside it: variables, vars, and the files of seeds.
//!
//! A value of its own, so that a thread can look while dbt runs.

use super::Job;
use crate::dbt::manifest::Manifest;
use crate::dbt::project::reads_dotenv;
use crate::dbt::reads;
use crate::dbt::reads::dotenv::effective_environment;
use crate::decide::needs::Inputs;
use crate::environment::Environment;
use crate::os::project::{self, Project};
use crate::trees::IntoTree;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// Where the values come from.
pub(super) struct Outside {
    project: Arc<Project>,
    environment: Environment,
    salt: String,
}

/// The fingerprints of what each node read when a run began.
#[derive(Serialize, Deserialize)]
pub(super) struct Seen<'a> {
    /// Fingerprints of another salt cannot be compared.
    pub(super) salt: Cow<'a, str>,
    /// By `unique_id`.
    pub(super) inputs: Cow<'a, Inputs>,
}

/// Fingerprints as JSON that [`Seen`] reads.
pub(super) fn seen(salt: &str, inputs: &Inputs) -> Vec<u8> {
    let seen = Seen { salt: Cow::Borrowed(salt), inputs: Cow::Borrowed(inputs) };
    serde_json::to_vec(&seen).unwrap_or_default()
}

impl Job<'_> {
    pub(super) fn outside(&self) -> Outside {
        Outside {
            project: Arc::clone(&self.project),
            environment: self.config.environment.clone(),
            salt: self.baseline.salt.clone(),
        }
    }
}

impl Outside {
    /// The fingerprints of what each node reads now.
    pub(super) fn inputs(&self, manifest: &Manifest<'_>) -> Result<Inputs> {
        let vars = self.project.vars(manifest.dbt_version())?;
        let environment = self.seen_by(manifest.dbt_version())?;
        let fingerprints = |(id, facets): (String, reads::Facets)| {
            let package = manifest.node(&id).map_or("", |node| &*node.package_name);
            let values = reads::fingerprints(&facets, package, &self.salt, &vars, &environment);
            (id, values)
        };
        let mut all: Inputs =
            reads::facets_of_nodes(manifest).into_iter().map(fingerprints).into_tree();
        for (id, package, path) in manifest.seeds_by_path() {
            let file = self.project.directory_of(package).unwrap_or(&self.project.root).join(path);
            let values = all.entry(id.to_owned()).or_default();
            values.insert(reads::SEED_CONTENT.to_owned(), project::seed_digest(&file)?);
        }
        Ok(all)
    }

    /// The same for the text of a manifest, as JSON that [`Seen`] reads.
    pub(super) fn describe(self, manifest: &str) -> Result<Vec<u8>> {
        Ok(seen(&self.salt, &self.inputs(&Manifest::read(manifest)?)?))
    }

    /// The environment as `env_var` sees it: dbt 1.12 adds that of a `.env` file.
    fn seen_by(&self, dbt_version: &str) -> Result<Environment> {
        let here = Path::new(".").canonicalize().context("the working directory cannot be read")?;
        let dotenv = match reads_dotenv(dbt_version) {
            true => project::find_dotenv(&here)?,
            false => None,
        };
        let text = dotenv.as_ref().map(|(_, text)| text.as_str());
        Ok(effective_environment(&self.environment, text))
    }
}
