//! Compares the warehouse with the baseline, and takes out of the baseline what is not there.

use super::ask::ask;
use super::commit::Ran;
use super::driver::Driver;
use super::open::Opened;
use super::recover;
use crate::dbt::asked::Ask;
use crate::dbt::command::Selection;
use crate::dbt::manifest::Manifest;
use crate::decide::origin::Origin;
use crate::decide::relations::{self, Relations};
use crate::decide::start::{self, Mode, OnEmpty, Start};
use crate::decide::summary::Summary;
use crate::decide::warehouse::{Claim, Look, SeenAfter, Verify, claims, waiting};
use crate::exit::{Failure, Refusal};
use crate::os::clock;
use crate::say;
use crate::session::Session;
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
        let (look, _) = look(driver, &claims, &waiting(&manifest, &self.baseline.nodes))?;
        if record {
            self.record(&look, &text)?;
        }
        Ok(look)
    }

    /// With `--verify`, ask after a run that may have taken relations along: one that dropped what views
    /// read, a `--full-refresh`, or a part of the project. What cannot be asked is guessed.
    pub(super) fn ask_after(&mut self, ran: &mut Ran<'_, '_>, driver: &mut Driver<'_>) {
        let Session { config, command, .. } = driver.session();
        let asks = config.verify != Verify::Never && self.access.held().is_some();
        if !asks || driver.stop_requested().is_some() {
            return;
        }
        let is_built = |id: &str| relations::is_built(&ran.outcome, id);
        let guess = Relations::of(&ran.now, &self.baseline).dropped(&ran.outcome, ran.refresh);
        let is_part = *command.selection() != Selection::None || command.excludes() || ran.refresh;
        let builds = || ran.outcome.keys().any(|id| ran.now.graph.is_built(id));
        if guess.keys().all(|id| is_built(id)) && !(is_part && builds()) {
            return;
        }
        // Everything that the next baseline can claim.
        let all =
            SeenAfter { there: ran.now.graph.keys().cloned().into_tree(), ..SeenAfter::default() };
        let next = ran.next(&self.baseline, Some(&all));
        let mut claims = claims(&ran.now.manifest);
        claims.retain(|claim| !next.absent.contains_key(&claim.id));
        let mut waiting = waiting(&ran.now.manifest, &next.nodes);
        // It is no wonder if those are missing.
        let is_guessed = |claim: &mut Claim| guess.contains_key(&claim.id) && !is_built(&claim.id);
        waiting.extend(claims.extract_if(.., is_guessed));
        if claims.iter().chain(&waiting).all(|claim| is_built(&claim.id)) {
            return;
        }
        match look(driver, &claims, &waiting) {
            Ok((look, types)) => {
                if !look.wrong.is_empty() {
                    say::not_there(&look.wrong);
                }
                self.baseline.verified_at = Some(clock::now());
                ran.asked = Some(look.asked(&claims, &waiting, &types));
            }
            Err(failure) => say::taken_along_is_guessed(&failure),
        }
    }

    fn record(&mut self, look: &Look, text: &Arc<String>) -> Result<(), Failure> {
        self.baseline.verified_at = Some(clock::now());
        for (id, wrong) in look.wrong.iter().chain(&look.lost) {
            let old = self.baseline.nodes.remove(id).unwrap_or_default();
            self.baseline.nodes.insert(id.clone(), wrong.record(old));
        }
        if look.wrong.is_empty() {
            self.write_record();
            return Ok(());
        }
        say::not_there(&look.wrong);
        let absent: BTreeSet<String> = look.wrong.iter().map(|(id, _)| id.clone()).into_tree();
        let reservation = self.reserve(None)?;
        let manifest = Manifest::read(text).map_err(Failure::refused)?;
        let origin = Origin::of_verb("verify", clock::now());
        self.save(reservation, &manifest, absent, Some(origin))
    }
}

/// Ask for the claims and the waiting ones; what that comes to, and the types.
fn look(
    driver: &mut Driver<'_>,
    claims: &[Claim],
    waiting: &[Claim],
) -> Result<(Look, Vec<Option<String>>), Failure> {
    let addresses: Vec<_> = claims.iter().chain(waiting).map(|claim| &claim.address).collect();
    say::asking_the_warehouse(addresses.len());
    let types = ask(driver, Ask::Type, &addresses)?;
    let look = Look::of(claims, waiting, &types);
    let reasons = look.not_believed(driver.session().config.max_missing);
    match reasons.is_empty() {
        true => Ok((look, types)),
        false => Err(Failure::refused(not_believed(&reasons))),
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
