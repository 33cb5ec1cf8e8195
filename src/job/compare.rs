//! The exact comparison: parse, compare, and tell dbt what to build.

use super::comparison::Comparison;
use super::writable::refuse_unwritable;
use super::{Job, Words, artifacts, knows_selector_method};
use crate::dbt::command::{CHANGED, Flag, Opt};
use crate::dbt::compare::Needs;
use crate::dbt::manifest::{Manifest, begun_by, dbt_version_of};
use crate::dbt::results;
use crate::dbt::results::Outcome;
use crate::decide::needs::Scope;
use crate::decide::skip::Ending;
use crate::exit::Failure;
use crate::graph::Graph;
use crate::os::commit;
use crate::os::supervise::Stdout;
use crate::report;
use crate::trees::IntoTree;
use anyhow::{Context, anyhow};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

impl Job<'_> {
    /// `dbt parse`, into the target path of the run so that the run starts warm; the text
    /// of its manifest, or the code that dbt ended with.
    pub(super) fn parse(&mut self) -> Result<Result<String, u8>, Failure> {
        if let Some(parsed) = self.parsed.take() {
            return Ok(Ok(parsed));
        }
        refuse_unwritable(&self.project.target_path)?;
        let before = artifacts::invocation(&self.project.target_path);
        let code = self.start(self.parsing(), Stdout::ToStderr)?;
        if code != 0 {
            return Ok(Err(code));
        }
        let path = self.project.target_path.join("manifest.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("dbt parse succeeded, but {} cannot be read", path.display()))
            .map_err(Failure::refused)?;
        if begun_by(&text) == before {
            return Err(Failure::refused(anyhow!(
                "dbt parse left {} as it was, so that what changed cannot be told; nothing was built\n  \
                 what to do:\n    \
                 dbt-entrypoint … --target-path DIR     (say where this dbt writes its artifacts)\n    \
                 dbt-entrypoint --no-state …     (dbt alone, without state)",
                path.display()
            )));
        }
        Ok(Ok(text))
    }

    fn parsing(&self) -> Vec<OsString> {
        let mut words = self.command.as_parse();
        words.extend(self.afresh());
        if !self.command.gives(Opt::LogPath) {
            words.extend(["--log-path".into(), self.scratch().join("parse").into_os_string()]);
        }
        words
    }

    /// dbt trusts the times of files in a partial-parse file that it finds, and images
    /// normalise them: what was not written just now is not used.
    pub(super) fn afresh(&self) -> Vec<OsString> {
        let found = self.project.target_path.join("partial_parse.msgpack").exists();
        found.then(|| "--no-partial-parse".into()).into_iter().collect()
    }

    /// The nodes to be built that this command can build; the others are told.
    pub(super) fn wanted(&mut self, now: &Comparison<'_>) -> BTreeSet<String> {
        let graph = &now.graph;
        self.summary.pending = report::pending(&now.needs, graph);
        let (wanted, others): (Needs, Needs) =
            now.needs.clone().into_iter().partition(|(id, _)| self.can_build(graph, id));
        if self.is_held() {
            report::changes(&wanted, graph);
            report::not_for_this_command(&others, graph, self.command.subcommand());
        }
        wanted.into_keys().into_tree()
    }

    /// Whether nodes of this kind are built by the command.
    pub(super) fn can_build(&self, graph: &Graph, id: &str) -> bool {
        graph.role(id).is_some_and(|role| self.command.builds(role.resource_type()))
    }

    /// dbt's command line for building `wanted` and whatever is downstream of it.
    pub(super) fn selecting(
        &mut self,
        now: &Comparison<'_>,
        wanted: &BTreeSet<String>,
    ) -> Result<Words, Failure> {
        let parsed = &now.manifest;
        let warm = self.command.flag(Flag::PartialParse).or(self.project.project.partial_parse)
            != Some(false);
        let term = self.within_default(knows_selector_method(parsed.dbt_version()), CHANGED)?;
        let Some(term) = term.filter(|_| warm) else {
            return self.selecting_by_name(now, wanted);
        };
        let state = self.comparison_copy(parsed, wanted)?;
        Ok(Words::Run(self.command.selecting(&[term], Some(&state))))
    }

    /// The selection `to`, intersected with the project's default selector: any selection or
    /// exclusion switches that off (dbt 1.8 to 1.12). `None` where dbt does not know such
    /// intersections.
    pub(super) fn within_default(
        &self,
        knows: bool,
        to: &str,
    ) -> Result<Option<OsString>, Failure> {
        Ok(match self.default_selector()? {
            None => Some(to.into()),
            Some(name) => knows.then(|| format!("selector:{name},{to}").into()),
        })
    }

    /// The selector that dbt takes where the user neither selects nor excludes.
    pub(super) fn default_selector(&self) -> Result<Option<String>, Failure> {
        match self.command.excludes() {
            true => Ok(None),
            false => self.project.default_selector().map_err(Failure::refused),
        }
    }

    /// Where dbt cannot be trusted with the comparison, or would lose the project's default
    /// selector by it, the nodes are named one by one.
    fn selecting_by_name(
        &mut self,
        now: &Comparison<'_>,
        wanted: &BTreeSet<String>,
    ) -> Result<Words, Failure> {
        let mut named = now.graph.with_descendants(wanted);
        if self.default_selector()?.is_some() {
            match self.list()? {
                Ok(listed) => named.retain(|id| listed.contains(id)),
                Err(code) => return Ok(Words::Failed(code)),
            }
        }
        if named.is_empty() {
            return Ok(Words::Nothing);
        }
        let terms: Vec<OsString> =
            now.manifest.selection_terms(&named).into_iter().map(OsString::from).collect();
        let words = self.command.selecting(&terms, None);
        Ok(Words::Run(
            self.command.with_in(&words, &["--indirect-selection".into(), "empty".into()]),
        ))
    }

    /// The `unique_id`s of the project's default selector, by `dbt ls`.
    pub(super) fn list(&mut self) -> Result<Result<BTreeSet<String>, u8>, Failure> {
        if self.is_held() {
            commit::write_file(&self.state, "run/ls.jsonl", b"").map_err(Failure::unwritable)?;
        }
        let path = self.scratch().join("ls.jsonl");
        let file =
            std::fs::File::create(&path).map_err(|error| Failure::unwritable(error.to_string()))?;
        let code = self.start(self.command.as_list(), Stdout::File(file))?;
        if code != 0 {
            return Ok(Err(code));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|error| Failure::internal(error.to_string()))?;
        Ok(Ok(results::listed(&text)))
    }

    /// A directory with nothing but a `manifest.json`: the parsed one less `wanted`.
    pub(super) fn comparison_copy(
        &self,
        parsed: &Manifest<'_>,
        wanted: &BTreeSet<String>,
    ) -> Result<PathBuf, Failure> {
        let mut copy = |out: &mut dyn Write| parsed.write_without(wanted, out);
        commit::write_file_by(&self.state, "run/baseline/manifest.json", &mut copy)
            .map_err(Failure::unwritable)?;
        Ok(self.scratch().join("baseline"))
    }

    /// Nothing is to be built. A baseline of another dbt version, or without a record, is
    /// still replaced by the same nodes as they are written now: later comparisons are
    /// then exact.
    pub(super) fn carry_over(&mut self, now: &Comparison<'_>) -> Result<(), Failure> {
        let old = self.baseline.manifest.as_deref().and_then(dbt_version_of);
        let same_version = old.as_deref() == Some(now.manifest.dbt_version());
        if same_version && self.baseline.recorded {
            return match self.leaves_something_untold(now) {
                true => Ok(()),
                false => self.settle_in_place(&now.graph),
            };
        }
        let reservation = self.reserve()?;
        let end = (&Scope::Changes, &Ending::NothingToBuild);
        self.record(reservation, now, &Outcome::new(), end, false)
    }

    /// Whether something changed that this command does not build and the record does not
    /// tell: the next start is to find it again.
    fn leaves_something_untold(&self, now: &Comparison<'_>) -> bool {
        let told =
            |id: &String| self.baseline.nodes.get(id).is_some_and(|node| node.pending.is_some());
        now.needs.keys().any(|id| !now.graph.is_test(id) && !told(id))
    }
}
