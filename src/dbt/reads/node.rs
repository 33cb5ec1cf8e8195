//! The code of a node: every text of its entry in a manifest that dbt renders, and the words by
//! which dbt looks for macros.

use super::python;
use super::scan::{self, Scan, Vocabulary};
use super::strings::strings;
use crate::dbt::manifest::{Node, json_text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a node says of the macros and values that it reads.
pub(super) struct NodeCode<'a> {
    pub(super) scan: Scan,
    /// A Python model; to whose code dbt adds what a macro makes.
    pub(super) is_python: bool,
    /// `config.materialized`: dbt finds its macro by name.
    pub(super) materialized: Option<Cow<'a, str>>,
    /// `config.incremental_strategy`; likewise.
    pub(super) incremental_strategy: Option<Cow<'a, str>>,
    /// `config.strategy` of a snapshot; likewise.
    pub(super) snapshot_strategy: Option<Cow<'a, str>>,
}

/// The parts of the rendered configuration that name macros, or are rendered at run time.
#[derive(Default, Deserialize)]
struct ConfigText<'a> {
    #[serde(borrow, default)]
    materialized: Option<&'a RawValue>,
    #[serde(borrow, default)]
    incremental_strategy: Option<&'a RawValue>,
    #[serde(borrow, default)]
    strategy: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "pre-hook")]
    pre_hook: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "post-hook")]
    post_hook: Option<&'a RawValue>,
}

impl<'a> NodeCode<'a> {
    pub(super) fn new(node: &Node<'a>, words: &dyn Vocabulary) -> Self {
        let is_python = node.language.as_deref() == Some("python");
        let config: ConfigText<'a> =
            node.config.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let code = node.raw_code();
        let mut scan = Scan::default();
        scan.absorb(if is_python { python::scan(&code) } else { scan::template(&code, words) });
        // The arguments of a generic test are rendered too.
        let written =
            [node.unrendered_config, config.pre_hook, config.post_hook, node.test_metadata];
        let written = written.into_iter().flatten().map(RawValue::get);
        for text in written.filter(|json| may_read(json)).flat_map(strings) {
            if may_read(&text) {
                scan.absorb(scan::config_value(&text, words));
            }
        }
        let text = |raw: Option<&'a RawValue>| raw.map(json_text).filter(|text| !text.is_empty());
        Self {
            scan,
            is_python,
            materialized: text(config.materialized),
            incremental_strategy: text(config.incremental_strategy),
            snapshot_strategy: text(config.strategy),
        }
    }
}

/// Whether a text holds a template or, as a bare expression, a call of `env_var` or `var`.
fn may_read(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("var")
}
