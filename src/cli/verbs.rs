//! Our own verbs: what each takes and does, and how its command line is read.

mod dbt_words;
mod definitions;
mod plan;
mod read;
mod warehouse;

pub use definitions::{Operands, VerbDoc, verbs};

use super::help::{help, of_verb};
use super::nearest::near;
use super::{argv, options};
use crate::dbt::command;
use crate::decide::stop::Policy;
use crate::exit::Refusal;
use std::ffi::OsString;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Print this text on standard output, and nothing else.
    Print(String),
    /// Run dbt with these words.
    Dbt(Vec<OsString>),
    /// Run any other program.
    Exec(Exec),
    /// Answer one of our own verbs.
    Verb(Verb),
}

/// `exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// What to do with signals.
    pub policy: Policy,
}

/// What operators ask for, apart from running dbt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Show what dbt, run with these words, would build.
    Plan(Vec<OsString>, PlanOptions),
    /// Show what the volume holds.
    Status(OutputFormat),
    /// List the earlier baselines.
    History(OutputFormat),
    /// Show what changed between two baselines.
    Diff(DiffOptions),
    /// Go back this many baselines.
    Rollback(usize),
    /// Record the project or a manifest as built.
    Adopt(Adoption),
    /// Compare the warehouse with the baseline.
    Verify(Asking),
    /// List or drop relations that no node claims any more.
    Orphans(Asking),
    /// Make the next run build these nodes again.
    Invalidate(Vec<String>),
}

/// How an answer is written on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Words,
    /// `--json`: one object.
    Json,
}

/// The options of `plan`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// `--json`, `--markdown`, `--graph`.
    pub form: PlanForm,
    /// `--all`: each node has a line.
    pub all: bool,
    /// `--diff`: what was edited in the code.
    pub diff: bool,
    /// `--color`.
    pub color: UseColor,
}

/// `diff`. Baselines are named by their steps back; 0 is the present one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiffOptions {
    /// The one that is compared with.
    pub from: usize,
    /// The one that is compared.
    pub to: usize,
    /// `--json`.
    pub form: OutputFormat,
}

/// How a plan is written on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlanForm {
    /// For people.
    #[default]
    Words,
    /// One object.
    Json,
    /// For a pull request.
    Markdown,
    /// A flowchart for Mermaid.
    Mermaid,
    /// A graph for Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UseColor {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// In a file as well.
    Always,
    /// Nowhere.
    Never,
}

/// `adopt`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// `--from`: a manifest, `-` for standard input; otherwise the project as it stands.
    pub from: Option<OsString>,
    /// `--force`: replace the baseline that is there.
    pub force: bool,
    /// dbt's options, which shape the parse.
    pub words: Vec<OsString>,
}

/// `verify` and `orphans`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// `--record`: the next run builds what is missing.
    pub record: bool,
    /// `--sql`: print the statements that would drop orphans.
    pub sql: bool,
    /// `--drop`: drop them.
    pub drop: bool,
    /// `--approve`: the hash of those that may be dropped.
    pub approve: Option<String>,
    /// `--json`.
    pub form: OutputFormat,
    /// dbt's options, which choose the project and the target.
    pub words: Vec<OsString>,
}

/// What the words behind our options ask for.
pub(super) fn request(mut words: Vec<OsString>) -> Result<Request, Refusal> {
    let Some(first) = words.first().map(|word| word.to_string_lossy().into_owned()) else {
        return Err(Refusal::new(format!("no command was given\n\n{}", help())));
    };
    if first == "--" {
        words.remove(0);
        return if words.is_empty() { Err(nothing_follows()) } else { Ok(Request::Dbt(words)) };
    }
    if let Some(verb) = definitions::named(&first) {
        words.remove(0);
        return match (verb.read)(&verb.doc, words) {
            Ok(request) => Ok(request),
            Err(read::Stop::Help) => Ok(Request::Print(of_verb(&verb.doc))),
            Err(read::Stop::Refused(refusal)) => Err(refusal),
        };
    }
    misspelt_verb(&first)?;
    misspelt_option(&words)?;
    misplaced_option(&words)?;
    Ok(Request::Dbt(words))
}

fn nothing_follows() -> Refusal {
    Refusal::new("nothing follows `--`")
        .remedy("dbt-entrypoint -- run     (what follows `--` is dbt's command)")
}

/// A word that is none of dbt's commands, but nearly one of our verbs. dbt would say of it only
/// that there is no such command.
fn misspelt_verb(word: &str) -> Result<(), Refusal> {
    let names = verbs().map(|verb| verb.name);
    if word.starts_with('-') || command::SUBCOMMANDS.contains(&word) {
        return Ok(());
    }
    let Some(verb) = near(word, names) else { return Ok(()) };
    Err(Refusal::new(format!("there is no command {word}; the nearest is {verb}"))
        .remedy(format!("dbt-entrypoint {verb} …     (if that was meant)"))
        .remedy(format!("dbt-entrypoint -- {word} …     (if dbt has a command {word})")))
}

/// An option before dbt's command that is neither ours nor dbt's, but nearly one of ours. dbt
/// would say of it only that there is no such option.
fn misspelt_option(words: &[OsString]) -> Result<(), Refusal> {
    let reading = command::reading(words);
    let unread = reading.unread.filter(|_| reading.subcommand.is_none());
    let Some(name) = unread.and_then(|at| argv::long_name(words.get(at)?)) else { return Ok(()) };
    if command::has_option(name) {
        return Ok(());
    }
    let near = near(name, options::docs().map(|doc| doc.name)).and_then(options::named);
    let Some(written) = near.map(|doc| doc.written()) else { return Ok(()) };
    Err(Refusal::new(format!("there is no option --{name}; the nearest is {written}"))
        .remedy(format!("dbt-entrypoint {written} …     (if that was meant)"))
        .remedy(format!("dbt-entrypoint -- --{name} …     (if it is an option of dbt)")))
}

/// One of our options behind dbt's first word. dbt would say of it only that there is no such
/// option.
fn misplaced_option(words: &[OsString]) -> Result<(), Refusal> {
    for word in words.iter().skip(1).take_while(|word| *word != "--") {
        let Some(doc) = argv::long_name(word).and_then(options::named) else { continue };
        if !command::has_option(doc.name) {
            let word = word.display();
            return Err(Refusal::new(format!(
                "--{} is an option of dbt-entrypoint, and stands before dbt's command",
                doc.name
            ))
            .remedy(format!("dbt-entrypoint {word} …     (the option first)"))
            .remedy("dbt-entrypoint -- …     (hands all words to dbt as they are)"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
