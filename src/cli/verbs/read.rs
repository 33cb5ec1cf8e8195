//! The options of the verbs, and the readers of their command lines.

use super::dbt_words::{self, DbtOptions};
use super::definitions::VerbDoc;
use super::{Adoption, DiffOptions, Exec, OutputFormat, Request, Verb};
use crate::cli::argv;
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::nearest::{near, slip};
use crate::cli::options;
use crate::cli::values::{duration, not_empty, switch, text};
use crate::dbt::command;
use crate::decide::stop::{Policy, SignalTarget};
use crate::exit::Refusal;
use lexopt::Parser;
use std::ffi::{OsStr, OsString};

/// Reads what follows a verb.
pub(super) type Read = fn(&VerbDoc, Vec<OsString>) -> Result<Request, Stop>;

/// Why reading stops.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// `--help` was found.
    Help,
    /// Something is wrong.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(super) static JSON: Definition<OutputFormat> = Definition {
    doc: Doc {
        name: "json",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "write one JSON object",
        manual: "Writes the answer as one JSON object on standard output. Use it in programs: the \
                 text for people may change with every version. Log lines stay on standard error.",
    },
    set: |form, value| {
        *form = if switch(value)? { OutputFormat::Json } else { OutputFormat::Words };
        Ok(())
    },
};

pub(super) static FROM: Definition<Adoption> = Definition {
    doc: Doc {
        name: "from",
        common: true,
        letter: None,
        value: Value::File,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "record what this manifest.json says",
        manual: "Records what this manifest.json of dbt says, instead of the project as it stands. \
                 `-` reads it from standard input. A file that cannot be read, or that is no \
                 manifest of dbt, is refused with 78.",
    },
    set: |adoption, value| {
        adoption.from = Some(not_empty(value)?);
        Ok(())
    },
};

pub(super) static FORCE: Definition<Adoption> = Definition {
    doc: Doc {
        name: "force",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "replace the baseline that is there",
        manual: "Replaces the baseline that is there. Without it, `adopt` is refused with 78 \
                 unless the volume is empty. The history keeps the old baseline if it can be used.",
    },
    set: |adoption, value| {
        adoption.force = switch(value)?;
        Ok(())
    },
};

pub(super) static REWRITE: Definition<Policy> = Definition {
    doc: Doc {
        name: "rewrite",
        common: true,
        letter: None,
        value: Value::Text("A:B"),
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "forward signal A as B",
        manual: "Forwards signal A as signal B. Both are names, with or without SIG, or numbers; \
                 `TERM:INT` is an example. B may be 0, and then A is not forwarded. The option may \
                 be repeated.",
    },
    set: |policy, value| policy.add_rewrite(text(value)?),
};

pub(super) static GROUP: Definition<Policy> = Definition {
    doc: Doc {
        name: "group",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "forward signals to the whole process group",
        manual: "Forwards signals to the whole process group of the program, and not to the \
                 program alone. Use it for a shell script that starts other programs. The program \
                 then runs in a process group of its own.",
    },
    set: |policy, value| {
        policy.target = if switch(value)? { SignalTarget::Group } else { SignalTarget::Child };
        Ok(())
    },
};

pub(super) static STOP_GRACE: Definition<Policy> = Definition {
    doc: Doc {
        name: "stop-grace",
        common: true,
        letter: None,
        value: Value::Text("DURATION"),
        default: Initial::Unset("never"),
        variable: Variable::None,
        help: "kill the program this long after a stop request",
        manual: "Kills the program this long after the first request to stop; a second request \
                 kills it at once. Without it the program is never killed. `--stop-grace` before \
                 `exec`, and its variable, are for dbt and have no effect here.",
    },
    set: |policy, value| {
        policy.grace = Some(duration(value)?);
        Ok(())
    },
};

pub(super) fn status(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    form_alone(verb, words).map(|form| Request::Verb(Verb::Status(form)))
}

pub(super) fn history(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    form_alone(verb, words).map(|form| Request::Verb(Verb::History(form)))
}

fn form_alone(verb: &VerbDoc, words: Vec<OsString>) -> Result<OutputFormat, Stop> {
    let mut form = OutputFormat::Words;
    match operands(verb, &[&JSON], &mut form, words)?.first() {
        None => Ok(form),
        Some(word) => Err(takes_no(verb, word).into()),
    }
}

pub(super) fn rollback(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let operands = operands::<()>(verb, &[], &mut (), words)?;
    let steps = match operands.as_slice() {
        [] => 1,
        [number] => steps(verb, number, 1)?,
        [_, word, ..] => return Err(takes_no(verb, word).into()),
    };
    Ok(Request::Verb(Verb::Rollback(steps)))
}

pub(super) fn diff(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let mut form = OutputFormat::Words;
    let operands = operands(verb, &[&JSON], &mut form, words)?;
    let (from, to) = match operands.as_slice() {
        [from] => (steps(verb, from, 0)?, 0),
        [from, to] => (steps(verb, from, 0)?, steps(verb, to, 0)?),
        [] => {
            return Err(Refusal::new("diff needs the number of a baseline")
                .remedy("dbt-entrypoint history     (lists the baselines with their numbers)")
                .remedy("dbt-entrypoint diff 1     (what the last change was)")
                .into());
        }
        [_, _, word, ..] => return Err(takes_no(verb, word).into()),
    };
    Ok(Request::Verb(Verb::Diff(DiffOptions { from, to, form })))
}

/// The number of a baseline, as `history` lists it.
fn steps(verb: &VerbDoc, word: &OsStr, least: usize) -> Result<usize, Refusal> {
    let number = word.to_str().and_then(|number| number.parse().ok());
    number.filter(|steps| *steps >= least).ok_or_else(|| {
        let name = verb.name;
        Refusal::new(format!("{name}: {word:?} is not a number of at least {least}"))
            .remedy("dbt-entrypoint history     (lists the baselines with their numbers)")
    })
}

pub(super) fn adopt(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let mut adoption = Adoption::default();
    let parse = DbtOptions::OfAParse;
    adoption.words = dbt_words::read(verb, &[&FROM, &FORCE], &mut adoption, words, parse)?;
    Ok(Request::Verb(Verb::Adopt(adoption)))
}

pub(super) fn invalidate(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let operands = operands::<()>(verb, &[], &mut (), words)?;
    let terms = operands.into_iter().map(|word| match word.into_string() {
        Ok(term) if !term.is_empty() => Ok(term),
        Ok(term) => Err(no_node(&format!("{term:?}"))),
        Err(word) => Err(no_node(&format!("{word:?}"))),
    });
    let terms: Vec<String> = terms.collect::<Result<_, _>>()?;
    if terms.is_empty() {
        return Err(Refusal::new("invalidate needs at least one node")
            .remedy("dbt-entrypoint invalidate orders     (or tag:NAME, path:PREFIX)")
            .into());
    }
    Ok(Request::Verb(Verb::Invalidate(terms)))
}

fn no_node(word: &str) -> Refusal {
    Refusal::new(format!("invalidate: {word} cannot be the name of a node"))
        .remedy("dbt-entrypoint invalidate orders     (or tag:NAME, path:PREFIX)")
}

pub(super) fn exec(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let mut policy = Policy::exec();
    let mut parser = Parser::from_args(words);
    while take_option(verb, &[&REWRITE, &GROUP, &STOP_GRACE], &mut policy, &mut parser)? {}
    let mut words = argv::rest(&mut parser);
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    if words.is_empty() {
        return Err(Refusal::new("exec needs a program to run")
            .remedy("dbt-entrypoint exec -- CMD…")
            .into());
    }
    Ok(Request::Exec(Exec { words, policy }))
}

/// The words of a verb that are no options. Its options may stand anywhere before `--`.
fn operands<T>(
    verb: &VerbDoc,
    own: &[&'static Definition<T>],
    target: &mut T,
    words: Vec<OsString>,
) -> Result<Vec<OsString>, Stop> {
    let mut parser = Parser::from_args(words);
    let mut operands = Vec::new();
    loop {
        while take_option(verb, own, target, &mut parser)? {}
        match parser.try_raw_args().and_then(|mut words| words.next()) {
            None => return Ok(operands),
            Some(word) if word == "--" => {
                operands.extend(argv::rest(&mut parser));
                return Ok(operands);
            }
            Some(word) => operands.push(word),
        }
    }
}

/// Take the next word if it is an option; whether there was one.
///
/// # Errors
/// An option that the verb does not have.
pub(super) fn take_option<T>(
    verb: &VerbDoc,
    own: &[&'static Definition<T>],
    target: &mut T,
    parser: &mut Parser,
) -> Result<bool, Stop> {
    let word = argv::next_word(parser);
    let Some(word) = word.filter(|word| argv::is_option(word) && word != "--") else {
        return Ok(false);
    };
    if word == "--help" || word == "-h" {
        return Err(Stop::Help);
    }
    let name = argv::long_name(&word);
    let Some(definition) = own.iter().find(|definition| name == Some(definition.doc.name)) else {
        return Err(unknown_option(verb, &word).into());
    };
    let value = argv::take(&definition.doc, parser)?;
    (definition.set)(target, &value).map_err(|error| {
        Refusal::new(format!("{} --{}: {error:#}", verb.name, definition.doc.name))
            .remedy(teaches(verb))
    })?;
    Ok(true)
}

fn teaches(verb: &VerbDoc) -> String {
    format!("dbt-entrypoint {} --help     (lists its options)", verb.name)
}

fn takes_no(verb: &VerbDoc, word: &OsStr) -> Refusal {
    Refusal::new(format!("{} does not take the word {:?}", verb.name, word.display().to_string()))
        .meaning("nothing was run")
        .remedy(format!("dbt-entrypoint {}", verb.usage))
}

/// An option that a verb does not have: one that stands elsewhere, or a misspelt one.
pub(super) fn unknown_option(verb: &VerbDoc, word: &OsStr) -> Refusal {
    let typed = argv::long_name(word).map_or_else(String::new, str::to_owned);
    if let Some(doc) = options::named(&typed) {
        return belongs_before(verb, doc);
    }
    let verb_name = verb.name;
    let word = word.to_string_lossy();
    let word = word.split('=').next().unwrap_or_default();
    let found = format!("{verb_name} has no option {word}");
    let Some((nearest, example)) = nearest_option(verb, &typed) else {
        return Refusal::new(format!("{found}; it has {}", its_options(verb)))
            .meaning("nothing was run")
            .remedy(teaches(verb));
    };
    Refusal::new(format!("{found}; the nearest is {nearest}"))
        .meaning("nothing was run")
        .remedy(format!("{example}     (if that was meant)"))
        .remedy(teaches(verb))
}

fn its_options(verb: &VerbDoc) -> String {
    let own: String = verb.options.iter().map(|doc| format!("--{}, ", doc.name)).collect();
    let dbt = if dbt_words::takes_dbt(verb) { " and options of dbt" } else { "" };
    if own.is_empty() { "only --help".to_owned() } else { format!("{own}--help{dbt}") }
}

fn belongs_before(verb: &VerbDoc, doc: &Doc) -> Refusal {
    let verb = verb.name;
    Refusal::new(format!("--{} is an option of dbt-entrypoint, and stands before {verb}", doc.name))
        .meaning("nothing was run")
        .remedy(format!("dbt-entrypoint {} {verb} …", doc.written()))
}

/// The option that was probably meant, and how it is written: the verb's own, one of dbt's where
/// the verb takes them, or one that stands before the verb.
fn nearest_option(verb: &VerbDoc, typed: &str) -> Option<(String, String)> {
    let name = verb.name;
    let own = verb.options.iter().map(|doc| doc.name).chain(["help"]);
    let dbt = command::option_names().filter(|_| dbt_words::takes_dbt(verb));
    if let Some(near) = near(typed, own.chain(dbt)) {
        let doc = verb.options.iter().find(|doc| doc.name == near);
        let written = doc.map_or_else(|| format!("--{near}"), |doc| doc.written());
        return Some((written.clone(), format!("dbt-entrypoint {name} {written} …")));
    }
    let doc = slip(typed, options::docs().map(|doc| doc.name)).and_then(options::named)?;
    let written = doc.written();
    Some((
        format!("{written}, which stands before {name}"),
        format!("dbt-entrypoint {written} {name} …"),
    ))
}
