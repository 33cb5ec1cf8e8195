//! `invalidate`: nodes that the next run builds again, by taking them out of the baseline.

use super::Answer;
use crate::cli::Config;
use crate::dbt::manifest::Manifest;
use crate::decide::origin::Origin;
use crate::decide::record::Record;
use crate::decide::start::Found;
use crate::exit::Failure;
use crate::graph::Graph;
use crate::os::clock;
use crate::os::supervise::Supervisor;
use crate::run;
use crate::store::Commit;
use crate::trees::IntoTree;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeSet;
use std::io::Write;

/// What stands as the reason from now on.
const BY_HAND: &str = "invalidated by hand";

pub(super) fn invalidate(
    config: &Config,
    terms: &[String],
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let locked = run::hold(config, "dbt-entrypoint invalidate", supervisor)?;
    let stored = locked.look().map_err(Failure::refused)?;
    let text = match (stored.found, stored.manifest) {
        (Found::Baseline(_), Some(text)) => text,
        (found, _) => return Err(Failure::refused(without_baseline(&found))),
    };
    let manifest = Manifest::read(&text).map_err(Failure::refused)?;
    let mut record = match stored.record {
        Some(record) => record,
        None => super::kept::without_record(&text).map_err(Failure::internal)?,
    };
    let named = named(&manifest, &record, terms).map_err(Failure::refused)?;
    let is_change = named.iter().any(|id| manifest.node(id).is_some());
    mark(&mut record, &manifest, &named);
    if is_change {
        record.origin = Some(Origin::of_verb("invalidate", clock::now()));
    }
    let room = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let next = Commit {
        manifest: &mut |out: &mut dyn Write| manifest.write_without(&named, out),
        record: &record,
        retention: config.history,
        replaces: stored.digest.as_deref(),
        is_change,
        owes_publish: config.publish.is_some(),
    };
    locked.commit(locked.reserve(room)?, next)?;
    let lines: String = named.iter().map(|id| format!("  {id}\n")).collect();
    Ok(Answer::new(format!(
        "to be built again by the next run, with whatever is downstream:\n{lines}"
    )))
}

fn without_baseline(found: &Found) -> anyhow::Error {
    match found {
        Found::Empty => {
            anyhow!(
                "the volume is empty, so that the next run builds everything anyway\n  \
                 what to do:\n    dbt-entrypoint plan     (shows what)"
            )
        }
        Found::Damaged(why) | Found::Newer(why) => {
            anyhow!("{why}\n  what to do:\n    dbt-entrypoint status     (tells what there is)")
        }
        Found::Baseline(_) => anyhow!(
            "the baseline cannot be read\n  what to do:\n    dbt-entrypoint status     (tells what there is)"
        ),
    }
}

/// The nodes that the terms name, in the baseline or waiting to be built.
fn named(manifest: &Manifest<'_>, record: &Record, terms: &[String]) -> Result<BTreeSet<String>> {
    let graph = manifest.graph();
    let mut all = BTreeSet::new();
    for term in terms {
        let (bare, downstream) = match term.strip_suffix('+') {
            Some(bare) => (bare, true),
            None => (term.as_str(), false),
        };
        let mut found = one_term(manifest, &graph, record, bare);
        if found.is_empty() {
            bail!(
                "{term:?} names no node of the baseline; nothing was changed\n  \
                 what to do:\n    \
                 dbt-entrypoint ls --resource-type model     (names them; tag:NAME and path:PREFIX work too)"
            );
        }
        if downstream {
            found = graph.with_descendants(&found);
        }
        all.extend(
            found.into_iter().filter(|id| graph.is_built(id) || record.nodes.contains_key(id)),
        );
    }
    Ok(all)
}

fn one_term(
    manifest: &Manifest<'_>,
    graph: &Graph,
    record: &Record,
    term: &str,
) -> BTreeSet<String> {
    let present = graph.keys().filter(|id| manifest.is_matched_by(id, term));
    let is_named = |id: &&String| *id == term || id.rsplit('.').next() == Some(term);
    let absent = record.nodes.keys().filter(|id| !graph.contains_key(*id)).filter(is_named);
    present.chain(absent).cloned().into_tree()
}

fn mark(record: &mut Record, manifest: &Manifest<'_>, named: &BTreeSet<String>) {
    for id in named {
        let node = record.nodes.entry(id.clone()).or_default();
        node.pending = Some(BY_HAND.to_owned());
        node.built = None;
        if let Some(present) = manifest.node(id) {
            node.materialized = present.materialized().map(|kind| kind.0.into_owned());
        }
        if let Some(relation) = manifest.relation_name(id) {
            node.relation = Some(relation.to_owned());
        }
    }
}
