//! The options of `plan`, and the reader of its command line.

use super::dbt_words::{self, DbtOptions};
use super::definitions::VerbDoc;
use super::read::{JSON, Stop};
use super::{PlanForm, PlanOptions, Request, UseColor, Verb};
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{one_of, switch};
use std::ffi::OsString;

/// An option of `plan` without a variable and without a default to name.
const fn option(name: &'static str, help: &'static str, manual: &'static str) -> Doc {
    Doc {
        name,
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help,
        manual,
    }
}

static PLAN_JSON: Definition<PlanOptions> = Definition {
    doc: JSON.doc,
    set: |options, value| {
        options.form = if switch(value)? { PlanForm::Json } else { PlanForm::Words };
        Ok(())
    },
};

static ALL: Definition<PlanOptions> = Definition {
    doc: option(
        "all",
        "list each node, however many there are",
        "Lists each node with its file and what happens to it. Without it, long lists are cut so \
         that the plan fits a screen. `--json` and `--graph` are always complete.",
    ),
    set: |options, value| {
        options.all = switch(value)?;
        Ok(())
    },
};

static DIFF: Definition<PlanOptions> = Definition {
    doc: option(
        "diff",
        "show what was edited in the code",
        "Shows, below the plan, which lines of the code of each edited node differ from the code \
         that it was last built from. A node that the baseline does not hold, because it is new or \
         unfinished, has no earlier code. Seeds have no code at all.",
    ),
    set: |options, value| {
        options.diff = switch(value)?;
        Ok(())
    },
};

static MARKDOWN: Definition<PlanOptions> = Definition {
    doc: option(
        "markdown",
        "write Markdown, for a pull request",
        "Writes the plan as Markdown for a comment on a pull request: the summary, and the nodes \
         of each reason behind a line that opens them. It is always shorter than 65,000 \
         characters; what does not fit is counted. Log lines stay on standard error.",
    ),
    set: |options, value| {
        options.form = if switch(value)? { PlanForm::Markdown } else { PlanForm::Words };
        Ok(())
    },
};

static GRAPH: Definition<PlanOptions> = Definition {
    doc: Doc {
        value: Value::Choice(&["mermaid", "dot", "svg"]),
        ..option(
            "graph",
            "draw what is built and why",
            "Writes a drawing of what is built, why, and what reads what. `mermaid` is for \
             Markdown on GitHub or GitLab, `dot` for Graphviz, and `svg` is a picture that any \
             browser shows without other files. The picture names the reason and the file of each \
             node under the pointer.",
        )
    },
    set: |options, value| {
        let words =
            [("mermaid", PlanForm::Mermaid), ("dot", PlanForm::Dot), ("svg", PlanForm::Svg)];
        options.form = one_of(value, &words)?;
        Ok(())
    },
};

static COLOR: Definition<PlanOptions> = Definition {
    doc: Doc {
        value: Value::Choice(&["auto", "always", "never"]),
        default: Initial::Unset("auto"),
        ..option(
            "color",
            "when to use colours",
            "When to use colours. `auto` uses them on a terminal, unless the variable NO_COLOR is \
             set or TERM is `dumb`. `always` uses them in a file as well. `never` uses none.",
        )
    },
    set: |options, value| {
        let words =
            [("auto", UseColor::Auto), ("always", UseColor::Always), ("never", UseColor::Never)];
        options.color = one_of(value, &words)?;
        Ok(())
    },
};

static OWN: [&Definition<PlanOptions>; 6] = [&ALL, &DIFF, &MARKDOWN, &GRAPH, &PLAN_JSON, &COLOR];

pub(super) static DOCS: [&Doc; 6] =
    [&ALL.doc, &DIFF.doc, &MARKDOWN.doc, &GRAPH.doc, &PLAN_JSON.doc, &COLOR.doc];

pub(super) fn plan(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let mut options = PlanOptions::default();
    let words = dbt_words::read(verb, &OWN, &mut options, words, DbtOptions::OfABuild)?;
    Ok(Request::Verb(Verb::Plan(words, options)))
}
