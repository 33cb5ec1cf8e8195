//! Matches nodes against the terms that operators type: names, `tag:`, `path:` and
//! `config.materialized:`.

use super::Manifest;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct NodeTags {
    #[serde(default)]
    tags: Option<Tags>,
}

impl Manifest<'_> {
    /// Whether `term` matches the node: its name, its `unique_id`, `tag:NAME`, `path:` with its
    /// file or a directory above it, or `config.materialized:KIND`. `false` for a node that the
    /// manifest does not have.
    #[must_use]
    pub fn is_matched_by(&self, id: &str, term: &str) -> bool {
        let Some(node) = self.node(id) else { return false };
        match term.split_once(':') {
            Some(("tag", tag)) => tags(node.config).iter().any(|own| own == tag),
            Some(("path", path)) => {
                let rest = node.original_file_path.strip_prefix(path.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Some(("config.materialized", kind)) => {
                self.materialized(id).is_some_and(|own| &*own == kind)
            }
            Some(_) => false,
            None => &*node.name == term || id == term,
        }
    }
}

pub(super) fn tags(config: Option<&RawValue>) -> Vec<String> {
    let tagged = config.and_then(|raw| serde_json::from_str::<NodeTags>(raw.get()).ok());
    match tagged.and_then(|tagged| tagged.tags) {
        Some(Tags::One(tag)) => vec![tag],
        Some(Tags::Many(tags)) => tags,
        None => Vec::new(),
    }
}
