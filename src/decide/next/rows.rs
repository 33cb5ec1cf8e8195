//! Notes for the next record where nodes were last built, and which rows are those of earlier code.

use super::{Absence, BuiltInRun, Next};
use crate::dbt::compare::Needs;
use crate::dbt::manifest::Node;
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::needs;
use crate::decide::relations::{Occupant, Relations};
use std::collections::BTreeMap;

/// Why a node that cannot be made anew may lack rows.
const IN_PART: &str = "the build that made its relation was not complete";

impl Next {
    /// Note where absent nodes were last built, and which of them are half made.
    pub(super) fn note_relations(
        &mut self,
        relations: &Relations<'_, '_, '_>,
        baseline: &Baseline,
        refresh: bool,
    ) {
        let mut held = BTreeMap::new();
        for (id, node) in &mut self.nodes {
            let (current, last) = (relations.current(id), relations.last(id));
            let relation = match self.absent.get(id) {
                None
                | Some(Absence::Touched(_) | Absence::CutShort | Absence::ReadElsewhere(_)) => {
                    current
                }
                Some(Absence::NotThere(_) | Absence::Overwritten(_) | Absence::Dropped(..)) => None,
                Some(Absence::Waiting(_) | Absence::Overtaken(_)) => last,
            };
            held.extend(relation.map(|relation| (id.as_str(), relation)));
            node.materialized = match self.absent.get(id) {
                None
                | Some(Absence::NotThere(_) | Absence::Overwritten(_) | Absence::Dropped(..)) => {
                    None
                }
                Some(Absence::Touched(_) | Absence::CutShort) => relations.made(id),
                Some(Absence::ReadElsewhere(_)) => relations.makes(id),
                Some(Absence::Waiting(_) | Absence::Overtaken(_)) => relations.materialized(id),
            };
            let Some(absence) = self.absent.get(id).filter(|_| current.is_some()) else { continue };
            node.relation = relation.map(str::to_owned);
            node.unbuilt = relation.is_none()
                && (last.is_some() || baseline.nodes.get(id).is_none_or(|old| old.unbuilt));
            node.half_made = match absence {
                Absence::Touched(_) | Absence::CutShort => relations.is_left_half_made(id, refresh),
                Absence::NotThere(_)
                | Absence::Overwritten(_)
                | Absence::ReadElsewhere(_)
                | Absence::Dropped(..) => false,
                Absence::Waiting(_) | Absence::Overtaken(_) => node.half_made,
            };
        }
        self.left = relations.left(&held);
    }

    /// Note which nodes keep rows of earlier code, and what changed in those that are still to be
    /// built.
    pub(super) fn note_old_rows(
        &mut self,
        now: &Comparison<'_, '_>,
        relations: &Relations<'_, '_, '_>,
        baseline: &Baseline,
        built: &BuiltInRun<'_>,
        needs: &Needs,
        refresh: bool,
    ) {
        let refreshes = |id: &str, _: Option<&str>| {
            refresh && now.manifest.node(id).is_some_and(Node::is_made_anew)
        };
        let (mut changes, _) =
            needs::changes(&now.graph, needs, &baseline.nodes, |id| built.contains(id), refreshes);
        for (id, node) in &mut self.nodes {
            let change = changes.remove(id.as_str());
            let worked_on = now.manifest.node(id).filter(|_| built.outcome.contains_key(id));
            if let Some(node_now) = worked_on.filter(|node| node.keeps_rows(refresh)) {
                let old = baseline.nodes.get(id).and_then(|old| old.altered.clone());
                let stays = relations.found(id) != Occupant::Nothing;
                let in_part = || {
                    (!node_now.is_made_anew() && relations.is_half_made(id))
                        .then(|| IN_PART.to_owned())
                };
                node.altered = relations
                    .outdated_rows(id, change.as_deref())
                    .or_else(|| old.filter(|_| stays))
                    .or_else(in_part);
            }
            match self.absent.get(id) {
                // Its rows are not those of its parents.
                Some(absence @ Absence::ReadElsewhere(_)) => {
                    node.outdated = Some(absence.to_string());
                }
                Some(_) => node.outdated = change,
                None => {}
            }
        }
    }
}
