//! Compares the warehouse with the baseline, and takes out of the baseline what is not there.

use super::ask::ask;
use super::driver::Driver;
use super::open::Opened;
use super::recover;
use crate::dbt::asked::Ask;
use crate::dbt::manifest::Manifest;
use crate::decide::origin::Origin;
use crate::decide::start::{self, Mode, OnEmpty, Start};
use crate::decide::summary::Summary;
use crate::decide::warehouse::{Look, claims};
use crate::exit::{Failure, Refusal};
use crate::os::clock;
use crate::say;
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Take up a run that was killed, and look. With `record`, what is missing becomes absent.
///
/// # Errors
/// 78 where the volume holds no usable baseline; otherwise as [`Opened::verify`].
pub(crate) fn verify(
    opened: Opened<'_>,
    driver: &mut Driver<'_>,
    record: bool,
) -> Result<Look, Failure> {
    usable(opened, driver)?.verify(driver, record)
}

/// Take up a run that was killed. For a verb that relies on the baseline.
///
/// # Errors
/// 78 where the volume holds no usable baseline; otherwise as `recover`.
pub(super) fn usable<'s>(
    opened: Opened<'s>,
    driver: &mut Driver<'_>,
) -> Result<Opened<'s>, Failure> {
    let start = start::start(&opened.found, opened.identity(), Mode::Auto, OnEmpty::Full);
    let (opened, is_recovered) = recover::recover(opened, &start, driver, &mut Summary::default())?;
    match start {
        Start::Refuse(refusal) if !is_recovered => Err(Failure::refused(refusal)),
        Start::Refuse(_)
        | Start::FirstPopulation
        | Start::Adopt
        | Start::Baseline
        | Start::Afresh => Ok(opened),
    }
}

impl Opened<'_> {
    /// Ask for everything that the baseline claims. With `record`, what is missing becomes absent, and
    /// the time of the look is noted.
    ///
    /// # Errors
    /// 78 where dbt cannot ask or the warehouse is not believed, 73 and 74 where the volume gives out,
    /// and as for every start of dbt.
    pub(super) fn verify(
        &mut self,
        driver: &mut Driver<'_>,
        record: bool,
    ) -> Result<Look, Failure> {
        self.read_baseline()?;
        let Some(text) = self.baseline.manifest.clone() else { return Ok(Look::default()) };
        let manifest = Manifest::read(&text).map_err(Failure::refused)?;
        let claims = claims(&manifest);
        if claims.is_empty() {
            return Ok(Look::default());
        }
        say::asking_the_warehouse(claims.len());
        let addresses: Vec<_> = claims.iter().map(|claim| &claim.address).collect();
        let look = Look::of(&claims, &ask(driver, Ask::Type, &addresses)?);
        let reasons = look.not_believed(driver.session().config.max_missing);
        if !reasons.is_empty() {
            return Err(Failure::refused(not_believed(&reasons)));
        }
        if record {
            self.record(&look, &text)?;
        }
        Ok(look)
    }

    fn record(&mut self, look: &Look, text: &Arc<String>) -> Result<(), Failure> {
        self.baseline.verified_at = Some(clock::now());
        if look.wrong.is_empty() {
            self.write_record();
            return Ok(());
        }
        say::not_there(&look.wrong);
        for (id, wrong) in &look.wrong {
            let old = self.baseline.nodes.remove(id).unwrap_or_default();
            self.baseline.nodes.insert(id.clone(), wrong.record(old));
        }
        let absent: BTreeSet<String> = look.wrong.iter().map(|(id, _)| id.clone()).into_tree();
        let reservation = self.reserve(None)?;
        let manifest = Manifest::read(text).map_err(Failure::refused)?;
        let origin = Origin::of_verb("verify", clock::now());
        self.save(reservation, &manifest, absent, Some(origin))
    }
}

fn not_believed(reasons: &[String]) -> Refusal {
    Refusal::new(reasons.join("\n"))
        .meaning(
            "a role without rights, or another warehouse, looks just like this; nothing was recorded and nothing was run",
        )
        .remedy("dbt debug     (shows as whom and where dbt connects)")
        .remedy("bring the warehouse back, if it is being restored")
        .remedy("dbt-entrypoint --max-missing 100% verify --record     (it is gone: the next run builds it)")
}
