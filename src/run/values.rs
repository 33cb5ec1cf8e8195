//! What the nodes of a manifest read from outside the project: variables, vars, and seed files.
//!
//! A value of its own, so that a thread can look while dbt runs.

use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::dbt::reads::dotenv::effective_environment;
use crate::dbt::reads::{self, Facets, Objects};
use crate::decide::needs::Inputs;
use crate::environment::Environment;
use crate::os::project::{self, Project};
use crate::session::Session;
use crate::trees::IntoTree;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Where the values come from.
pub(super) struct Values {
    project: Arc<Project>,
    engine: Engine,
    environment: Environment,
    /// What dbt's `flags` say.
    flags: BTreeMap<String, String>,
    salt: String,
}

/// The fingerprints of what each node read when a run began, as they stand beside its journal.
#[derive(Serialize, Deserialize)]
pub(super) struct Fingerprints<'a> {
    /// Fingerprints of another salt cannot be compared.
    pub(super) salt: Cow<'a, str>,
    /// By `unique_id`.
    pub(super) inputs: Cow<'a, Inputs>,
    /// Where the manifest beside the journal is of a parse ahead of the run: the files that dbt
    /// would have read then. It is the manifest of the run if they have not changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parsed_from: Option<BTreeMap<String, String>>,
}

impl Fingerprints<'_> {
    /// As JSON that [`Fingerprints`] reads.
    pub(super) fn text(salt: &str, inputs: &Inputs) -> Vec<u8> {
        Self::of_parse(salt, inputs, None)
    }

    /// The same for a parse ahead of the run.
    pub(super) fn of_parse(
        salt: &str,
        inputs: &Inputs,
        parsed_from: Option<BTreeMap<String, String>>,
    ) -> Vec<u8> {
        let (salt, inputs) = (Cow::Borrowed(salt), Cow::Borrowed(inputs));
        let all = Fingerprints { salt, inputs, parsed_from };
        serde_json::to_vec(&all).unwrap_or_default()
    }
}

impl Values {
    pub(super) fn new(session: &Session, salt: &str) -> Self {
        let written = &session.project.project.flags;
        let mut flags: BTreeMap<String, String> = written
            .iter()
            .map(|(name, value)| (name.to_ascii_uppercase(), value.to_string()))
            .into_tree();
        flags.extend(session.command.flags(&session.config.environment));
        Self {
            flags,
            project: Arc::clone(&session.project),
            engine: session.engine.clone(),
            environment: session.config.environment.clone(),
            salt: salt.to_owned(),
        }
    }

    /// The fingerprints of what each node reads now.
    ///
    /// # Errors
    /// A `.env`, a `vars.yml` or a large seed that cannot be read.
    pub(super) fn fingerprints(&self, manifest: &Manifest<'_>) -> Result<Inputs> {
        let engine = self.engine.refined(manifest.dbt_version());
        let vars = self.project.vars(&engine)?;
        let environment = self.environment(&engine)?;
        let target = &self.project.target;
        let objects = Objects::new(manifest, target, &self.flags, &environment);
        let fingerprints = |(id, facets): (String, Facets)| {
            let package = manifest.node(&id).map_or("", |node| &*node.package_name);
            let mut values = reads::fingerprints(&facets, package, &self.salt, &vars, &environment);
            values.extend(objects.fingerprints(&id, &facets, &self.salt));
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

    /// The same for the text of a manifest, as JSON that [`Fingerprints`] reads.
    ///
    /// # Errors
    /// As [`Values::fingerprints`], and a text that is no manifest.
    pub(super) fn describe(&self, manifest: &str) -> Result<Vec<u8>> {
        let inputs = self.fingerprints(&Manifest::read(manifest)?)?;
        Ok(Fingerprints::text(&self.salt, &inputs))
    }

    /// The environment as `env_var` sees it: dbt 1.12 and later add that of a `.env` file.
    fn environment(&self, engine: &Engine) -> Result<Environment> {
        let here = Path::new(".").canonicalize().context("the working directory cannot be read")?;
        let dotenv = match engine.reads_dotenv() {
            true => project::find_dotenv(&here)?,
            false => None,
        };
        let text = dotenv.as_ref().map(|(_, text)| text.as_str());
        Ok(effective_environment(&self.environment, text))
    }
}
