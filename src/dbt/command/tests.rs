//! Tests of what a command line means, and of the edits.

use super::*;
use proptest::prelude::*;
use std::os::unix::ffi::OsStringExt;

fn command(line: &str, variables: &[(&str, &str)]) -> Command {
    let environment = variables.iter().map(|(key, value)| (key.into(), value.into())).collect();
    Command::parse(words(line), &environment)
}

/// Split a line into words at `|`.
fn words(line: &str) -> Vec<OsString> {
    line.split('|').map(OsString::from).collect()
}

fn joined(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join("|")
}

fn terms(terms: &[&str]) -> Selection {
    Selection::Terms(terms.iter().map(OsString::from).collect())
}

#[test]
fn the_value_of_an_option_is_not_taken_for_the_subcommand() {
    for line in ["-t|build|run", "--profile|seed|run", "--state=x|-qr|test|run", "--|run"] {
        assert_eq!(command(line, &[]).subcommand(), Some("run"), "{line}");
    }
    // Only v2 accepts a selection there, and only one attached value.
    assert_eq!(command("--select=a|run", &[]).selection(), &terms(&["a"]));
    assert_eq!(command("--select=a|run", &[]).duty(), Duty::BuildSelected);
    assert_eq!(command("--select|a|run", &[]).subcommand(), None);
    assert_eq!(command("--quiet", &[]).subcommand(), None);
}

#[test]
fn list_means_ls_and_docs_generate_means_docs() {
    assert_eq!(command("list", &[]).subcommand(), Some("ls"));
    assert_eq!(command("docs|generate", &[]).subcommand(), Some("docs"));
}

#[test]
fn a_line_that_is_not_understood_reaches_dbt_unchanged() {
    for line in [
        "run|--bogus",
        "--bogus|run",
        "run|-z",
        "run|--sel|a",
        "run|--target",
        "run|-t",
        "run|--full-refresh=yes",
        "run|stray",
        "run|--|stray",
        "run|-s|a|-",
        "nonsense",
        "init|-s|run",
        "help|run",
        "run|--help",
        "-h|run",
        "build|-s|a|-V",
        "--version",
        "",
    ] {
        let command = command(line, &[]);
        assert_eq!(command.duty(), Duty::Bystander, "{line}");
        let edited = [
            command.with_write_json(),
            command.selecting(&words("a"), Some(Path::new("/s"))),
            command.with_options(&words("--log-format|json")),
        ];
        assert!(edited.iter().all(|edited| edited == command.words()), "{line}");
        assert_eq!(command.narrowed(SKIPPED, Path::new("/s")), None, "{line}");
    }
}

#[test]
fn a_value_may_look_like_an_option() {
    assert_eq!(command("run|--vars|--full-refresh", &[]).flag(Flag::FullRefresh), None);
    assert_eq!(command("run|-s|-x|b", &[]).selection(), &terms(&["-x", "b"]));
    assert_eq!(command("run|--help|-s", &[]).duty(), Duty::Bystander);
    assert_eq!(command("run|-s|--help", &[]).duty(), Duty::BuildSelected);
}

#[test]
fn short_options_may_be_grouped_with_the_value_attached() {
    for line in ["run|-qxtprod", "run|-qxt|prod", "run|-t=prod", "run|--target=prod", "-tprod|run"]
    {
        let command = command(line, &[]);
        assert_eq!(command.value(Opt::Target), Some(OsStr::new("prod")), "{line}");
        assert_eq!(command.duty(), Duty::BuildSelected, "{line}");
    }
}

#[test]
fn the_last_option_wins_and_options_win_over_variables() {
    let variables = [("DBT_TARGET", "old"), ("DBT_ENGINE_TARGET", "new"), ("DBT_PROFILE", "")];
    let value = |line, option| command(line, &variables).value(option).map(OsStr::to_owned);
    assert_eq!(value("run|-t|a|--target|b", Opt::Target), Some("b".into()));
    assert_eq!(value("run|-t|", Opt::Target), Some("".into()));
    assert_eq!(value("run", Opt::Target), Some("new".into()));
    assert_eq!(value("run", Opt::Profile), None);
}

#[test]
fn a_flag_can_be_turned_off_by_an_option_or_a_variable() {
    let named = |name, line, value| command(line, &[(name, value)]).flag(Flag::UseV2Parser);
    let flag = |line, value| named("DBT_ENGINE_USE_V2_PARSER", line, value);
    assert_eq!(named("DBT_USE_V2_PARSER", "run", "1"), None, "dbt has never read that");
    assert_eq!(flag("run", ""), None);
    assert_eq!(flag("run", " Off "), Some(false));
    assert_eq!(flag("run|--use-v2-parser", "0"), Some(true));
    assert_eq!(flag("run|--use-v2-parser|--no-use-v2-parser", "1"), Some(false));
}

#[test]
fn a_selection_is_the_union_of_its_terms() {
    for line in ["run|-s|a|b c", "run|-sa|-m|b|--models=c", "build|--select|a b|c|-x"] {
        assert_eq!(command(line, &[]).selection(), &terms(&["a", "b", "c"]), "{line}");
    }
    assert_eq!(command("run|--exclude|a", &[]).selection(), &Selection::None);
    assert_eq!(command("run|-s|", &[]).selection(), &terms(&[]));
    let both = command("run|--select|a|--selector|d", &[]);
    assert_eq!(both.selection(), &Selection::Selector("d".into()));
}

#[test]
fn an_option_or_method_for_state_makes_the_selection_depend_on_a_state() {
    for line in [
        "run|--state|/s",
        "--state=/s|run|-s|a",
        "run|-s|a|@state:new",
        "run|--exclude|tag:a,1+state:old",
        "build|-s|result:error+",
        "run|--selector|x|--state|/s",
        "run|--dirty",
    ] {
        assert_eq!(command(line, &[]).selection(), &Selection::State, "{line}");
    }
    assert_eq!(command("run|--defer-state|/s", &[]).selection(), &Selection::None);
    assert_eq!(command("run", &[("DBT_STATE", "/s")]).selection(), &Selection::None);
}

#[test]
fn each_command_builds_its_resource_types_and_build_builds_the_requested_ones() {
    let built = |line, variables: &[(&str, &str)]| {
        let command = command(line, variables);
        RESOURCE_TYPES.into_iter().filter(|kind| command.builds(kind)).collect::<Vec<_>>()
    };
    let variable = [("DBT_RESOURCE_TYPES", "seed model"), ("DBT_EXCLUDE_RESOURCE_TYPES", "seed")];
    assert_eq!(built("run", &variable), ["model"]);
    assert_eq!(built("seed", &[]), ["seed"]);
    assert_eq!(built("snapshot", &[]), ["snapshot"]);
    assert_eq!(built("retry", &[]), RESOURCE_TYPES);
    assert_eq!(built("test", &[]), [""; 0]);
    assert_eq!(built("build", &[]), RESOURCE_TYPES);
    assert_eq!(built("build", &variable), ["model"]);
    assert_eq!(built("build|--resource-type|test|SEED", &variable), ["test"]);
    assert_eq!(
        built("build|--resource-types|all|--exclude-resource-type=model", &[]),
        RESOURCE_TYPES[1..]
    );
}

#[test]
fn options_that_build_something_else_than_the_complete_relations_are_found() {
    let unreal_option = |line, variables: &[(&str, &str)]| command(line, variables).unreal_option();
    assert_eq!(unreal_option("run|--full-refresh", &[]), None);
    assert_eq!(unreal_option("run|--empty", &[]), Some("--empty"));
    assert_eq!(unreal_option("run|--empty|--no-empty", &[]), None);
    assert_eq!(unreal_option("run", &[("DBT_ENGINE_EMPTY", "t")]), Some("--empty"));
    assert_eq!(unreal_option("run|--sample=3 days", &[]), Some("--sample"));
    assert_eq!(
        unreal_option("run", &[("DBT_EVENT_TIME_START", "2026-01-01")]),
        Some("--event-time-start")
    );
    assert_eq!(unreal_option("run|--defer", &[]), None);
    assert_eq!(unreal_option("run|--defer|--defer-state|/p", &[]), Some("--defer"));
    assert_eq!(unreal_option("run|--state|/p", &[("DBT_DEFER", "1")]), Some("--defer"));
    let older = [("DBT_DEFER_TO_STATE", "1")];
    assert_eq!(unreal_option("run|--no-defer|--state|/p", &older), Some("--defer"));
}

#[test]
fn the_added_selection_comes_right_after_the_subcommand() {
    let state = Some(Path::new("/the state"));
    for (line, edited) in [
        ("run", "run|--select=a|--select=b|--state=/the state|--write-json"),
        (
            "-q|run|--exclude|x|y",
            "-q|run|--select=a|--select=b|--state=/the state|--write-json|--exclude|x|y",
        ),
        ("--no-write-json|run", "--write-json|run|--select=a|--select=b|--state=/the state"),
        ("run|-x|--", "run|--select=a|--select=b|--state=/the state|--write-json|-x|--"),
    ] {
        assert_eq!(joined(&command(line, &[]).selecting(&words("a|b"), state)), edited);
    }
}

#[test]
fn no_terms_select_nothing_and_the_selection_of_the_user_stays() {
    assert_eq!(joined(&command("run", &[]).selecting(&[], None)), "run|--select=|--write-json");
    let own = command("run|-s|c", &[]).selecting(&words("a"), Some(Path::new("/s")));
    assert_eq!(joined(&own), "run|--write-json|-s|c");
}

#[test]
fn every_term_is_narrowed_in_whatever_form_it_is_written() {
    for (line, edited) in [
        ("-s|a|b  c", "-s|a,M|b,M  c,M"),
        ("-xsa|--models=b+|--exclude|c", "-xsa,M|--models=b+,M|--exclude|c"),
        ("-s=a", "-s=a,M"),
        ("-s||--select=|-m|a,b", "-s||--select=|-m|a,b,M"),
    ] {
        let narrowed =
            command(&format!("run|{line}"), &[]).narrowed(SKIPPED, Path::new("/s")).unwrap();
        let expected = format!("run|--state=/s|--write-json|{}", edited.replace('M', SKIPPED));
        assert_eq!(joined(&narrowed), expected);
    }
    assert_eq!(command("run|--selector|d", &[]).narrowed(SKIPPED, Path::new("/s")), None);
    assert_eq!(command("run|-s|state:new", &[]).narrowed(SKIPPED, Path::new("/s")), None);
}

#[test]
fn a_selector_is_narrowed_by_the_selector_method() {
    let narrowed = |line| {
        command(line, &[])
            .narrowed_selector(OsStr::new("d"), SKIPPED, Path::new("/s"))
            .as_deref()
            .map(joined)
    };
    let ours = "run|--select=selector:d,result:skipped+|--state=/s|--write-json";
    assert_eq!(narrowed("run"), Some(ours.into()));
    assert_eq!(narrowed("run|--selector=d|-qsb|--exclude|c|e|-x"), Some(format!("{ours}|-q|-x")));
    assert_eq!(narrowed("run|-s|a"), None);
}

#[test]
fn write_json_is_added_once_and_replaces_its_negation() {
    for (line, edited) in [
        ("run", "run|--write-json"),
        ("run|--write-json", "run|--write-json"),
        ("run|--no-write-json|-x|--write-json", "run|--write-json|-x"),
        ("--no-write-json|run", "--write-json|run"),
    ] {
        assert_eq!(joined(&command(line, &[]).with_write_json()), edited);
    }
}

#[test]
fn an_added_option_replaces_the_same_option_of_the_user() {
    let with = |line, extra| joined(&command(line, &[]).with_options(&words(extra)));
    assert_eq!(with("run|-x", "--log-format-file|json"), "run|--log-format-file|json|-x");
    assert_eq!(
        with("--log-format-file=text|run|-x", "--log-format-file|json"),
        "run|--log-format-file|json|-x"
    );
    assert_eq!(with("run|-dqxtprod", "--no-quiet|-ta"), "run|--no-quiet|-ta|-dx");
    let command = command("run", &[]);
    let edited = command.selecting(&words("a"), None);
    let edited = command.with_options_in(&edited, &words("--indirect-selection|empty"));
    assert_eq!(joined(&edited), "run|--indirect-selection|empty|--select=a|--write-json");
}

#[test]
fn parse_and_ls_keep_the_options_that_affect_the_project() {
    let line = "-qtprod|--no-write-json|build|--vars|{a: 1}|-s|a|b|--full-refresh|--no-partial-parse|\
                --state|/s|--threads=4|--project-dir|p|--empty|--fail-fast";
    assert_eq!(
        joined(&command(line, &[]).as_parse()),
        "parse|--target=prod|--vars={a: 1}|--no-partial-parse|--threads=4|--project-dir=p|\
         --write-json|--quiet"
    );
    assert_eq!(
        joined(&command(line, &[]).as_list()),
        "ls|--target=prod|--vars={a: 1}|--select=a|--select=b|--no-partial-parse|\
         --project-dir=p|--output=json|--output-keys=unique_id|--no-write-json|--quiet"
    );
}

/// Valid words, almost valid words, and arbitrary bytes.
fn any_word() -> impl Strategy<Value = OsString> {
    let known = prop::sample::select(vec![
        "run",
        "build",
        "seed",
        "snapshot",
        "ls",
        "--",
        "-",
        "",
        "a",
        "b c",
        "-s",
        "-sa",
        "-qs",
        "-x",
        "--select",
        "--select=a b",
        "--models",
        "--exclude",
        "--selector",
        "--selector=d",
        "--state",
        "--state=/s",
        "-tprod",
        "--target",
        "--write-json",
        "--no-write-json",
        "--vars={a: 1}",
        "--log-format-file=text",
        "--help",
        "--bogus",
        "-qxtprod",
        "--full-refresh",
        "--resource-type",
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..6).prop_map(OsString::from_vec);
    prop_oneof![8 => known.prop_map(OsString::from), 1 => bytes]
}

fn any_line() -> impl Strategy<Value = Vec<OsString>> {
    prop::collection::vec(any_word(), 0..9)
}

/// The line of a command that builds, with arbitrary bytes as values.
fn any_build() -> impl Strategy<Value = Vec<OsString>> {
    let value = prop::collection::vec(1_u8.., 0..6).prop_map(OsString::from_vec);
    let option = prop::sample::select(vec!["--vars", "-t", "--exclude", "--threads", "--profile"]);
    let options = prop::collection::vec((option, value), 0..4);
    let subcommand = prop::sample::select(vec!["run", "build", "seed"]);
    (subcommand, options).prop_map(|(subcommand, options)| {
        let options = options.into_iter().flat_map(|(option, value)| [option.into(), value]);
        std::iter::once(subcommand.into()).chain(options).collect()
    })
}

fn is_subsequence(words: &[OsString], of: &[OsString]) -> bool {
    let mut rest = of.iter();
    words.iter().all(|word| rest.any(|other| other == word))
}

fn about_write_json(word: &OsString) -> bool {
    word == "--write-json" || word == "--no-write-json"
}

#[test]
fn an_option_that_keeps_a_selection_from_taking_the_subcommand_is_not_replaced() {
    let words = ["-s", "a", "--log-format-file=text", "run"].map(OsString::from);
    let command = Command::parse(words.to_vec(), &Environment::new());
    assert_eq!(command.with_options(&["--log-format-file=json".into()]), words);
}

proptest! {
    #[test]
    fn no_line_causes_a_panic_and_a_bystander_stays_unchanged(words in any_line()) {
        let command = Command::parse(words.clone(), &Environment::new());
        let edited = [command.with_write_json(), command.selecting(&[], None), command.with_options(&[])];
        let _ = (command.as_parse(), command.as_list(), command.unreal_option(), command.builds("model"));
        let _ = (command.narrowed(SKIPPED, Path::new("/s")), command.value(Opt::Target));
        let _ = command.narrowed_selector(OsStr::new("d"), SKIPPED, Path::new("/s"));
        prop_assert!(command.duty() != Duty::Bystander || edited.iter().all(|line| *line == words));
    }

    #[test]
    fn the_words_of_the_user_stay_in_order_byte_for_byte(words in any_line(), extra in any_build()) {
        for words in [words, extra] {
            let command = Command::parse(words.clone(), &Environment::new());
            let mut own = words.clone();
            own.retain(|word| !about_write_json(word) || command.duty() == Duty::Bystander);
            let state = Some(Path::new("/s"));
            prop_assert!(is_subsequence(&own, &command.with_write_json()));
            prop_assert!(is_subsequence(&own, &command.selecting(&["a".into()], state)));
            let with = command.with_options(&["--invocation-id=1".into()]);
            prop_assert!(is_subsequence(&words, &with));
        }
    }

    #[test]
    fn applying_an_edit_twice_is_the_same_as_applying_it_once(words in prop_oneof![any_line(), any_build()]) {
        let command = Command::parse(words, &Environment::new());
        let extra = [OsString::from("--log-format-file=json")];
        type Edit<'a> = &'a dyn Fn(&Command) -> Vec<OsString>;
        let edits: [Edit<'_>; 3] = [
            &Command::with_write_json,
            &|command| command.selecting(&["a".into()], Some(Path::new("/s"))),
            &|command| command.with_options(&extra),
        ];
        for edit in edits {
            let once = command.edited(edit(&command));
            prop_assert_eq!(edit(&once), once.words());
            prop_assert_eq!(once.duty(), command.duty());
        }
    }
}
