//! The environment variables that a file of a project names.
//!
//! Here a whole file is read at once, without knowing what calls what: to say that nothing
//! changed, every variable that dbt could read must be known by its name.

use super::scan::{self, NoMacros, Reader, Scan};
use super::volatile::is_volatile;
use super::{Facet, python};
use crate::dbt::yaml;
use crate::trees::IntoTree;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// What a file reads from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// The names of the variables; of one that is known only at run time its beginning, with a `*`
    /// behind it.
    pub variables: BTreeSet<String>,
    /// The words of the imports of Python code: names of modules, among others.
    pub imports: BTreeSet<String>,
}

/// What a file of this kind mentions.
///
/// dbt renders `sql`, `yml` and `yaml`, and adapters run `py`; `env_var` has no meaning in the
/// documentation blocks of `md`, and seeds are not rendered (dbt 1.8 to 1.12).
#[must_use]
pub fn mentions(text: &str, kind: &str) -> Mentions {
    let variables = match kind {
        "py" => names(python::scan(text)),
        "sql" if text.contains(FUNCTION) => names(scan::template(text, &NoMacros)),
        "yml" | "yaml" if text.contains(FUNCTION) => in_yaml(text),
        _ => BTreeSet::new(),
    };
    let imports = if kind == "py" { python::imports(text) } else { BTreeSet::new() };
    Mentions { variables, imports }
}

/// The names in a word of a command line.
#[must_use]
pub fn in_word(word: &str) -> BTreeSet<String> {
    mentioned(word)
}

/// Whether a variable is one of these [names](Mentions::variables).
#[must_use]
pub fn is_named(names: &BTreeSet<String>, name: &OsStr, value: &OsStr) -> bool {
    let Some(text) = name.to_str() else { return false };
    let starts = names.iter().filter_map(|name| name.strip_suffix('*'));
    names.contains(text)
        || starts
            .into_iter()
            .any(|start| text.starts_with(start) && !is_volatile(name, value, start))
}

const FUNCTION: &str = "env_var";

fn names(scan: Scan) -> BTreeSet<String> {
    let passed = scan.passed.into_iter().filter(|(reader, _)| *reader == Reader::EnvVar);
    let passed = passed.map(|(_, around)| around.before + "*");
    let known = scan.facets.into_iter().filter_map(|facet| match facet {
        Facet::EnvVar(name) => Some(name),
        Facet::EnvVars(start) => Some(start + "*"),
        Facet::EnvVarsOf(name) => Some(name.before + "*"),
        Facet::Var(_) | Facet::Vars(_) | Facet::VarsOf(_) | Facet::Object(_) | Facet::Source(_) => {
            None
        }
    });
    known.chain(passed).into_tree()
}

/// The names in a YAML file. Each of its values is a template of its own, and a comment is none.
fn in_yaml(text: &str) -> BTreeSet<String> {
    match yaml::document(text) {
        Ok(value) => in_value(&value),
        Err(_) => mentioned(text),
    }
}

fn in_value(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => in_scalar(text),
        Value::Array(items) => items.iter().flat_map(in_value).into_tree(),
        Value::Object(members) => {
            let names = members.iter().map(|(key, value)| [in_scalar(key), in_value(value)]);
            names.flatten().flatten().into_tree()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

/// dbt renders what has braces, and takes some values for expressions without them, such as the
/// `ref('x')` of an exposure. The rest is text.
fn in_scalar(text: &str) -> BTreeSet<String> {
    let is_template = ["{{", "{%"].iter().any(|opening| text.contains(opening));
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    match text.trim_start().trim_start_matches(is_word).trim_start().starts_with('(') {
        _ if !text.contains(FUNCTION) => BTreeSet::new(),
        _ if is_template => names(scan::template(text, &NoMacros)),
        true => mentioned(text),
        false => BTreeSet::new(),
    }
}

/// In a text that is not taken apart, every call counts, whatever stands around it.
fn mentioned(text: &str) -> BTreeSet<String> {
    let mentions = text.split(FUNCTION).skip(1).map(|after| {
        let after = after.trim_start_matches(|c| QUOTES.contains(&c) || c == ']').trim_start();
        match after.strip_prefix('(') {
            Some(list) => Some(first_argument(list).unwrap_or_else(any)),
            // The function itself, handed on, rather than a word of a description.
            None => after.starts_with(['%', '}', '|', ')', ',']).then(any),
        }
    });
    mentions.flatten().into_tree()
}

fn any() -> String {
    "*".to_owned()
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

    fn names(text: &str, extension: &str) -> Vec<String> {
        mentions(text, extension).variables.into_iter().collect()
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
            assert_eq!(names(text, extension), ["A"], "{text}");
        }
    }

    #[test]
    fn of_a_name_that_is_computed_or_handed_on_the_beginning_is_known() {
        for (text, extension, start) in [
            ("{{ env_var(name) }}", "sql", "*"),
            ("{{ env_var('A' ~ x) }}", "sql", "A*"),
            ("{% macro m(name) %}{{ env_var('A_' ~ name) }}{% endmacro %}", "sql", "A_*"),
            ("{% for k in var('l') %}{{ env_var('A_' ~ k) }}{% endfor %}", "sql", "A_*"),
            ("{% set f = env_var %}", "sql", "*"),
            ("a: \"{{ env_var(name) }}\"", "yml", "*"),
            ("a: \"{{ env_var('A' ~ x) }}\"", "yml", "A*"),
            ("a: '{# open'\nb: \"{{ env_var('A_' ~ x) }}\"", "yml", "A_*"),
            ("a: '{# open'\nb: \"{{ context['env_var'](x) }}\"", "yml", "*"),
            ("a: \"{% set f = env_var %}\"", "yml", "*"),
            ("import os\nx = dict(os.environ)", "py", "*"),
            ("from os import environ as e\nx = e['A']", "py", "*"),
            ("from os import path, getenv as g\nx = g('A')", "py", "*"),
            ("import os\ng = os.getenv", "py", "*"),
            ("import os\nx = getattr(os, 'environ')['A']", "py", "*"),
            ("import os\nx = os.path.expandvars('$A')", "py", "*"),
            ("from decouple import config", "py", "*"),
            ("a: \"env_var(name)\"", "yml", "*"),
            ("a: [\"{{ env_var(name) }}\"", "yml", "*"),
        ] {
            assert_eq!(names(text, extension), [start], "{text}");
        }
    }

    #[test]
    fn a_loop_over_a_list_names_what_is_in_it() {
        let text = "{% for k in ['A', 'B'] %}{{ env_var(k) }}{% endfor %}";
        assert_eq!(names(text, "sql"), ["A", "B"]);
    }

    #[test]
    fn a_beginning_names_every_variable_that_lasts_and_begins_so() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).into_tree();
        let is = |all: &[&str], name: &str| is_named(&names(all), name.as_ref(), "1".as_ref());
        assert!(is(&["A_*"], "A_B") && is(&["*"], "A_B") && is(&["A_B"], "A_B"));
        assert!(!is(&["A_*"], "B") && !is(&["*"], "HOSTNAME") && is(&["HOSTNAME"], "HOSTNAME"));
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
            assert_eq!(names(text, extension), [""; 0], "{text}");
        }
    }
}
