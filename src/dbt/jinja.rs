//! Renders the Jinja in `profiles.yml` and `dbt_project.yml` as dbt does (dbt 1.8 to 1.12,
//! `dbt.config.renderer`): `env_var`, `var` with the values of `--vars` only, and the `as_*` filters
//! of dbt.
//!
//! This program has to know where dbt writes and where the warehouse is, without starting Python.
//! It supports a part of Jinja: expressions with strings, comparisons, the usual filters and
//! methods, and `if`. Anything else is an error, and the value then counts as unknown. dbt itself
//! always renders everything again.

mod expression;
mod value;

use super::reads::tokens::{Opening, Token, block, next_opening};
use super::reads::{Vars, facets, fingerprints};
use crate::environment::Environment;
use anyhow::{Context, Result, anyhow, bail};
use expression::{JinjaContext, evaluate};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Renders the Jinja in single YAML values.
#[derive(Debug)]
pub struct Renderer {
    context: JinjaContext,
}

impl Renderer {
    /// `environment` is what `env_var` reads: the environment of dbt, including its `.env` file if
    /// this version reads one. `cli_vars` are the values of `--vars`. `target` are the fields of
    /// the `target` variable; `None` while the profile itself is being read.
    #[must_use]
    pub fn new(
        environment: &Environment,
        cli_vars: &Map<String, Value>,
        target: Option<&Map<String, Value>>,
    ) -> Self {
        let target = target.map(|fields| Value::Object(fields.clone()));
        Self {
            context: JinjaContext {
                environment: environment.clone(),
                vars: cli_vars.clone(),
                target,
            },
        }
    }

    /// The rendered text.
    ///
    /// # Errors
    /// A variable is not set and has no default, or the text contains Jinja that this program does
    /// not support.
    pub fn render(&self, text: &str) -> Result<String> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(text.to_owned());
        }
        let mut output = Output::default();
        // Jinja drops a line break at the end of a template.
        let mut rest = text.strip_suffix('\n').unwrap_or(text);
        while let Some((opening, after)) = next_opening(rest) {
            let before = rest.len() - after.len() - "{{".len();
            let trimmed = after.strip_prefix('-');
            output.push(rest.get(..before).unwrap_or_default(), trimmed.is_some());
            let after = trimmed.or_else(|| after.strip_prefix('+')).unwrap_or(after);
            rest = self.tag(opening, after, &mut output)?;
        }
        output.push(rest, false);
        if output.branches.is_empty() { Ok(output.text) } else { bail!("if without endif") }
    }

    /// The rendered text. One that cannot be rendered here stands for itself, with fingerprints of
    /// the values that it reads: dbt may render it.
    #[must_use]
    pub fn render_or_raw(&self, text: &str) -> String {
        self.render(text).unwrap_or_else(|_| {
            let JinjaContext { environment, vars, .. } = &self.context;
            let vars = Vars::new(vars.clone(), "", BTreeMap::new());
            let values = fingerprints(&facets(text), "", "", &vars, environment);
            format!("{text} {values:?}")
        })
    }

    /// Render one tag into `output`. `code` begins after the opening delimiter. Returns the text
    /// after the tag.
    fn tag<'t>(&self, opening: Opening, code: &'t str, output: &mut Output) -> Result<&'t str> {
        let end = match opening {
            Opening::Expression => "}}",
            Opening::Statement => "%}",
            Opening::Comment => {
                let (inside, rest) =
                    code.split_once("#}").context("a Jinja comment is not closed")?;
                return Ok(if inside.ends_with('-') { rest.trim_start() } else { rest });
            }
        };
        let (mut tokens, rest) = block(code, end);
        let rest = rest.with_context(|| format!("{end} is missing"))?;
        let trims = tokens.pop_if(|last| *last == Token::Mark("-")).is_some();
        match opening {
            Opening::Statement => self.statement(&tokens, output)?,
            Opening::Expression | Opening::Comment => {
                if output.is_rendered() {
                    output.text.push_str(&value::to_text(&evaluate(&tokens, &self.context)?)?);
                }
            }
        }
        Ok(if trims { rest.trim_start() } else { rest })
    }

    /// Apply an `if`, `elif`, `else` or `endif`.
    fn statement(&self, tokens: &[Token<'_>], output: &mut Output) -> Result<()> {
        let holds = |condition| {
            Ok::<_, anyhow::Error>(value::is_true(&evaluate(condition, &self.context)?))
        };
        match tokens {
            [Token::Name("if"), condition @ ..] => {
                let branch = match output.is_rendered() {
                    true if holds(condition)? => Branch::Taken,
                    true => Branch::Pending,
                    false => Branch::Done,
                };
                output.branches.push(branch);
            }
            [Token::Name("elif"), condition @ ..] => {
                let branch = output.branches.pop().context("elif without if")?;
                let is_next = branch == Branch::Pending && holds(condition)?;
                output.branches.push(branch.next(is_next));
            }
            [Token::Name("else")] => {
                let branch = output.branches.pop().context("else without if")?;
                output.branches.push(branch.next(true));
            }
            [Token::Name("endif")] => {
                output.branches.pop().context("endif without if")?;
            }
            _ => return Err(anyhow!("this Jinja statement is not supported")),
        }
        Ok(())
    }
}

/// What has been rendered so far.
#[derive(Default)]
struct Output {
    text: String,
    /// The state of every open `if`, the innermost last.
    branches: Vec<Branch>,
}

impl Output {
    /// Whether text at this point belongs to the output: every open `if` is in its taken branch.
    fn is_rendered(&self) -> bool {
        self.branches.iter().all(|branch| *branch == Branch::Taken)
    }

    /// Append text outside of tags; `trims` says whether the next tag strips white space before it.
    fn push(&mut self, text: &str, trims: bool) {
        if self.is_rendered() {
            self.text.push_str(if trims { text.trim_end() } else { text });
        }
    }
}

/// Where the current branch of an `if … elif … else` is relative to the one that is rendered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    /// The rendered branch comes later.
    Pending,
    /// This branch is rendered.
    Taken,
    /// The rendered branch came before, or the whole `if` is inside a branch that is not rendered.
    Done,
}

impl Branch {
    /// The state in the next branch of the same `if`, whose condition `holds` or not.
    fn next(self, holds: bool) -> Self {
        match self {
            Self::Pending if holds => Self::Taken,
            Self::Pending => Self::Pending,
            Self::Taken | Self::Done => Self::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str) -> Option<String> {
        let environment = Environment::from([("A".into(), "Value".into())]);
        let vars = json!({"v": 7});
        Renderer::new(&environment, vars.as_object().unwrap(), None).render(text).ok()
    }

    #[test]
    fn profiles_are_rendered_as_dbt_renders_them() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{{ env_var('A') }}", "Value"),
            ("x-{{ env_var('A', 'd') | lower }}", "x-value"),
            ("{{ env_var('B', 'd') }}", "d"),
            ("{{ env_var('B', default='d') }}", "d"),
            ("{{ env_var('B', 5432) | as_number }}", "5432"),
            ("{{ var('v') }}{{ var('w', 'd') }}", "7d"),
            ("{{ env_var('A').replace('V', 'w').upper() }}", "WALUE"),
            ("{% if env_var('B', '') == '' %}none{% endif %}", "none"),
        ] {
            assert_eq!(render(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_value_is_an_error_and_not_an_empty_text() {
        for text in ["{{ env_var('B') }}", "{{ var('w') }}", "{{ target.name }}", "{{ a }}", "{{"] {
            assert_eq!(render(text), None, "{text}");
        }
    }

    #[test]
    fn expressions_have_the_same_value_as_in_jinja() {
        for (text, expected) in [
            ("{{ 'a' if env_var('A') == 'Value' else env_var('B') }}", "a"),
            ("{{ env_var('B') if var('v') < 7 else 'b' ~ (1 + 2) }}", "b3"),
            ("{{ 'p' if 'al' in env_var('A') and not var('v') != 7 or x }}", "p"),
            ("{{ x | default('d') }}{{ x is defined }}{{ none is none }}", "dFalseTrue"),
            ("{{ '' | default('d', true) }}{{ ' 5 ' | trim | int + '1.9' | int }}", "d6"),
            ("{{ env_var('A')[:3] }}{{ env_var('A')[-2:] }}{{ 'a/b'.split('/')[-1] }}", "Valueb"),
            ("{{ 'x' in ['x', 'y'] }} {{ 1.50 }} {{ (1) }}", "True 1.5 1"),
            ("a {{- 'b' -}} c {# d #}e{#- f -#} g\n", "abc eg"),
            ("{% if false %}{{ x }}{% elif true %}1{% else %}2{% endif %}\n\n", "1\n"),
            ("{% if false %}{% if true %}1{% endif %}{% else %}2{% endif %}", "2"),
        ] {
            assert_eq!(render(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_target_is_a_mapping_when_it_is_given() {
        let target = json!({"name": "prod", "schema": "s"});
        let renderer = Renderer::new(&Environment::new(), &Map::new(), target.as_object());
        let text = "{{ target.name == 'prod' | as_bool }} {{ target['schema'] }}";
        assert_eq!(renderer.render(text).unwrap(), "True s");
        assert!(renderer.render("{{ target.user }}").is_err());
    }

    #[test]
    fn unsupported_jinja_is_an_error() {
        let long = format!("{{{{ {}1{} }}}}", "(".repeat(9999), ")".repeat(9999));
        for text in [
            "{% set a = 1 %}{{ a }}",
            "{{ modules.datetime.now() }}",
            "{{ 'a' | sha1 }}",
            "{{ 'a' 1 }}",
            "{{ '\\n' }}",
            "{{ 2 ** 2 }}",
            "{{ {'a': 1} }}",
            "{{ env_var('B', d='x') }}",
            "{% if true %}",
            "{% endif %}",
            "{{ 1 < 2 < 3 }}",
            "{{}}",
            &long,
        ] {
            assert_eq!(render(text), None, "{text}");
        }
    }
}
