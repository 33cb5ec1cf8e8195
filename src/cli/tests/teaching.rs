//! What `--help` teaches.

use super::*;

#[test]
fn help_and_version_before_dbts_word_are_ours_and_after_it_dbts() {
    let printed = |args: &[&str]| match parsed(args, &[("DBT_ENTRYPOINT_MODE", "wrong")]) {
        Ok(Invocation { request: Request::Print(text), .. }) => text,
        other => panic!("{args:?}: {other:?}"),
    };
    assert_eq!(printed(&["--help"]), help());
    assert_eq!(printed(&["--full", "-h", "run"]), help());
    assert_eq!(printed(&["--help=all"]), help_on_everything());
    assert_eq!(printed(&["-V"]), concat!("dbt-entrypoint ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(printed(&["--version"]), printed(&["-V"]));
    assert_eq!(printed(&["plan", "--help"]), printed(&["plan", "run", "-h"]));
    let request = parsed(&["run", "--help"], &[]).unwrap().request;
    assert_eq!(request, run_with(&["run", "--help"]));
    let error = parsed(&["--version=1", "run"], &[]).unwrap_err();
    assert!(error.starts_with("--version takes no value"), "{error}");
}

#[test]
fn help_on_a_topic_is_about_all_that_has_this_name() {
    let about = |topic: &str| help::about(OsStr::new(topic)).map_err(|error| error.to_string());
    let grace = "--stop-signal INT|TERM\n    The signal that dbt gets in place of TERM. ";
    for topic in ["stop-signal", "--stop-signal", "DBT_ENTRYPOINT_STOP_SIGNAL"] {
        assert!(about(topic).unwrap().starts_with(grace), "{topic}");
    }
    let history = about("history").unwrap();
    assert!(history.starts_with("--history N\n"), "{history}");
    assert!(history.contains("\ndbt-entrypoint [OPTIONS] history [--json]\n"), "{history}");
    let expected = "there is no option and no verb prtect; the nearest is protect\n  \
                    what to do:\n    \
                    dbt-entrypoint --help=protect\n    \
                    dbt-entrypoint --help     (lists all)";
    assert_eq!(about("prtect"), Err(expected.into()));
}

#[test]
fn no_arguments_teach() {
    let expected = format!("no command was given\n\n{}", help());
    assert_eq!(parsed(&[], &[]), Err(expected));
    assert!(parsed(&["--"], &[]).unwrap_err().starts_with("nothing follows `--`\n"));
}

#[test]
fn help_fits_one_screen_and_names_everything() {
    let help = help();
    assert!(help.lines().count() <= 40, "{help}");
    let words: Vec<&str> = help.split([' ', '\n', '[', ',', '.']).collect();
    for doc in options::docs() {
        assert!(words.contains(&&*format!("--{}", doc.name)), "{}", doc.name);
    }
    for verb in verbs() {
        let text = help::of_verb(verb);
        assert!(text.lines().count() <= 40, "{text}");
        assert!(words.contains(&verb.name), "{}", verb.name);
    }
    for line in [help, help_on_everything()].iter().flat_map(|text| text.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// How many sentences a manual has.
fn sentences(manual: &str) -> usize {
    assert!(manual.ends_with('.') && !manual.contains("  "), "{manual}");
    manual.matches(". ").count() + 1
}

#[test]
fn every_option_and_verb_is_explained_at_length_and_in_a_line() {
    let of_verbs = || verbs().flat_map(|verb| verb.options).copied();
    for doc in options::docs().chain(of_verbs()) {
        assert!((3..=9).contains(&sentences(doc.manual)), "{}", doc.name);
        assert!(!doc.help.is_empty() && doc.help.chars().count() <= 48, "{}", doc.name);
        assert!(doc.summary().chars().count() <= 180, "{}", doc.name);
    }
    for verb in verbs() {
        assert!((3..=9).contains(&sentences(verb.manual)), "{}", verb.name);
        assert!(verb.help.chars().count() <= 48 && !verb.examples.is_empty(), "{}", verb.name);
    }
}

#[test]
fn every_example_of_the_help_is_understood() {
    for (command, _) in verbs().flat_map(|verb| verb.examples) {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        assert!(parsed(&words, &[]).is_ok(), "{command}");
    }
}
