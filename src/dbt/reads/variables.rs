//! The environment variables that a file of a project names.
//!
//! Here a whole file is read at once, without knowing what calls what: to say that nothing
//! changed, every variable that dbt could read must be known by its name.

use super::scan::{self, NoMacros, Reader, Scan};
use super::{Facet, python};
use crate::dbt::yaml;
use crate::trees::IntoTree;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a file reads from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// The variables.
    pub variables: BTreeSet<String>,
    /// Whether there are others, whose names are known only at run time.
    pub is_computed: bool,
    /// The words of the imports of Python code: names of modules, among others.
    pub imports: BTreeSet<String>,
}

/// What a file of this kind mentions.
///
/// dbt renders `sql`, `yml` and `yaml`, and adapters run `py`; `env_var` has no meaning in the
/// documentation blocks of `md`, and seeds are not rendered (dbt 1.8 to 1.12).
#[must_use]
pub fn mentions(text: &str, kind: &str) -> Mentions {
    let names = match kind {
        "py" => literal(python::scan(text)),
        "sql" if text.contains(FUNCTION) => literal(scan::template(text, &NoMacros)),
        "yml" | "yaml" if text.contains(FUNCTION) => in_yaml(text),
        _ => Some(BTreeSet::new()),
    };
    Mentions {
        is_computed: names.is_none(),
        variables: names.unwrap_or_default(),
        imports: if kind == "py" { python::imports(text) } else { BTreeSet::new() },
    }
}

/// The names in a word of a command line; `None` where one is known only at run time.
#[must_use]
pub fn in_word(word: &str) -> Option<BTreeSet<String>> {
    mentioned(word)
}

/// The names in a YAML file. Each of its values is a template of its own, and a comment is none.
fn in_yaml(text: &str) -> Option<BTreeSet<String>> {
    match yaml::document(text) {
        Ok(value) => in_value(&value),
        Err(_) => mentioned(text),
    }
}

fn in_value(value: &Value) -> Option<BTreeSet<String>> {
    let all = |values: &mut dyn Iterator<Item = Option<BTreeSet<String>>>| {
        let all: Option<Vec<_>> = values.collect();
        Some(all?.into_iter().flatten().into_tree())
    };
    match value {
        Value::String(text) if text.contains(FUNCTION) => in_scalar(text),
        Value::Array(items) => all(&mut items.iter().map(in_value)),
        Value::Object(members) => {
            all(&mut members.iter().flat_map(|(key, value)| [in_scalar(key), in_value(value)]))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(BTreeSet::new()),
    }
}

/// dbt renders what has braces, and takes some values for expressions without them, such as the
/// `ref('x')` of an exposure. The rest is text.
fn in_scalar(text: &str) -> Option<BTreeSet<String>> {
    let is_template = ["{{", "{%"].iter().any(|opening| text.contains(opening));
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    match text.trim_start().trim_start_matches(is_word).trim_start().starts_with('(') {
        _ if !text.contains(FUNCTION) => Some(BTreeSet::new()),
        _ if is_template => literal(scan::template(text, &NoMacros)),
        true => mentioned(text),
        false => Some(BTreeSet::new()),
    }
}

const FUNCTION: &str = "env_var";

fn literal(scan: Scan) -> Option<BTreeSet<String>> {
    if scan.passed.iter().any(|(reader, _)| *reader == Reader::EnvVar) {
        return None;
    }
    if scan.facets.contains(&Facet::AnyEnvVar) {
        return None;
    }
    let known = scan.facets.into_iter().filter_map(|facet| match facet {
        Facet::EnvVar(name) => Some(name),
        Facet::AnyEnvVar | Facet::Var(_) | Facet::AnyVar => None,
    });
    Some(known.into_tree())
}

/// In a text that is not taken apart, every call counts, whatever stands around it.
fn mentioned(text: &str) -> Option<BTreeSet<String>> {
    let mentions = text.split(FUNCTION).skip(1).map(|after| {
        let after = after.trim_start_matches(|c| QUOTES.contains(&c) || c == ']').trim_start();
        match after.strip_prefix('(') {
            Some(list) => first_argument(list).map(Some),
            // The function itself, handed on, rather than a word of a description.
            None if after.starts_with(['%', '}', '|', ')', ',']) => None,
            None => Some(None),
        }
    });
    let all: Vec<Option<String>> = mentions.collect::<Option<_>>()?;
    Some(all.into_iter().flatten().into_tree())
}

const QUOTES: [char; 3] = ['\'', '"', '\\'];

fn first_argument(list: &str) -> Option<String> {
    let skipped = |c: char| c.is_whitespace() || QUOTES.contains(&c);
    let list = list.trim_start();
    let list = list
        .strip_prefix("var")
        .map_or(list, |rest| rest.trim_start().strip_prefix('=').map_or(list, str::trim_start));
    let inside = list.trim_start_matches(skipped);
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (name, behind) = inside.split_at_checked(end)?;
    let closed =
        behind.starts_with(QUOTES) && behind.trim_start_matches(skipped).starts_with([',', ')']);
    (inside.len() < list.len() && closed && !name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, extension: &str) -> Option<Vec<String>> {
        let mentions = mentions(text, extension);
        (!mentions.is_computed).then(|| mentions.variables.into_iter().collect())
    }

    fn only(name: &str) -> Option<Vec<String>> {
        Some(vec![name.to_owned()])
    }

    #[test]
    fn a_literal_name_is_found_in_every_kind_of_file() {
        for (text, extension) in [
            ("select {{ env_var('A', 'd') }}", "sql"),
            ("{{ config(post_hook=\"{{ env_var('A') }}\") }}", "sql"),
            ("a: \"{{ env_var('A') }}\"", "yml"),
            ("a: \"{{ env_var(\\\"A\\\", 'x') }}\"", "yaml"),
            ("a: '{{ env_var(''A'') }}'", "yml"),
            ("a: \"{{ env_var( var = 'A' ) }}\"", "yml"),
            ("a: '{# open'\nb: \"{{ env_var('A') }}\"", "yml"),
            ("a: '{% raw %}'\nb: \"{{ env_var('A') }}\"", "yml"),
            ("import os\nx = os.environ['A']", "py"),
            ("import os\nx = os.getenv('A')", "py"),
            ("x: \"env_var('A')\"", "yml"),
            ("{a: [b: {\"{{ env_var('A') }}\": 1}]}", "yml"),
        ] {
            assert_eq!(names(text, extension), only("A"), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_computed_or_handed_on_is_no_name() {
        for (text, extension) in [
            ("{{ env_var(name) }}", "sql"),
            ("{{ env_var('A' ~ x) }}", "sql"),
            ("{% macro m(name) %}{{ env_var(name) }}{% endmacro %}", "sql"),
            ("{% set f = env_var %}", "sql"),
            ("a: \"{{ env_var(name) }}\"", "yml"),
            ("a: \"{{ env_var('A' ~ x) }}\"", "yml"),
            ("a: '{# open'\nb: \"{{ env_var('A_' ~ x) }}\"", "yml"),
            ("a: '{# open'\nb: \"{{ context['env_var'](x) }}\"", "yml"),
            ("a: \"{% set f = env_var %}\"", "yml"),
            ("import os\nx = dict(os.environ)", "py"),
            ("from os import environ as e\nx = e['A']", "py"),
            ("from os import path, getenv as g\nx = g('A')", "py"),
            ("import os\ng = os.getenv", "py"),
            ("import os\nx = getattr(os, 'environ')['A']", "py"),
            ("import os\nx = os.path.expandvars('$A')", "py"),
            ("from decouple import config", "py"),
            ("a: \"env_var(name)\"", "yml"),
            ("a: [\"{{ env_var(name) }}\"", "yml"),
        ] {
            assert_eq!(names(text, extension), None, "{text}");
        }
    }

    #[test]
    fn what_is_never_rendered_names_nothing() {
        for (text, extension) in [
            ("{{ env_var(name) }}", "md"),
            ("{{ env_var(name) }}", "csv"),
            ("{# {{ env_var('A') }} #}", "sql"),
            ("description: env_var is a function of dbt", "yml"),
            ("description: the value of env_var(name), with a default", "yml"),
            ("# {{ env_var(name) }}\na: 1 # env_var(x)", "yml"),
            ("from os import (path, environ, getenv)", "py"),
            ("x = 1", "py"),
        ] {
            assert_eq!(names(text, extension), Some(vec![]), "{text}");
        }
    }
}
