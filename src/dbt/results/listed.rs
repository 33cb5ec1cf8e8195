//! The output of `dbt ls --output json --output-keys unique_id`.

use crate::trees::IntoTree;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct ListedLine {
    unique_id: String,
}

/// Every `unique_id` that `dbt ls` printed. Other lines, such as warnings of dbt, are ignored.
#[must_use]
pub fn listed_ids(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<ListedLine>(line).ok());
    lines.map(|line| line.unique_id).into_tree()
}
