//! The environment variables that a file of a project names.
//!
//! Here a whole file is read at once, without knowing what calls what: to say that nothing
//! changed, every variable that dbt could read must be known by its name.

use super::scan::{self, NoMacros, Reader, Scan};
use super::{Facet, python};
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// The names in a file with this extension; `None` where one is known only at run time.
///
/// dbt renders `.sql`, `.yml` and `.yaml`, and adapters run `.py`; `env_var` has no meaning
/// in the documentation blocks of `.md`, and seeds are not rendered (dbt 1.8 to 1.12).
#[must_use]
pub fn variables(text: &str, extension: &str) -> Option<BTreeSet<String>> {
    match extension {
        "py" if text.contains("env") => literal(python::scan(text)),
        "sql" if text.contains(FUNCTION) => literal(scan::template(text, &NoMacros)),
        "yml" | "yaml" => mentioned(text),
        _ => Some(BTreeSet::new()),
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

/// Each value of a YAML file is a template of its own, so that a stray `{#` in one hides
/// nothing in another: every call counts, whatever stands around it.
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
        variables(text, extension).map(|names| names.into_iter().collect())
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
            ("x = 1", "py"),
        ] {
            assert_eq!(names(text, extension), Some(vec![]), "{text}");
        }
    }
}
