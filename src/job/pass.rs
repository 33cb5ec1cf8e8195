//! One run of dbt, and the commit of what it built.

use super::Job;
use super::artifacts::{self, Artifacts};
use super::comparison::Comparison;
use super::outside::Outside;
use super::publish;
use super::recover::Intent;
use super::writable::refuse_unwritable;
use crate::dbt::command::{Command, STATE_VARIABLES, Selection};
use crate::dbt::engine::Engine;
use crate::dbt::manifest::is_whole;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::baseline::{self, Absence};
use crate::decide::needs::{self, Scope};
use crate::decide::record::{self, FORMAT, NodeRecord, Record};
use crate::decide::skip::Ending;
use crate::environment::Environment;
use crate::exit::Failure;
use crate::os::clock;
use crate::os::commit::{self, Reservation, Writer};
use crate::os::follow::{self, Follower};
use crate::os::supervise::{Child, Policy, Stdout, Variables};
use crate::report;
use crate::trees::IntoTree;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Room asked for where the size of the next manifest is not known yet.
const FIRST_MANIFEST: u64 = 8 << 20;

/// What a run was meant to be, and dbt's code.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) scope: &'a Scope,
    pub(super) refresh: bool,
    pub(super) code: u8,
}

/// A run of dbt of which the volume knows.
pub(super) struct Begun {
    reservation: Option<Reservation>,
    /// The invocation that wrote the manifest that was there before.
    pub(super) before: Option<String>,
    intent: Intent,
    /// Of a run that reaches its nodes.
    follower: Option<Follower>,
}

impl Begun {
    /// Keep the manifest of the run, once it builds something.
    fn follow(&mut self, target: &Path, outside: Outside) {
        self.follower = Some(follow::copy_once_begun(
            &self.intent.log(),
            &target.join("manifest.json"),
            self.intent.state(),
            move |manifest| outside.describe(manifest),
        ));
    }

    /// Keep this one, which has been compared.
    pub(super) fn keep(&mut self, text: &Arc<String>, description: Vec<u8>) {
        self.follower = Some(follow::copy(Arc::clone(text), description, self.intent.state()));
    }

    /// dbt's command line with its log as our journal.
    pub(super) fn journalled(
        &self,
        command: &Command,
        engine: &Engine,
        words: &[OsString],
    ) -> Vec<OsString> {
        self.intent.journalled(command, engine, words)
    }

    /// It came to nothing.
    pub(super) fn undone(self) -> Result<(), Failure> {
        self.intent.done()
    }
}

impl Job<'_> {
    /// Run dbt once with these words and commit what it built; dbt's own exit code.
    pub(super) fn pass(
        &mut self,
        words: Vec<OsString>,
        scope: &Scope,
        refresh: bool,
    ) -> Result<u8, Failure> {
        let mut begun = self.begin(scope, refresh)?;
        begun.follow(&self.project.target_path, self.outside());
        let words = begun.journalled(self.command, self.dbt.engine(), &words);
        let code = self.start(words, Stdout::Inherit)?;
        self.conclude_pass(begun, Run { scope, refresh, code })?;
        Ok(code)
    }

    /// Take the room, and say on the volume that dbt is about to run.
    pub(super) fn begin(&mut self, scope: &Scope, refresh: bool) -> Result<Begun, Failure> {
        refuse_unwritable(&self.project.target_path)?;
        let reservation = self.reserve()?;
        let before = artifacts::invocation(&self.project.target_path);
        let intent = self.intend(scope, refresh)?;
        Ok(Begun { reservation, before, intent, follower: None })
    }

    /// Commit what a dbt built that has ended, by the manifest that it left.
    pub(super) fn conclude_pass(&mut self, begun: Begun, run: Run<'_>) -> Result<(), Failure> {
        let Begun { reservation, before, intent, follower } = begun;
        drop(follower);
        let journal = artifacts::journal(&intent.log());
        let target = self.project.target_path.clone();
        let logged = journal.invocation_id.clone();
        for text in artifacts::manifests(before, logged, &target, intent.manifest()) {
            let saved = match self.compared(&text) {
                Ok(now) => {
                    let left = Artifacts::of(now.manifest.invocation_id(), &target, journal);
                    self.keep(reservation, &now, &left, run)
                }
                // dbt was killed while it wrote it.
                Err(_) if !is_whole(&text) => continue,
                Err(why) => Err(Failure::not_saved(why)),
            };
            told_first(saved, run.code)?;
            return intent.done();
        }
        report::nothing_begun(run.code);
        intent.done()
    }

    /// Commit what a dbt built that has ended, by the manifest that it was compared by.
    pub(super) fn conclude_compared(
        &mut self,
        begun: Begun,
        now: &Comparison<'_>,
        run: Run<'_>,
    ) -> Result<(), Failure> {
        let Begun { reservation, intent, follower, .. } = begun;
        drop(follower);
        let journal = artifacts::journal(&intent.log());
        let id = now.manifest.invocation_id();
        let left = Artifacts::of(id, &self.project.target_path, journal);
        told_first(self.keep(reservation, now, &left, run), run.code)?;
        intent.done()
    }

    fn keep(
        &mut self,
        reservation: Option<Reservation>,
        now: &Comparison<'_>,
        left: &Artifacts,
        run: Run<'_>,
    ) -> Result<(), Failure> {
        let mut outcome = left.outcome(&now.graph);
        if !run.refresh {
            self.distrust(&now.manifest, &mut outcome);
        }
        if let Some(flag) = self.command.unreal() {
            outcome.values_mut().for_each(|fate| *fate = Fate::Touched(flag));
        }
        self.doubt_seeds(now, &mut outcome);
        let ending = if run.code == 0 { Ending::Green } else { Ending::Open };
        self.record(reservation, now, &outcome, (run.scope, &ending), run.refresh)
    }

    /// A manifest holds the checksum of a seed as it was parsed; dbt loads the file later.
    fn doubt_seeds(&self, now: &Comparison<'_>, outcome: &mut Outcome) {
        let Some(Ok(contents)) = &self.contents else { return };
        let changed = |id: &str| {
            let node = now.manifest.node(id).filter(|node| &*node.resource_type == "seed")?;
            let directory = self.project.directory_of(&node.package_name)?;
            Some(!contents.is_still(&directory.join(&*node.original_file_path))?)
        };
        for (_, fate) in outcome.iter_mut().filter(|(id, _)| changed(id) == Some(true)) {
            *fate = Fate::Touched("its file was changed while dbt ran");
        }
    }

    /// Commit the baseline that follows from an outcome, and go on from it.
    pub(super) fn record(
        &mut self,
        reservation: Option<Reservation>,
        now: &Comparison<'_>,
        outcome: &Outcome,
        (scope, ending): (&Scope, &Ending),
        refresh: bool,
    ) -> Result<(), Failure> {
        let Comparison { manifest, graph, .. } = now;
        let (absent, nodes) = self.next(now, outcome, scope, refresh);
        let ids: BTreeSet<String> = absent.keys().cloned().into_tree();
        self.baseline.nodes = nodes;
        self.baseline.settled = self.settled(ending);
        let record = self.baseline_record();
        // The old text has served; a large project's is not held three times.
        (self.baseline.manifest, self.baseline.digest) = (None, None);
        let mut write = |out: &mut dyn Write| manifest.write_without(&ids, out);
        let text = match reservation {
            Some(reservation) => {
                publish::owe(self.config, &self.state)?;
                let saved = commit::commit(reservation, &mut write, &record)?;
                commit::prune_or_warn(&self.state, &saved.digest);
                report::saved(graph, outcome, &absent);
                self.tell_torn(manifest, outcome);
                self.baseline.digest = Some(saved.digest);
                saved.text
            }
            None => in_memory(&mut write).map_err(Failure::not_saved)?,
        };
        self.summary.add(graph, outcome, &absent);
        self.summary.altered = record::altered(&record.nodes);
        self.baseline.manifest = Some(text);
        self.baseline.recorded = true;
        Ok(())
    }

    /// The record of the baseline as we hold it.
    pub(super) fn baseline_record(&self) -> Record {
        Record {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").into(),
            written_at: clock::now(),
            identity: self.project.identity.clone(),
            salt: self.baseline.salt.clone(),
            nodes: self.baseline.nodes.clone(),
            settled: self.baseline.settled.clone(),
        }
    }

    fn next(
        &self,
        now: &Comparison<'_>,
        outcome: &Outcome,
        scope: &Scope,
        refresh: bool,
    ) -> (BTreeMap<String, Absence>, BTreeMap<String, NodeRecord>) {
        let Comparison { manifest, graph, inputs, .. } = now;
        let needs = now.needs_in(scope);
        let absent = baseline::absences(graph, &needs, outcome);
        let before = &self.baseline.nodes;
        let built = self.built_before(inputs, &baseline::asking_what_was_built(&absent));
        let mut nodes = baseline::node_records(graph, &absent, outcome, inputs, before, &built);
        for id in outcome.keys().chain(absent.keys().filter(|id| !outcome.contains_key(*id))) {
            let keeps = |refresh| manifest.node(id).is_some_and(|node| node.keeps_rows(refresh));
            let (old, now) = (before.get(id), needs.get(id).map(Vec::as_slice));
            let outdated = needs::outdates_rows(now.unwrap_or_default(), old);
            let Some(node) = nodes.get_mut(id).filter(|_| keeps(false)) else { continue };
            match outcome.get(id) {
                Some(_) if keeps(refresh) => {
                    node.altered = outdated.or_else(|| old?.altered.clone());
                }
                Some(Fate::Built(_)) => {}
                Some(Fate::Touched(_) | Fate::CutShort) | None => node.outdated = outdated,
            }
        }
        (absent, nodes)
    }

    /// Run dbt to its end and give its exit code, 128+n for a death by signal.
    pub(super) fn start(&mut self, args: Vec<OsString>, stdout: Stdout) -> Result<u8, Failure> {
        if let Some(signal) = self.supervisor.stop_requested() {
            return Err(Failure::Stopped(signal));
        }
        let environment = self.child_environment();
        let child = self.child(args, stdout, &environment);
        Ok(self.supervisor.run(child)?.end.exit_code())
    }

    /// dbt with these words.
    pub(super) fn child<'e>(
        &self,
        args: Vec<OsString>,
        stdout: Stdout,
        environment: &'e Environment,
    ) -> Child<'e> {
        Child {
            program: self.dbt.program().to_owned(),
            name: self.config.dbt.clone(),
            args,
            environment: Variables::These(environment),
            stdout,
            policy: Policy::dbt(self.config.stop_signal, self.config.stop_grace),
        }
    }

    /// `DBT_STATE` names our volume; it would mislead `dbt retry`, and dbt fails on a
    /// damaged file there even when the selection does not use it. Its other names beat even
    /// `--state`.
    pub(super) fn child_environment(&self) -> Environment {
        let mut environment = self.config.environment.clone();
        if *self.command.selection() != Selection::State {
            environment.retain(|name, _| !STATE_VARIABLES.iter().any(|variable| name == variable));
        }
        environment
    }

    /// Room for the next baseline; none where it is not going to be written.
    pub(super) fn reserve(&self) -> Result<Option<Reservation>, Failure> {
        match self.is_held() {
            true => commit::reserve(&self.state, self.room())
                .map(|room| room.keeping(self.config.history).replacing(&self.baseline.digest))
                .map(Some),
            false => Ok(None),
        }
    }

    /// Bytes to set aside: the comparison copy, the copy of the manifest, and the next
    /// baseline with its record.
    fn room(&self) -> u64 {
        let parsed = std::fs::metadata(self.project.target_path.join("manifest.json"));
        let parsed = parsed.map_or(FIRST_MANIFEST, |metadata| metadata.len());
        let baseline = self.baseline.manifest.as_ref().map_or(0, String::len);
        3 * parsed.max(u64::try_from(baseline).unwrap_or(u64::MAX / 4))
    }
}

/// dbt's own failure is the news; that it could not be recorded comes second.
fn told_first(saved: Result<(), Failure>, code: u8) -> Result<(), Failure> {
    match saved {
        Err(failure) if code != 0 => {
            report::not_saved(&failure);
            Ok(())
        }
        saved => saved,
    }
}

/// What would have been written, where nothing is.
fn in_memory(write: Writer<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}
