//! Jinja as dbt renders it in `profiles.yml` and `dbt_project.yml`: `env_var`, `var` with the
//! values of `--vars` only, and dbt's `as_*` filters (dbt 1.8 to 1.12: `dbt.config.renderer`).
//!
//! Not all of Jinja: expressions with strings, comparisons and the usual filters and methods,
//! and `if`. What this cannot render is an error here and a value that we do not know; dbt
//! itself renders everything again.

mod expression;
mod value;

use super::reads::tokens::{Opening, Token, block, next_opening};
use crate::environment::Environment;
use anyhow::{Context, Result, anyhow, bail};
use expression::{Scope, evaluate};
use serde_json::{Map, Value};

/// Renders single YAML values.
#[derive(Debug)]
pub struct Renderer {
    scope: Scope,
}

impl Renderer {
    /// `environment` is the one dbt sees, with its `.env` if it reads one; `cli_vars` the
    /// mapping of `--vars`; `target` the fields of `target`, none while the profile is being
    /// read.
    #[must_use]
    pub fn new(
        environment: &Environment,
        cli_vars: &Map<String, Value>,
        target: Option<&Map<String, Value>>,
    ) -> Self {
        let target = target.map(|fields| Value::Object(fields.clone()));
        Self { scope: Scope { environment: environment.clone(), vars: cli_vars.clone(), target } }
    }

    /// The text with everything rendered.
    ///
    /// # Errors
    /// A variable that is not set and has no default, or Jinja that is not understood here.
    pub fn render(&self, text: &str) -> Result<String> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(text.to_owned());
        }
        let mut output = Output::default();
        // Jinja drops one line break at the end.
        let mut rest = text.strip_suffix('\n').unwrap_or(text);
        while let Some((opening, after)) = next_opening(rest) {
            let before = rest.len() - after.len() - "{{".len();
            let trimmed = after.strip_prefix('-');
            output.push(rest.get(..before).unwrap_or_default(), trimmed.is_some());
            let after = trimmed.or_else(|| after.strip_prefix('+')).unwrap_or(after);
            rest = self.tag(opening, after, &mut output)?;
        }
        output.push(rest, false);
        if output.branches.is_empty() { Ok(output.text) } else { bail!("an if without endif") }
    }

    /// Render what `opening` begins; what follows it.
    fn tag<'t>(&self, opening: Opening, code: &'t str, output: &mut Output) -> Result<&'t str> {
        let end = match opening {
            Opening::Expression => "}}",
            Opening::Statement => "%}",
            Opening::Comment => {
                let (inside, rest) = code.split_once("#}").context("a comment without an end")?;
                return Ok(if inside.ends_with('-') { rest.trim_start() } else { rest });
            }
        };
        let (mut tokens, rest) = block(code, end);
        let rest = rest.with_context(|| format!("{end} is missing"))?;
        let trims = tokens.pop_if(|last| *last == Token::Mark("-")).is_some();
        match opening {
            Opening::Statement => self.statement(&tokens, output)?,
            Opening::Expression | Opening::Comment => {
                if output.wanted() {
                    output.text.push_str(&value::text(&evaluate(&tokens, &self.scope)?)?);
                }
            }
        }
        Ok(if trims { rest.trim_start() } else { rest })
    }

    fn statement(&self, tokens: &[Token<'_>], output: &mut Output) -> Result<()> {
        let holds =
            |condition| Ok::<_, anyhow::Error>(value::truth(&evaluate(condition, &self.scope)?));
        match tokens {
            [Token::Name("if"), condition @ ..] => {
                let branch = match output.wanted() {
                    true if holds(condition)? => Branch::Taken,
                    true => Branch::Awaited,
                    false => Branch::Past,
                };
                output.branches.push(branch);
            }
            [Token::Name("elif"), condition @ ..] => {
                let branch = output.branches.pop().context("an elif without if")?;
                let is_next = branch == Branch::Awaited && holds(condition)?;
                output.branches.push(branch.next(is_next));
            }
            [Token::Name("else")] => {
                let branch = output.branches.pop().context("an else without if")?;
                output.branches.push(branch.next(true));
            }
            [Token::Name("endif")] => {
                output.branches.pop().context("an endif without if")?;
            }
            _ => return Err(anyhow!("a Jinja statement that is not understood here")),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Output {
    text: String,
    /// Of the open `if`s, the innermost last.
    branches: Vec<Branch>,
}

impl Output {
    fn wanted(&self) -> bool {
        self.branches.iter().all(|branch| *branch == Branch::Taken)
    }

    fn push(&mut self, text: &str, trims: bool) {
        if self.wanted() {
            self.text.push_str(if trims { text.trim_end() } else { text });
        }
    }
}

/// Where in an `if` we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    /// The one that is rendered is still to come.
    Awaited,
    Taken,
    Past,
}

impl Branch {
    fn next(self, holds: bool) -> Self {
        match self {
            Self::Awaited if holds => Self::Taken,
            Self::Awaited => Self::Awaited,
            Self::Taken | Self::Past => Self::Past,
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
    fn what_is_not_known_is_an_error_and_not_an_empty_text() {
        for text in ["{{ env_var('B') }}", "{{ var('w') }}", "{{ target.name }}", "{{ a }}", "{{"] {
            assert_eq!(render(text), None, "{text}");
        }
    }

    #[test]
    fn expressions_mean_what_they_mean_to_jinja() {
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
    fn the_target_is_a_mapping_once_it_is_known() {
        let target = json!({"name": "prod", "schema": "s"});
        let renderer = Renderer::new(&Environment::new(), &Map::new(), target.as_object());
        let text = "{{ target.name == 'prod' | as_bool }} {{ target['schema'] }}";
        assert_eq!(renderer.render(text).unwrap(), "True s");
        assert!(renderer.render("{{ target.user }}").is_err());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
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
