//! Doubts that dbt can settle: a node differs from the baseline in a way that may not matter, and
//! `dbt compile` shows whether it does.
//!
//! The record of a node holds a digest of the code that it was last built from (`compiled_code`). If
//! the node compiles to that code again, and its differences could not show anywhere else
//! ([`ByCompiledCode`]), then building it would put the same into the warehouse, and it does not have
//! to be built. Whatever cannot be settled in this way counts as changed.

use crate::dbt::command::{Command, Flag};
use crate::dbt::compare::{ByCompiledCode, Reason};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::needs;
use crate::decide::record::NodeRecord;
use crate::digest::Pieces;
use crate::graph::{Graph, Role};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// Which differences dbt is asked to settle (`--settle`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Only those that may not matter, such as a variable whose name is computed.
    Doubt,
    /// Changes of code, macros and values as well.
    Changes,
}

/// How long `dbt compile` takes in a project of 500 models, in seconds. dbt is not asked where less
/// than that can be spared.
const COMPILE_SECONDS: f64 = 5.0;

/// How long a build is taken to last whose time is not known, because the node was adopted.
const UNKNOWN_SECONDS: f64 = 600.0;

/// What `dbt compile` can settle.
#[derive(Debug, Default, PartialEq)]
pub struct Doubts {
    /// By the `unique_id` of a changed node: the nodes whose compiled code shows whether it matters.
    /// That is the node itself, or for an ephemeral model the nodes that it is compiled into.
    shown_by: BTreeMap<String, BTreeSet<String>>,
    /// How long it took to build what would not be built, in seconds.
    pub seconds: f64,
}

impl Doubts {
    /// The doubts about a project, if this command can leave out what they are about.
    #[must_use]
    pub fn about(
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
        command: &Command,
        settle: Settle,
    ) -> Self {
        let is_plain = command.unreal_option().is_none()
            && !command.refreshes()
            && command.flag(Flag::Defer) != Some(true);
        let candidates = candidates(now, baseline, settle);
        let Some(before) = now.before.as_ref().filter(|_| is_plain && !candidates.is_empty())
        else {
            return Self::default();
        };
        let question = Question {
            now,
            baseline,
            by_code: ByCompiledCode::new(before, &now.manifest),
            candidates: &candidates,
        };
        let shown_by: BTreeMap<String, BTreeSet<String>> = candidates
            .iter()
            .filter_map(|id| Some(((*id).to_owned(), question.shown_by(id)?)))
            .into_tree();
        let seconds = seconds_spared(now, baseline, &shown_by);
        Self { shown_by, seconds }
    }

    /// Whether asking dbt may spare more than it costs.
    #[must_use]
    pub fn is_worth_asking(&self) -> bool {
        !self.shown_by.is_empty() && self.seconds > COMPILE_SECONDS
    }

    /// How many changed nodes are in doubt.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shown_by.len()
    }

    /// The nodes to compile.
    #[must_use]
    pub fn to_compile(&self) -> BTreeSet<String> {
        self.shown_by.values().flatten().cloned().into_tree()
    }

    /// The changed nodes that do not have to be built: everything that shows them compiles to what it
    /// was built from. `compiled` are the digests of the compiled code now
    /// ([`crate::dbt::results::NodeResult::code`]).
    #[must_use]
    pub fn settled(
        &self,
        compiled: &BTreeMap<String, String>,
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
    ) -> BTreeSet<String> {
        let is_as_built = |id: &String| {
            let code = compiled.get(id).map(|code| code_digest(now, baseline, code));
            code.is_some() && code == baseline.nodes.get(id).and_then(|node| node.code.clone())
        };
        let settled = self.shown_by.iter().filter(|(_, nodes)| nodes.iter().all(is_as_built));
        settled.map(|(id, _)| id.clone()).into_tree()
    }
}

/// What stands on the volume for the compiled code of a node: code holds the values of variables, so
/// the digest is salted. Code of another minor version of dbt is never taken for the same.
#[must_use]
pub fn code_digest(now: &Comparison<'_, '_>, baseline: &Baseline, code: &str) -> String {
    let (schema, minor) = now.manifest.generation();
    let mut digest = Pieces::new();
    for piece in [&baseline.salt, "code", minor, &schema.to_string(), code] {
        digest.add(piece.as_bytes());
    }
    digest.short_hex(16)
}

/// The models whose relation follows from their compiled code and configuration: a digest of that code
/// settles later doubts about them.
#[must_use]
pub fn shown_by_code(now: &Comparison<'_, '_>) -> BTreeSet<String> {
    let by_code = ByCompiledCode::new(&now.manifest, &now.manifest);
    let is_shown =
        |id: &&str| now.graph.role(id) == Some(Role::Model) && by_code.values_around(id).is_some();
    let ids = now.manifest.nodes().map(|(id, _)| id);
    ids.filter(is_shown).map(str::to_owned).into_tree()
}

/// The changed nodes that dbt may be asked about, going by the reasons alone.
fn candidates<'n>(
    now: &'n Comparison<'_, '_>,
    baseline: &Baseline,
    settle: Settle,
) -> BTreeSet<&'n str> {
    let is_candidate = |id: &str, reasons: &[Reason]| {
        let is_model = matches!(now.graph.role(id), Some(Role::Model | Role::Ephemeral));
        let is_built = baseline.nodes.get(id).is_some_and(|node| node.pending.is_none());
        is_model && is_built && reasons.iter().all(|reason| can_settle(reason, settle))
    };
    let found = now.needs.iter().filter(|(id, reasons)| is_candidate(id, reasons));
    found.map(|(id, _)| id.as_str()).into_tree()
}

/// Whether compiled code can show that this difference does not matter.
fn can_settle(reason: &Reason, settle: Settle) -> bool {
    let shows_in_code =
        matches!(reason, Reason::Body | Reason::Macro(..) | Reason::Env(_) | Reason::Var(_));
    reason.is_doubt() || (settle == Settle::Changes && shows_in_code)
}

struct Question<'q, 'm, 'b> {
    now: &'q Comparison<'m, 'b>,
    baseline: &'q Baseline,
    by_code: ByCompiledCode<'q, 'q>,
    candidates: &'q BTreeSet<&'q str>,
}

impl Question<'_, '_, '_> {
    /// The nodes whose compiled code shows whether this one has to be built; `None` if nothing does.
    fn shown_by(&self, id: &str) -> Option<BTreeSet<String>> {
        let readers = match self.now.graph.role(id)? {
            Role::Ephemeral => compiled_into(&self.now.graph, id),
            Role::Model | Role::Seed | Role::Snapshot | Role::Function | Role::Test => {
                BTreeSet::from([id.to_owned()])
            }
        };
        let shown = self.is_shown(id) && readers.iter().all(|reader| self.shows(reader));
        (shown && !readers.is_empty()).then_some(readers)
    }

    /// Whether the compiled code of a node shows all that is compiled into it, and can be compared
    /// with that of its last build.
    fn shows(&self, id: &str) -> bool {
        let needed = self.now.needs.contains_key(id) && !self.candidates.contains(id);
        let has_code = |node: &NodeRecord| node.pending.is_none() && node.code.is_some();
        let mut parts = self.now.graph.inlined_into([id]).into_iter().chain([id]);
        !needed
            && self.baseline.nodes.get(id).is_some_and(has_code)
            && parts.all(|part| self.is_shown(part))
    }

    /// Whether everything in which this node differs would show in compiled code.
    fn is_shown(&self, id: &str) -> bool {
        let Some(around) = self.by_code.values_around(id) else { return false };
        let empty = BTreeMap::new();
        let recorded = self.baseline.nodes.get(id).map_or(&empty, |node| &node.inputs);
        let values = self.now.inputs.get(id).unwrap_or(&empty);
        let differs = |name: &String| {
            recorded.get(name).is_some_and(|before| values.get(name) != Some(before))
        };
        !around.iter().any(differs)
    }
}

/// The nodes with a relation that an ephemeral model is compiled into.
fn compiled_into(graph: &Graph, id: &str) -> BTreeSet<String> {
    let children = graph.children();
    let mut found = BTreeSet::new();
    let (mut seen, mut open) = (BTreeSet::from([id]), vec![id]);
    while let Some(next) = open.pop() {
        for child in children.get(next).into_iter().flatten().copied() {
            match graph.role(child) {
                Some(Role::Test) | None => {}
                Some(Role::Ephemeral) if seen.insert(child) => open.push(child),
                Some(Role::Ephemeral) => {}
                Some(_) => drop(found.insert(child.to_owned())),
            }
        }
    }
    found
}

/// How long the last builds took of what would be built for these nodes alone, in seconds.
fn seconds_spared(
    now: &Comparison<'_, '_>,
    baseline: &Baseline,
    doubted: &BTreeMap<String, BTreeSet<String>>,
) -> f64 {
    let ids = |wanted: bool| {
        let chosen = now.needs.keys().filter(|id| doubted.contains_key(*id) == wanted);
        now.graph.with_descendants(&chosen.cloned().into_tree())
    };
    let built_anyway = ids(false);
    let is_spared = |id: &String| now.graph.is_built(id) && !built_anyway.contains(id);
    let spared = ids(true).into_iter().filter(is_spared);
    let records = spared.filter_map(|id| baseline.nodes.get(&id));
    records.fold(0.0, |sum, node| sum + node.seconds.unwrap_or(UNKNOWN_SECONDS))
}

/// The digest of everything that was compared of each settled node, so that a later parse of the same
/// start is taken for the same project only where it is.
#[must_use]
pub fn fingerprints(
    now: &Comparison<'_, '_>,
    settled: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let ids: Vec<&str> = settled.iter().map(String::as_str).collect();
    needs::fingerprints(&now.manifest, &now.inputs, &ids)
}
