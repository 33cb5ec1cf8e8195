//! Has dbt compile the nodes of which it is in doubt whether they changed.

use super::driver::Driver;
use super::parse::Parsed;
use super::stage::Stage;
use super::start::Started;
use super::warm::PARTIAL_PARSE;
use crate::dbt::manifest::{Manifest, Node};
use crate::dbt::results::Results;
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::doubt::{self, Doubts};
use crate::exit::Failure;
use crate::os::private::PrivateDir;
use crate::os::supervise::{Running, Stdout};
use crate::say;
use crate::trees::IntoTree;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::time::Duration;

/// More nodes than these are not compiled, because their names might not fit on a command line
/// (execve(2): 6 MiB), and then the run would end.
const MOST_NODES: usize = 10_000;

/// Take the nodes out of the comparison that compile to what they were built from. A dbt that waits
/// goes on waiting. What cannot be settled counts as changed.
///
/// # Errors
/// 128+n where a signal asked to stop, 126 and 127 where dbt cannot be started.
pub(crate) fn settle(
    started: &mut Started<'_>,
    now: Option<&mut Comparison<'_, '_>>,
    parsed: &mut Parsed,
    driver: &mut Driver<'_>,
) -> Result<(), Failure> {
    let session = driver.session();
    let engine = |now: &Comparison<'_, '_>| session.engine.refined(now.manifest.dbt_version());
    let is_compared = started.approach.is_compared();
    let Some(now) = now.filter(|now| is_compared && engine(now).compiles_apart()) else {
        return Ok(());
    };
    let baseline = &started.opened.baseline;
    let doubts = Doubts::about(now, baseline, &session.command, session.config.settle);
    if !doubts.is_worth_asking() {
        return Ok(());
    }
    let stage = Stage::begin("settle");
    let at_most = Duration::from_secs_f64(doubts.seconds.clamp(30.0, 3600.0));
    say::compiling(doubts.to_compile().len());
    let compiled = match compile(&doubts.to_compile(), now, parsed.waiting(), driver, at_most) {
        Ok(compiled) => compiled,
        Err(Unsettled::Failed(failure)) => return parsed.guard(driver, Err(failure)),
        Err(Unsettled::Unknown(why)) => {
            say::not_settled(doubts.to_compile().len(), &why);
            return Ok(());
        }
    };
    let settled = doubts.settled(&compiled, now, baseline);
    stage.done(format!("settled: {} of {}", settled.len(), doubts.count()));
    say::settled(&settled, doubts.count());
    started.opened.settled = doubt::fingerprints(now, &settled);
    now.settle(&started.opened.settled);
    Ok(())
}

/// Why nothing could be settled.
enum Unsettled {
    /// The run ends.
    Failed(Failure),
    /// The nodes count as changed.
    Unknown(anyhow::Error),
}

impl From<anyhow::Error> for Unsettled {
    fn from(why: anyhow::Error) -> Self {
        Self::Unknown(why)
    }
}

/// What stands on the volume for the code of each node of an adopted project, by `unique_id`: it counts
/// as built from the code that it compiles to. Empty where dbt cannot tell; doubts about these nodes
/// cannot be settled then.
///
/// # Errors
/// As [`settle`].
pub(super) fn codes_of_project(
    now: &Comparison<'_, '_>,
    baseline: &Baseline,
    driver: &mut Driver<'_>,
) -> Result<BTreeMap<String, String>, Failure> {
    let nodes = doubt::shown_by_code(now);
    let session = driver.session();
    let can = session.engine.refined(now.manifest.dbt_version()).compiles_apart();
    if nodes.is_empty() || !can {
        return Ok(BTreeMap::new());
    }
    say::compiling_all(nodes.len());
    match compile(&nodes, now, None, driver, Duration::from_secs(3600)) {
        Ok(codes) => {
            let digest =
                |(id, code): (String, String)| (id, doubt::code_digest(now, baseline, &code));
            Ok(codes.into_iter().map(digest).into_tree())
        }
        Err(Unsettled::Failed(failure)) => Err(failure),
        Err(Unsettled::Unknown(why)) => {
            say::no_codes(&why);
            Ok(BTreeMap::new())
        }
    }
}

/// What stands for the compiled code of each of these nodes now, by `unique_id`.
fn compile(
    nodes: &BTreeSet<String>,
    now: &Comparison<'_, '_>,
    waiting: Option<&mut Running>,
    driver: &mut Driver<'_>,
    at_most: Duration,
) -> Result<BTreeMap<String, String>, Unsettled> {
    let session = driver.session();
    if nodes.len() > MOST_NODES {
        return Err(Unsettled::Unknown(anyhow!("they are too many")));
    }
    let private = PrivateDir::make(&session.config.environment)?;
    let target = session.target_path().map_err(Unsettled::Failed)?;
    let terms = now.manifest.selection_terms(nodes);
    let words = session.command.as_compile(&terms, &target.join(PARTIAL_PARSE), private.path());
    let stdout = File::create(private.path().join("stdout")).context("a temporary file")?;
    let code = driver.run_beside(waiting, words, Stdout::File(stdout), at_most);
    let code = code.map_err(Unsettled::Failed)?;
    if let Some(signal) = driver.stop_requested() {
        return Err(Unsettled::Failed(Failure::Stopped(signal)));
    }
    Ok(read_codes(&private, code, nodes, now)?)
}

/// Read what a `dbt compile` left.
///
/// # Errors
/// It failed, it parsed the project anew, or it did not compile each of the nodes as the project has
/// it.
fn read_codes(
    private: &PrivateDir,
    code: u8,
    nodes: &BTreeSet<String>,
    now: &Comparison<'_, '_>,
) -> Result<BTreeMap<String, String>> {
    ensure!(code == 0, "dbt compile ended with code {code}");
    if private.path().join(PARTIAL_PARSE).exists() {
        bail!("dbt compile parsed the project anew");
    }
    let read = |name: &str| {
        fs::read_to_string(private.path().join(name)).with_context(|| format!("no {name}"))
    };
    let results = Results::read(&read("run_results.json")?)?;
    let codes: BTreeMap<String, String> =
        results.codes().map(|(id, code)| (id.to_owned(), code.to_owned())).into_tree();
    let text = read("manifest.json")?;
    let compiled = Manifest::read(&text)?;
    for id in nodes {
        ensure!(codes.contains_key(id), "dbt compile says nothing of {id}");
        let code = |node: &Node<'_>| node.raw_code().into_owned();
        let same = compiled.node(id).map(code) == now.manifest.node(id).map(code);
        ensure!(same, "{id} was edited meanwhile");
    }
    Ok(codes)
}
