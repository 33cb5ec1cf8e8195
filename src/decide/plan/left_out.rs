//! What has to be built and is not, because the command builds no such nodes or leaves them out.

use super::Plan;
use crate::dbt::command::Command;
use crate::dbt::compare::Reason;
use crate::decide::comparison::Comparison;
use crate::trees::IntoTree;
use std::collections::BTreeSet;

impl Plan {
    /// The nodes that still have to be built after the run, with their reasons. Tests are left out,
    /// because they build nothing.
    pub fn left_for_later<'n>(
        &self,
        now: &'n Comparison<'_, '_>,
    ) -> impl Iterator<Item = (&'n String, &'n Vec<Reason>)> {
        now.needs.iter().filter(|(id, _)| {
            let is_left_out = self.left_out.contains(*id) && !self.wanted.contains(*id);
            !now.graph.is_test(id) && (is_left_out || self.others.contains_key(*id))
        })
    }
}

/// The nodes that the command builds by their type and that its selection leaves out. With the last
/// reader that dbt builds, an ephemeral model is left out too.
pub(super) fn left_out(
    now: &Comparison<'_, '_>,
    command: &Command,
    selected: Option<&BTreeSet<String>>,
) -> BTreeSet<String> {
    let Some(selected) = selected else { return BTreeSet::new() };
    let graph = &now.graph;
    let selected_readers = selected.iter().map(String::as_str).filter(|id| graph.is_built(id));
    let (read, read_here) = (graph.inlined(), graph.inlined_into(selected_readers));
    let is_left_out = |id: &&String| {
        let id = id.as_str();
        let is_idle = read.contains(id) && !read_here.contains(id);
        (is_idle || !selected.contains(id)) && now.is_built_by(command, id)
    };
    graph.keys().filter(is_left_out).cloned().into_tree()
}
