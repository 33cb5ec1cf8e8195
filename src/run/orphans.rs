//! Finds the relations that this program has built and that no node claims any more, and drops them
//! when it is told to.

use super::ask::ask;
use super::driver::Driver;
use super::open::Opened;
use super::parse::parse_alone;
use super::verify::usable;
use crate::dbt::asked::{Address, Ask};
use crate::dbt::manifest::Manifest;
use crate::decide::origin::Origin;
use crate::decide::orphans::{self, Earlier, Orphan, Whereabouts};
use crate::decide::record::LeftRelation;
use crate::decide::start;
use crate::exit::{Failure, Refusal};
use crate::os::clock;
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What to do with orphans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order<'o> {
    /// List them.
    List,
    /// List them with the statements that would drop them.
    Statements,
    /// Drop them, if they are those of this hash.
    Drop(&'o str),
}

/// The orphans of a project.
#[derive(Debug)]
pub(crate) struct Orphans {
    /// All of them, with how they were found before anything was dropped. Views come first, so that
    /// they go before what they read.
    pub(crate) all: Vec<(Orphan, Whereabouts)>,
    /// Those of them that can be dropped, by their positions.
    pub(crate) droppable: Vec<usize>,
    /// Stands for dropping them.
    pub(crate) hash: String,
    /// The statements that drop them, if they were asked for or carried out.
    pub(crate) statements: Vec<String>,
}

/// Find the orphans, and do what is ordered.
///
/// # Errors
/// 78 where the volume holds no usable baseline, the project cannot be parsed, dbt cannot ask or drop,
/// or other orphans are there than those of the hash; 73 and 74 where the volume gives out; and as for
/// every start of dbt.
pub(crate) fn orphans(
    opened: Opened<'_>,
    driver: &mut Driver<'_>,
    order: Order<'_>,
) -> Result<Orphans, Failure> {
    let mut opened = usable(opened, driver)?;
    opened.read_baseline()?;
    let text = parse_alone(&opened, driver)?.map_err(unparsable)?;
    let old = opened.baseline.manifest.clone();
    let old_text = old.as_deref().map(String::as_str);
    let now = opened.compare(&text, old_text).map_err(Failure::refused)?;
    let found = orphans::orphans(&now, &opened.baseline, &opened.earlier()?);
    let mut orphans = look(found, now.manifest.adapter_type(), driver)?;
    drop(now);
    let addresses: Vec<&Address> = orphans.chosen().map(|orphan| &orphan.address).collect();
    match order {
        Order::List => {}
        Order::Statements => {
            let said = ask(driver, Ask::DropStatement, &addresses)?;
            orphans.statements = said.into_iter().flatten().collect();
        }
        Order::Drop(hash) if hash != orphans.hash => {
            return Err(Failure::refused(not_approved(hash, &orphans.hash)));
        }
        Order::Drop(_) => {
            let said = ask(driver, Ask::Drop, &addresses)?;
            let left = ask(driver, Ask::Type, &addresses)?;
            opened.forget(&orphans, &left, old.as_ref())?;
            if let Some(at) = left.iter().position(Option::is_some) {
                return Err(Failure::refused(stays(orphans.chosen().nth(at))));
            }
            orphans.statements = said.into_iter().flatten().collect();
        }
    }
    Ok(orphans)
}

/// Ask where they are.
fn look(
    found: Vec<Orphan>,
    adapter: Option<&str>,
    driver: &mut Driver<'_>,
) -> Result<Orphans, Failure> {
    let addresses: Vec<&Address> = found.iter().map(|orphan| &orphan.address).collect();
    let types = ask(driver, Ask::Type, &addresses)?;
    let seen = |(orphan, found): (Orphan, Option<String>)| {
        let whereabouts = orphan.whereabouts(adapter, found.as_deref());
        (orphan, whereabouts)
    };
    let is_view = |found: &Whereabouts| *found == Whereabouts::There("view".into());
    let (mut all, mut others) = (Vec::new(), Vec::new());
    let counts = |(orphan, found): &(Orphan, Whereabouts)| {
        !orphan.is_earlier || matches!(found, Whereabouts::There(_))
    };
    for (orphan, found) in found.into_iter().zip(types).map(seen).filter(counts) {
        let group = if is_view(&found) { &mut all } else { &mut others };
        group.push((orphan, found));
    }
    all.append(&mut others);
    let is_droppable = |(orphan, found): &(Orphan, Whereabouts)| {
        matches!(found, Whereabouts::There(_)) && !orphan.is_written_to(adapter)
    };
    let droppable: Vec<usize> =
        (0..all.len()).filter(|at| all.get(*at).is_some_and(is_droppable)).collect();
    let chosen = droppable.iter().filter_map(|at| match all.get(*at)? {
        (orphan, Whereabouts::There(found)) => Some((orphan, found.as_str())),
        _ => None,
    });
    let hash = orphans::hash(chosen);
    Ok(Orphans { droppable, hash, all, statements: Vec::new() })
}

impl Orphans {
    fn chosen(&self) -> impl Iterator<Item = &Orphan> {
        self.droppable.iter().filter_map(|at| self.all.get(*at)).map(|(orphan, _)| orphan)
    }
}

impl Opened<'_> {
    /// What earlier baselines of this very place know. Those that cannot be read, or are of another place,
    /// say nothing.
    fn earlier(&self) -> Result<Earlier, Failure> {
        let (store, mut earlier) = (self.access.store(), Earlier::default());
        for entry in store.earlier().map_err(Failure::refused)? {
            let Ok((text, Some(record))) = store.read_earlier(&entry) else { continue };
            let is_here = start::foreign(&record.identity, self.identity()).is_none()
                && self.identity().differs_from(&record.identity) == Some(None);
            if let Some(manifest) = Manifest::read(&text).ok().filter(|_| is_here) {
                earlier.add(&manifest, record);
            }
        }
        earlier.forget(&self.baseline.dropped);
        Ok(earlier)
    }

    /// Forget those that are not there any more. `left` are the types of the chosen ones, after they
    /// were dropped; `text` is the baseline.
    fn forget(
        &mut self,
        orphans: &Orphans,
        left: &[Option<String>],
        text: Option<&Arc<String>>,
    ) -> Result<(), Failure> {
        let dropped = orphans.chosen().zip(left).filter(|(_, found)| found.is_none());
        let gone = orphans.all.iter().filter(|(_, found)| *found == Whereabouts::Gone);
        let all: Vec<&Orphan> =
            dropped.map(|(orphan, _)| orphan).chain(gone.map(|(orphan, _)| orphan)).collect();
        let earlier = self.earlier()?;
        self.baseline.dropped.retain(|name, _| earlier.knows(name));
        for orphan in &all {
            self.baseline.left.remove(&orphan.relation);
            let dropped = LeftRelation { since: Some(clock::now()), ..orphan.left.clone() };
            self.baseline.dropped.insert(orphan.relation.clone(), dropped);
        }
        let removed = all.iter().filter(|orphan| orphan.is_removed);
        let removed: BTreeSet<String> = removed.map(|orphan| orphan.left.node.clone()).into_tree();
        let manifest = text.map(|text| Manifest::read(text)).transpose();
        let manifest = manifest.map_err(Failure::refused)?;
        removed.iter().for_each(|id| drop(self.baseline.nodes.remove(id)));
        match manifest.filter(|manifest| removed.iter().any(|id| manifest.node(id).is_some())) {
            Some(manifest) => {
                let reservation = self.reserve(None)?;
                let origin = Origin::of_verb("orphans", clock::now());
                self.save(reservation, &manifest, removed, Some(origin))
            }
            None => self.put_record().map_err(Failure::not_saved),
        }
    }
}

fn not_approved(given: &str, now: &str) -> Refusal {
    Refusal::new(format!("--approve {given} is for other orphans; those that are there are {now}"))
        .meaning("nothing was dropped")
        .remedy("dbt-entrypoint orphans     (lists them with their hash)")
}

fn stays(orphan: Option<&Orphan>) -> Refusal {
    let relation = orphan.map_or("a relation", |orphan| orphan.relation.as_str());
    Refusal::new(format!("dbt was told to drop {relation}, and it is still there"))
        .meaning("what is not there any more is recorded")
        .remedy(
            "dbt-entrypoint orphans --sql     (prints the statements, to drop the rest by hand)",
        )
}

fn unparsable(code: u8) -> Failure {
    Failure::refused(
        Refusal::new(format!("dbt parse ended with code {code}"))
            .meaning("what the project claims is not known; nothing was dropped")
            .remedy("correct the project until `dbt parse` succeeds"),
    )
}
