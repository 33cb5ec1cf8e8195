//! Our own verbs, and what follows each of them.

use super::help::help;
use super::options::{self, SHARED_WITH_DBT, VERBS};
use super::values::seconds;
use crate::dbt::command;
use crate::os::supervise::{Policy, SignalTarget};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What to do.
#[derive(Debug, Clone)]
pub enum Verb {
    /// Run dbt with these words.
    Dbt(Vec<OsString>),
    /// Be a plain PID 1 for this command line.
    Exec(Vec<OsString>, Policy),
    /// Say what dbt, run with these words, would build.
    Plan(Vec<OsString>, Form),
    /// Say what the volume holds.
    Status(Form),
    /// List the earlier baselines.
    History(Form),
    /// Go back so many baselines.
    Rollback(usize),
    /// Take something for what the warehouse holds.
    Adopt(Adoption),
    /// Have these nodes built again.
    Invalidate(Vec<String>),
    /// `VERB --help`.
    Teach(&'static str),
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// How an answer is written on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Words,
    /// `--json`: one object.
    Json,
}

/// `adopt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// `--from`: a manifest, `-` for standard input; otherwise the project as it stands.
    pub from: Option<OsString>,
    /// `--force`: over whatever is there.
    pub force: bool,
    /// dbt's options, which shape the parse.
    pub words: Vec<OsString>,
}

pub(super) fn verb(mut words: Vec<OsString>) -> Result<Verb> {
    let Some(first) = words.first().map(|word| word.to_string_lossy().into_owned()) else {
        bail!("no command was given\n\n{}", help());
    };
    if first == "--" {
        words.remove(0);
        return if words.is_empty() { bail!("nothing follows `--`") } else { Ok(Verb::Dbt(words)) };
    }
    if VERBS.iter().any(|verb| verb.name == first) {
        words.remove(0);
        return ours(&first, words);
    }
    misspelt(&words)?;
    misplaced(&words)?;
    Ok(Verb::Dbt(words))
}

/// An option before dbt's subcommand that is neither ours nor dbt's, but nearly one of ours:
/// dbt would say of it only that there is no such option.
fn misspelt(words: &[OsString]) -> Result<()> {
    let Some(name) = command::unknown_option(words) else { return Ok(()) };
    let Some(row) = options::near(name) else { return Ok(()) };
    bail!(
        "there is no option --{name}; the nearest is {}\n  \
         what to do:\n    \
         dbt-entrypoint {} …     (if that was meant)\n    \
         dbt-entrypoint -- --{name} …     (if it is for dbt: all behind `--` is)",
        row.written(),
        row.written()
    )
}

/// One of our options behind dbt's first word would be an error of dbt's that tells nothing.
fn misplaced(words: &[OsString]) -> Result<()> {
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        let Some(name) = word.strip_prefix("--").and_then(|long| long.split('=').next()) else {
            continue;
        };
        if options::named(name).is_some() && !SHARED_WITH_DBT.contains(&name) {
            bail!(
                "--{name} belongs to dbt-entrypoint and stands before dbt's command: dbt-entrypoint {word} … ; to hand it to dbt, put `--` before dbt's command"
            );
        }
    }
    Ok(())
}

/// `exec [--rewrite A:B]… [--group] [--] CMD…`.
fn exec(words: Vec<OsString>) -> Result<Verb> {
    let mut policy = Policy::exec();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.try_raw_args().and_then(|raw| raw.peek().map(OsStr::to_owned)) {
        match word.to_str().unwrap_or_default() {
            "--" => {
                parser.raw_args()?.next();
                break;
            }
            text if text.starts_with("--") => exec_option(&mut policy, &mut parser)?,
            _ => break,
        }
    }
    let command: Vec<OsString> = parser.raw_args()?.collect();
    if command.is_empty() {
        bail!("exec needs a command: dbt-entrypoint exec -- CMD…");
    }
    Ok(Verb::Exec(command, policy))
}

fn exec_option(policy: &mut Policy, parser: &mut lexopt::Parser) -> Result<()> {
    match parser.next()? {
        Some(lexopt::Arg::Long("rewrite")) => {
            let rule = parser.value()?;
            policy.add_rewrite(rule.to_str().unwrap_or_default())
        }
        Some(lexopt::Arg::Long("group")) => {
            policy.target = SignalTarget::Group;
            Ok(())
        }
        Some(lexopt::Arg::Long("stop-grace")) => {
            policy.grace = Some(seconds(&parser.value()?).context("--stop-grace")?);
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
        None => Ok(()),
    }
}

fn ours(verb: &str, words: Vec<OsString>) -> Result<Verb> {
    if words.first().is_some_and(|word| word == "--help" || word == "-h") {
        return Ok(Verb::Teach(super::of_verb(verb)));
    }
    match verb {
        "exec" => exec(words),
        "plan" => plan(words),
        "adopt" => adopt(words),
        "status" => Ok(Verb::Status(form_alone(verb, words)?)),
        "history" => Ok(Verb::History(form_alone(verb, words)?)),
        "rollback" => rollback(words),
        _ => invalidate(words),
    }
}

/// Options of a verb's own at the beginning of `words`, by name, and whatever follows them.
type Split = (BTreeMap<String, Option<OsString>>, Vec<OsString>);

fn split(verb: &str, words: Vec<OsString>) -> Result<Split> {
    let own = |name: &str| options::own(verb).iter().find(|row| row.name == name);
    let mut parser = lexopt::Parser::from_args(words);
    let mut given = BTreeMap::new();
    while let Some(name) = parser.try_raw_args().and_then(|raw| own_option(raw.peek()?)) {
        let Some(row) = own(&name) else { break };
        parser.next()?;
        let value = match row.is_switch() {
            true => None,
            false => Some(parser.value().with_context(|| format!("--{name} needs a value"))?),
        };
        given.insert(name, value);
    }
    Ok((given, parser.raw_args()?.collect()))
}

fn own_option(word: &OsStr) -> Option<String> {
    word.to_str()?.strip_prefix("--")?.split('=').next().map(str::to_owned)
}

fn form(given: &BTreeMap<String, Option<OsString>>) -> Form {
    if given.contains_key("json") { Form::Json } else { Form::Words }
}

fn form_alone(verb: &str, words: Vec<OsString>) -> Result<Form> {
    let (given, rest) = split(verb, words)?;
    match rest.first() {
        None => Ok(form(&given)),
        Some(word) => bail!(
            "`{verb}` does not take {}: dbt-entrypoint {verb} [--json]; other options stand before the verb",
            word.display()
        ),
    }
}

fn plan(words: Vec<OsString>) -> Result<Verb> {
    let (given, mut rest) = split("plan", words)?;
    if rest.is_empty() {
        rest.push("build".into());
    }
    misplaced(&rest)?;
    Ok(Verb::Plan(rest, form(&given)))
}

fn adopt(words: Vec<OsString>) -> Result<Verb> {
    let (mut given, rest) = split("adopt", words)?;
    if let Some(word) = rest.first().filter(|word| !word.to_string_lossy().starts_with('-')) {
        bail!("`adopt` does not take {:?}; a manifest is named with --from FILE", word.display());
    }
    let force = given.contains_key("force");
    Ok(Verb::Adopt(Adoption { from: given.remove("from").flatten(), force, words: rest }))
}

fn rollback(words: Vec<OsString>) -> Result<Verb> {
    match words.as_slice() {
        [] => Ok(Verb::Rollback(1)),
        [number] => match number.to_str().and_then(|number| number.parse().ok()) {
            Some(number) if number > 0 => Ok(Verb::Rollback(number)),
            _ => Err(anyhow!(
                "rollback {}: a number from `dbt-entrypoint history` is needed",
                number.display()
            )),
        },
        _ => bail!("rollback takes one number: dbt-entrypoint rollback [N]"),
    }
}

fn invalidate(words: Vec<OsString>) -> Result<Verb> {
    let terms = words.into_iter().map(|word| match word.into_string() {
        Ok(term) if !term.starts_with('-') && !term.is_empty() => Ok(term),
        Ok(term) => {
            Err(anyhow!("invalidate does not take {term:?}: name nodes, tag:NAME or path:PREFIX"))
        }
        Err(word) => Err(anyhow!("{} is not the name of a node", word.display())),
    });
    let terms: Vec<String> = terms.collect::<Result<_>>()?;
    if terms.is_empty() {
        bail!("invalidate needs the name of a node: dbt-entrypoint invalidate orders+");
    }
    Ok(Verb::Invalidate(terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Verb, String> {
        verb(words.iter().map(OsString::from).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_verb_teaches_itself() {
        for name in VERBS.map(|verb| verb.name) {
            let Ok(Verb::Teach(text)) = read(&[name, "--help"]) else { panic!("{name}") };
            assert!(text.starts_with(&format!("dbt-entrypoint [OPTIONS] {name}")), "{text}");
        }
    }

    #[test]
    fn a_plan_is_of_a_build_unless_told_otherwise_and_dbts_words_stay_dbts() {
        let Ok(Verb::Plan(words, form)) = read(&["plan", "--json"]) else { panic!() };
        assert_eq!((words, form), (vec![OsString::from("build")], Form::Json));
        let Ok(Verb::Plan(words, form)) = read(&["plan", "run", "--json"]) else { panic!() };
        assert_eq!((words, form), (vec!["run".into(), "--json".into()], Form::Words));
        assert!(read(&["plan", "run", "--full"]).unwrap_err().contains("before dbt's command"));
    }

    #[test]
    fn an_adoption_is_told_from_dbts_options() {
        let Ok(Verb::Adopt(adoption)) =
            read(&["adopt", "--force", "--from=m.json", "--target", "x"])
        else {
            panic!()
        };
        let words = vec!["--target".into(), "x".into()];
        assert_eq!(adoption, Adoption { from: Some("m.json".into()), force: true, words });
        assert!(read(&["adopt", "m.json"]).unwrap_err().contains("--from"));
    }

    #[test]
    fn what_a_verb_does_not_take_is_said() {
        for words in
            [&["status", "now"][..], &["history", "-x"], &["rollback", "x"], &["rollback", "0"]]
        {
            assert!(read(words).is_err(), "{words:?}");
        }
        assert!(read(&["invalidate"]).is_err() && read(&["invalidate", "--all"]).is_err());
        assert!(matches!(read(&["rollback"]), Ok(Verb::Rollback(1))));
        assert!(matches!(read(&["--", "plan"]), Ok(Verb::Dbt(_))));
    }
}
