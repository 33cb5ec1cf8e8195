//! What `dbt ls --output json --output-keys unique_id` lists.

use crate::trees::IntoTree;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Line {
    unique_id: String,
}

/// The `unique_id`s; a line that is not of that shape is dbt talking, and is ignored.
#[must_use]
pub fn listed(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.map(|line| line.unique_id).into_tree()
}
