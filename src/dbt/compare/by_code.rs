//! Which differences between two manifests would show in the compiled code of a node.
//!
//! If a node differs only in these ways, and `dbt compile` gives the code that it was built from, then
//! building it again would put the same into the warehouse. Measured with dbt-core 1.9 to 1.13.

use super::{ManifestPair, Spelling};
use crate::dbt::manifest::{Macro, Manifest, Node};
use crate::dbt::reads::{ByCode, computes_names, hands_on_object};
use crate::trees::IntoTree;
use serde_json::value::RawValue;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// The materializations whose relation follows from the compiled code and the configuration.
const FROM_CODE: [&str; 4] = ["table", "view", "incremental", "ephemeral"];

/// Words by which code asks the warehouse or depends on the invocation, or puts something where
/// compiled code does not show it.
const ASKING: [&str; 21] = [
    "run_query",
    "statement",
    "load_result",
    "store_result",
    "store_raw_result",
    "is_incremental",
    "should_full_refresh",
    "load_relation",
    "load_cached_relation",
    "flags",
    "invocation_id",
    "invocation_args_dict",
    "run_started_at",
    "thread_id",
    "threads",
    "selected_resources",
    "modules",
    "context",
    // It renders text that may be put together from pieces.
    "render",
    "sql_header",
    "set_sql_header",
];

/// What code may take from `builtins` by its name.
const BUILTINS: [&str; 5] = ["ref", "source", "config", "var", "env_var"];

/// What can be said of the differences of nodes between two manifests.
pub struct ByCompiledCode<'m, 'a> {
    pair: ManifestPair<'m, 'a>,
    before: Side<'m, 'a>,
    now: Side<'m, 'a>,
}

struct Side<'m, 'a> {
    manifest: &'m Manifest<'a>,
    /// By `unique_id`; made when the first node is looked at.
    macros: OnceCell<BTreeMap<&'m str, &'m Macro<'a>>>,
    /// The names of macros and of their packages; made when code computes a name.
    objects: OnceCell<BTreeSet<&'m str>>,
}

impl<'m, 'a> ByCompiledCode<'m, 'a> {
    /// Of a baseline and the project as it is now.
    #[must_use]
    pub fn new(before: &'m Manifest<'a>, now: &'m Manifest<'a>) -> Self {
        let side = |manifest| Side { manifest, macros: OnceCell::new(), objects: OnceCell::new() };
        Self { pair: ManifestPair::new(before, now), before: side(before), now: side(now) }
    }

    /// The names of the fingerprints of all values that act around the compiled code of a node. If
    /// the node differs in its code, in macros and in other values than these, its compiled code
    /// tells whether it has to be built. `None` if it does not.
    #[must_use]
    pub fn values_around(&self, id: &str) -> Option<BTreeSet<String>> {
        if self.pair.spelling == Spelling::Different {
            return None;
        }
        let (old, new) = (self.before.manifest.node(id)?, self.now.manifest.node(id)?);
        if !(is_from_code(old) && is_from_code(new)) {
            return None;
        }
        let reads_before = self.pair.macros_before.by_code(id, old);
        let reads_now = self.pair.macros_now.by_code(id, new);
        let asks = self.before.asks(old, &reads_before) || self.now.asks(new, &reads_now);
        let around = |id: &str| reads_before.around.contains(id) || reads_now.around.contains(id);
        let differing = self.pair.differing_macros(id, old, new);
        let others = reads_before.others_around || reads_now.others_around;
        if asks || others || differing.iter().any(|(id, _)| around(id)) {
            return None;
        }
        Some(reads_before.values_around.into_iter().chain(reads_now.values_around).into_tree())
    }
}

impl<'m, 'a> Side<'m, 'a> {
    /// Whether the code of a node, or of a macro that it calls, asks the warehouse or the run. Code that
    /// takes something by a computed name from a macro, a package or the like may ask anything.
    fn asks(&self, node: &Node<'a>, reads: &ByCode<'m>) -> bool {
        let macros = self.macros.get_or_init(|| self.manifest.macros().into_tree());
        let called = reads.in_code.iter().map(|id| Some(macros.get(*id)?.macro_sql()));
        let Some(codes) =
            [Some(node.raw_code())].into_iter().chain(called).collect::<Option<Vec<_>>>()
        else {
            return true;
        };
        codes.iter().any(|code| asks(code))
            || (codes.iter().any(|code| computes_names(code))
                && codes.iter().any(|code| hands_on_object(code, &|word| self.is_object(word))))
    }

    fn is_object(&self, word: &str) -> bool {
        let names = || {
            let all = self.manifest.macros();
            all.flat_map(|(_, found)| [&*found.name, &*found.package_name]).into_tree()
        };
        self.objects.get_or_init(names).contains(word)
    }
}

/// Whether the node is SQL that one statement builds, with hooks that say nothing but what the
/// configuration shows.
fn is_from_code(node: &Node<'_>) -> bool {
    let is_sql = node.language.as_deref() == Some("sql");
    let kind = node.materialized();
    let is_known = kind.is_some_and(|kind| FROM_CODE.contains(&&*kind));
    is_sql && is_known && &*node.resource_type == "model" && !is_rendered_late(node)
}

/// Whether its configuration has Jinja that dbt renders when it builds (hooks), or builds in batches.
fn is_rendered_late(node: &Node<'_>) -> bool {
    let late = |raw: &RawValue| {
        let text = raw.get();
        ["{{", "{%", "\"microbatch\""].iter().any(|mark| text.contains(mark))
    };
    node.config.is_some_and(late)
}

fn asks(code: &str) -> bool {
    let mut words = words(code);
    words.any(|(word, rest)| match word {
        // To look for a macro is all that is harmless.
        "adapter" => attribute(rest) != Some("dispatch"),
        "config" => attribute(rest) == Some("model"),
        // They hold the configuration of the run, and with it the command, and the adapter.
        "ref" | "source" => {
            matches!(attribute(rest), Some("config" | "db_wrapper"))
                || rest.trim_start().starts_with('[')
        }
        // It holds the whole context.
        "builtins" => !attribute(rest).is_some_and(|name| BUILTINS.contains(&name)),
        _ => ASKING.contains(&word),
    })
}

/// The name behind a dot.
fn attribute(rest: &str) -> Option<&str> {
    let name = rest.trim_start().strip_prefix('.')?.trim_start();
    let end = name.find(|c| !is_letter(c)).unwrap_or(name.len());
    name.get(..end).filter(|name| !name.is_empty())
}

/// Every run of letters, digits and underscores, with what follows it.
fn words(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_letter(c));
        let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some((word, after))
    })
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_asks_the_warehouse_or_the_invocation_is_recognized() {
        for code in [
            "{% set rows = run_query('select 1') %}",
            "{% if is_incremental() %}where 1{% endif %}",
            "{{ adapter.get_relation(this) }}",
            "{{ adapter . quote('a') }}",
            "{% set a = adapter %}",
            "{{ adapter.dispatcher('a') }}",
            "{% if flags.WHICH == 'compile' %}",
            "{{ context['run_query']('select 1') }}",
            "{{ builtins['fl' ~ 'ags'].WHICH }}",
            "{{ builtins.get('fl' ~ 'ags').WHICH }}",
            "{{ builtins.items() }}",
            "{{ render('{{ fl' ~ 'ags }}') }}",
            "{{ ref.config.args.which }}",
            "{{ source['con' ~ 'fig'] }}",
            "{{ ref.db_wrapper.execute('select 1') }}",
            "{{ config.model.name }}",
            "{{ modules.datetime.datetime.now() }}",
            "{% call set_sql_header(config) %}set a = 1{% endcall %}",
            "{{ target.threads }}",
        ] {
            assert!(asks(code), "{code}");
        }
        for code in [
            "select {{ adapter.dispatch('cents')('a') }} from {{ ref('a') }}",
            "{{ builtins.ref('a') }}{{ config(materialized='table') }}",
            "select {{ env_var('A') }} as statements, my_flags from t",
            "with source as (select * from {{ source('a', 'b') }}) select source.id from source",
            "",
        ] {
            assert!(!asks(code), "{code}");
        }
    }
}
