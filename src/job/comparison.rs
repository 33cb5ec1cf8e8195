//! The project as dbt parsed it, held against the baseline.
//!
//! Made once after each parse and used by every step, since a large project's manifest takes
//! longer to read than all that is decided from it.

use super::Job;
use crate::dbt::compare::Needs;
use crate::dbt::compare::Reason;
use crate::dbt::manifest::Manifest;
use crate::decide::needs::{self, Before, Inputs, Now, Scope};
use crate::exit::Failure;
use crate::graph::Graph;
use anyhow::Result;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why a node waits that a full run did not come to.
const NOT_YET: &str = "not yet built in the full run";

/// What a parse says of the project, and what of it has to be built.
pub(super) struct Comparison<'m> {
    pub(super) manifest: Manifest<'m>,
    /// The nodes that dbt can build or test.
    pub(super) graph: Graph,
    /// The fingerprints of what each node reads.
    pub(super) inputs: Inputs,
    /// What differs from the baseline.
    pub(super) needs: Needs,
}

impl Comparison<'_> {
    /// What counts as unbuilt in this scope.
    pub(super) fn needs_in(&self, scope: &Scope) -> Cow<'_, Needs> {
        let Scope::Everything(types) = scope else { return Cow::Borrowed(&self.needs) };
        let mut needs = self.needs.clone();
        for (id, member) in self.graph.iter() {
            if types.contains(member.role.resource_type()) {
                needs.entry(id.clone()).or_insert_with(|| vec![Reason::Pending(NOT_YET.into())]);
            }
        }
        Cow::Owned(needs)
    }
}

impl Job<'_> {
    /// Compare a manifest that dbt has just written with the baseline as it now is.
    ///
    /// # Errors
    /// The text is no manifest that we know, or what its nodes read cannot be established.
    pub(super) fn compared<'m>(&self, text: &'m str) -> Result<Comparison<'m>> {
        let manifest = Manifest::read(text)?;
        let inputs = self.outside().inputs(&manifest)?;
        Ok(self.comparison(manifest, inputs))
    }

    /// The same with fingerprints that are known.
    pub(super) fn comparison<'m>(&self, manifest: Manifest<'m>, inputs: Inputs) -> Comparison<'m> {
        let graph = manifest.graph();
        let old = self.before();
        let before = Before { manifest: old.as_ref(), nodes: &self.baseline.nodes };
        let now = Now { manifest: &manifest, graph: &graph, inputs: &inputs };
        let needs = needs::needs(before, now);
        Comparison { manifest, graph, inputs, needs }
    }

    /// A view of the baseline.
    pub(super) fn before(&self) -> Option<Manifest<'_>> {
        Manifest::read(self.baseline.manifest.as_deref()?).ok()
    }

    /// As [`needs::built_before`]. The baseline is read for it only if it is asked for something.
    pub(super) fn built_before(&self, inputs: &Inputs, ids: &[&str]) -> BTreeMap<String, String> {
        let old = (!ids.is_empty()).then(|| self.before()).flatten();
        let before = Before { manifest: old.as_ref(), nodes: &self.baseline.nodes };
        needs::built_before(before, inputs, ids)
    }

    /// As [`Job::compared`], before anything is built: a refusal.
    pub(super) fn compared_or_refused<'m>(&self, text: &'m str) -> Result<Comparison<'m>, Failure> {
        self.compared(text).map_err(Failure::refused)
    }
}
