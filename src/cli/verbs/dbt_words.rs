//! The words of verbs that take dbt's options besides their own: `plan` and `adopt`.

use super::definitions::{Operands, VerbDoc};
use super::read::{Stop, take_option};
use crate::cli::argv;
use crate::cli::definition::Definition;
use crate::dbt::command::{self, Reading};
use crate::exit::Refusal;
use lexopt::Parser;
use std::ffi::{OsStr, OsString};

/// Which of dbt's options a verb takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DbtOptions {
    /// A command that builds, and its options. `build` where there is none.
    OfABuild,
    /// Options that `dbt parse` takes; no command.
    OfAParse,
}

/// Whether dbt's options may follow a verb.
pub(super) fn takes_dbt(verb: &VerbDoc) -> bool {
    matches!(verb.operands, Operands::Dbt(_))
}

/// dbt's words. The verb's own options are set in `target` and left out; they may stand anywhere
/// between dbt's, but not where dbt would take them for the value of an option.
///
/// # Errors
/// An option that neither the verb nor dbt has; one of dbt's that would have no effect.
pub(super) fn read<T>(
    verb: &VerbDoc,
    own: &[&'static Definition<T>],
    target: &mut T,
    words: Vec<OsString>,
    options: DbtOptions,
) -> Result<Vec<OsString>, Stop> {
    if words.iter().take_while(|word| *word != "--").any(|word| word == "--help" || word == "-h") {
        return Err(Stop::Help);
    }
    let words = without_own(verb, own, target, words)?;
    match options {
        DbtOptions::OfABuild => Ok(with_command(words)?),
        DbtOptions::OfAParse => {
            refuse_idle(verb, &words)?;
            Ok(words)
        }
    }
}

/// The words without the verb's own options. dbt's reading of the words says which are options:
/// it ends at every option that dbt does not have.
fn without_own<T>(
    verb: &VerbDoc,
    own: &[&'static Definition<T>],
    target: &mut T,
    mut words: Vec<OsString>,
) -> Result<Vec<OsString>, Stop> {
    // Where dbt has an option of the same name for some other command, ours is meant.
    let is_ours = |word: &OsString| {
        let name = argv::long_name(word).filter(|name| command::has_option(name));
        own.iter().any(|definition| name == Some(definition.doc.name))
    };
    while let Some(at) = words.iter().position(is_ours) {
        let mut parser = Parser::from_args(words.split_off(at));
        take_option(verb, own, target, &mut parser)?;
        words.append(&mut argv::rest(&mut parser));
    }
    while let Some(at) = command::reading(&words).unread {
        let mut parser = Parser::from_args(words.split_off(at));
        if let Some(name) = argv::next_word(&mut parser).as_deref().and_then(dbt_name) {
            return Err(malformed(verb, &name).into());
        }
        let found = take_option(verb, own, target, &mut parser)?;
        words.append(&mut argv::rest(&mut parser));
        if !found {
            break;
        }
    }
    Ok(words)
}

/// The name of an option that dbt has.
fn dbt_name(word: &OsStr) -> Option<String> {
    argv::long_name(word).filter(|name| command::has_option(name)).map(str::to_owned)
}

fn malformed(verb: &VerbDoc, name: &str) -> Refusal {
    Refusal::new(format!("{}: dbt's option --{name} lacks its value, or takes none", verb.name))
        .meaning("nothing was run")
        .remedy("dbt-entrypoint build --help     (lists dbt's options)")
}

/// The words with the command that is planned: `build` where none is named.
fn with_command(mut words: Vec<OsString>) -> Result<Vec<OsString>, Refusal> {
    if command::reading(&words).subcommand.is_some() {
        return Ok(words);
    }
    let planned = |word: &&OsString| ["run", "build", "seed"].iter().any(|name| *word == name);
    if let Some(word) = words.iter().find(planned) {
        let word = word.display();
        return Err(Refusal::new(format!(
            "plan: {word} follows an option that takes it for its value"
        ))
        .meaning("nothing was run")
        .remedy(format!("dbt-entrypoint plan {word} …     (the command first, then its options)"))
        .remedy(format!("dbt-entrypoint plan build …     (if {word} is a value)")));
    }
    words.insert(0, "build".into());
    Ok(words)
}

/// `adopt` records the whole project: what selects or builds would have no effect.
fn refuse_idle(verb: &VerbDoc, words: &[OsString]) -> Result<(), Refusal> {
    let line: Vec<OsString> =
        std::iter::once(OsString::from("build")).chain(words.iter().cloned()).collect();
    let Reading { operand, beyond_parse, .. } = command::reading(&line);
    let name = verb.name;
    if let Some(word) = operand.and_then(|at| line.get(at)) {
        return Err(Refusal::new(format!(
            "{name} does not take the word {:?}",
            word.display().to_string()
        ))
        .meaning("nothing was run")
        .remedy(format!("dbt-entrypoint {}", verb.usage)));
    }
    let Some(option) = beyond_parse else { return Ok(()) };
    Err(Refusal::new(format!("{name}: dbt's option --{option} would have no effect"))
        .meaning("it is about the whole project; nothing was run")
        .remedy(format!("dbt-entrypoint {name}     (without that option)")))
}
