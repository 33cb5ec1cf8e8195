//! The project as dbt parsed it, compared with the baseline as it now is.

use super::open::Opened;
use super::values::Values;
use crate::dbt::manifest::Manifest;
use crate::decide::comparison::Comparison;
use crate::decide::needs::Inputs;
use anyhow::Result;

impl Opened<'_> {
    /// Where the values come from that the nodes read.
    pub(super) fn values(&self) -> Values {
        Values::new(self.session, &self.baseline.salt)
    }

    /// Compare a manifest that dbt has written. `old` is the text of the baseline.
    ///
    /// # Errors
    /// The text is not a manifest that we know, or what its nodes read cannot be established.
    pub(super) fn compare<'m, 'b>(
        &self,
        text: &'m str,
        old: Option<&'b str>,
    ) -> Result<Comparison<'m, 'b>> {
        let manifest = Manifest::read(text)?;
        let inputs = self.values().fingerprints(&manifest)?;
        Ok(self.compare_values(manifest, inputs, old))
    }

    /// The same with fingerprints that are known.
    pub(super) fn compare_values<'m, 'b>(
        &self,
        manifest: Manifest<'m>,
        inputs: Inputs,
        old: Option<&'b str>,
    ) -> Comparison<'m, 'b> {
        let before = old.and_then(|text| Manifest::read(text).ok());
        let mut now = Comparison::of(&self.baseline, before, manifest, inputs);
        now.settle(&self.settled);
        now
    }
}
