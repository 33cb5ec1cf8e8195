//! What a command line means, and what the edits make of it.

use super::*;
use proptest::prelude::*;
use std::os::unix::ffi::OsStringExt;

fn command(line: &str, variables: &[(&str, &str)]) -> Command {
    let environment = variables.iter().map(|(key, value)| (key.into(), value.into())).collect();
    Command::parse(words(line), &environment)
}

/// `|` stands between words.
fn words(line: &str) -> Vec<OsString> {
    line.split('|').map(OsString::from).collect()
}

fn spelt(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join("|")
}

fn terms(terms: &[&str]) -> Selection {
    Selection::Terms(terms.iter().map(OsString::from).collect())
}

#[test]
fn a_value_is_not_taken_for_the_subcommand() {
    for line in ["-t|build|run", "--profile|seed|run", "--state=x|-qr|test|run", "--|run"] {
        assert_eq!(command(line, &[]).subcommand(), Some("run"), "{line}");
    }
    // v2 alone takes selections there, and no more than the attached word.
    assert_eq!(command("--select=a|run", &[]).selection(), &terms(&["a"]));
    assert_eq!(command("--select=a|run", &[]).duty(), Duty::BuildSelected);
    assert_eq!(command("--select|a|run", &[]).subcommand(), None);
    assert_eq!(command("--quiet", &[]).subcommand(), None);
}

#[test]
fn list_is_ls_and_a_group_is_its_first_word() {
    assert_eq!(command("list", &[]).subcommand(), Some("ls"));
    assert_eq!(command("docs|generate", &[]).subcommand(), Some("docs"));
}

#[test]
fn what_is_not_understood_is_passed_through() {
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
fn a_value_may_look_like_anything() {
    assert_eq!(command("run|--vars|--full-refresh", &[]).flag(Flag::FullRefresh), None);
    assert_eq!(command("run|-s|-x|b", &[]).selection(), &terms(&["-x", "b"]));
    assert_eq!(command("run|--help|-s", &[]).duty(), Duty::Bystander);
    assert_eq!(command("run|-s|--help", &[]).duty(), Duty::BuildSelected);
}

#[test]
fn letters_may_stand_together_with_the_value_attached() {
    for line in ["run|-qxtprod", "run|-qxt|prod", "run|-t=prod", "run|--target=prod", "-tprod|run"]
    {
        let command = command(line, &[]);
        assert_eq!(command.value(Opt::Target), Some(OsStr::new("prod")), "{line}");
        assert_eq!(command.duty(), Duty::BuildSelected, "{line}");
    }
}

#[test]
fn the_last_word_wins_and_any_word_wins_over_the_variables() {
    let variables = [("DBT_TARGET", "old"), ("DBT_ENGINE_TARGET", "new"), ("DBT_PROFILE", "")];
    let value = |line, option| command(line, &variables).value(option).map(OsStr::to_owned);
    assert_eq!(value("run|-t|a|--target|b", Opt::Target), Some("b".into()));
    assert_eq!(value("run|-t|", Opt::Target), Some("".into()));
    assert_eq!(value("run", Opt::Target), Some("new".into()));
    assert_eq!(value("run", Opt::Profile), None);
}

#[test]
fn a_flag_may_be_denied_by_a_word_or_a_variable() {
    let flag =
        |line, value| command(line, &[("DBT_PARTIAL_PARSE", value)]).flag(Flag::PartialParse);
    assert_eq!(flag("run", ""), None);
    assert_eq!(flag("run", " Off "), Some(false));
    assert_eq!(flag("run|--partial-parse", "0"), Some(true));
    assert_eq!(flag("run|--partial-parse|--no-partial-parse", "1"), Some(false));
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
fn state_is_the_users_own_affair_once_they_name_it() {
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
fn a_command_builds_its_own_types_and_build_those_asked_for() {
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
fn what_is_not_the_real_thing_is_named() {
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
fn our_selection_stands_right_after_the_subcommand() {
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
        assert_eq!(spelt(&command(line, &[]).selecting(&words("a|b"), state)), edited);
    }
}

#[test]
fn no_terms_select_nothing_and_the_users_own_stay() {
    assert_eq!(spelt(&command("run", &[]).selecting(&[], None)), "run|--select=|--write-json");
    let own = command("run|-s|c", &[]).selecting(&words("a"), Some(Path::new("/s")));
    assert_eq!(spelt(&own), "run|--write-json|-s|c");
}

#[test]
fn every_term_is_narrowed_in_whatever_form_it_came() {
    for (line, edited) in [
        ("-s|a|b  c", "-s|a,M|b,M  c,M"),
        ("-xsa|--models=b+|--exclude|c", "-xsa,M|--models=b+,M|--exclude|c"),
        ("-s=a", "-s=a,M"),
        ("-s||--select=|-m|a,b", "-s||--select=|-m|a,b,M"),
    ] {
        let narrowed =
            command(&format!("run|{line}"), &[]).narrowed(SKIPPED, Path::new("/s")).unwrap();
        let expected = format!("run|--state=/s|--write-json|{}", edited.replace('M', SKIPPED));
        assert_eq!(spelt(&narrowed), expected);
    }
    assert_eq!(command("run|--selector|d", &[]).narrowed(SKIPPED, Path::new("/s")), None);
    assert_eq!(command("run|-s|state:new", &[]).narrowed(SKIPPED, Path::new("/s")), None);
}

#[test]
fn a_selector_is_narrowed_as_a_method() {
    let narrowed = |line| {
        command(line, &[])
            .narrowed_selector(OsStr::new("d"), SKIPPED, Path::new("/s"))
            .as_deref()
            .map(spelt)
    };
    let ours = "run|--select=selector:d,result:skipped+|--state=/s|--write-json";
    assert_eq!(narrowed("run"), Some(ours.into()));
    assert_eq!(narrowed("run|--selector=d|-qsb|--exclude|c|e|-x"), Some(format!("{ours}|-q|-x")));
    assert_eq!(narrowed("run|-s|a"), None);
}

#[test]
fn write_json_is_said_once_and_not_denied() {
    for (line, edited) in [
        ("run", "run|--write-json"),
        ("run|--write-json", "run|--write-json"),
        ("run|--no-write-json|-x|--write-json", "run|--write-json|-x"),
        ("--no-write-json|run", "--write-json|run"),
    ] {
        assert_eq!(spelt(&command(line, &[]).with_write_json()), edited);
    }
}

#[test]
fn an_extra_option_takes_the_place_of_the_users_own() {
    let with = |line, extra| spelt(&command(line, &[]).with_options(&words(extra)));
    assert_eq!(with("run|-x", "--log-format-file|json"), "run|--log-format-file|json|-x");
    assert_eq!(
        with("--log-format-file=text|run|-x", "--log-format-file|json"),
        "run|--log-format-file|json|-x"
    );
    assert_eq!(with("run|-dqxtprod", "--no-quiet|-ta"), "run|--no-quiet|-ta|-dx");
    let command = command("run", &[]);
    let edited = command.selecting(&words("a"), None);
    let edited = command.with_options_in(&edited, &words("--indirect-selection|empty"));
    assert_eq!(spelt(&edited), "run|--indirect-selection|empty|--select=a|--write-json");
}

#[test]
fn parsing_first_takes_what_shapes_the_project() {
    let line = "-qtprod|--no-write-json|build|--vars|{a: 1}|-s|a|b|--full-refresh|--no-partial-parse|\
                --state|/s|--threads=4|--project-dir|p|--empty|--fail-fast";
    assert_eq!(
        spelt(&command(line, &[]).as_parse()),
        "parse|--target=prod|--vars={a: 1}|--no-partial-parse|--threads=4|--project-dir=p|\
         --write-json|--quiet"
    );
    assert_eq!(
        spelt(&command(line, &[]).as_list()),
        "ls|--target=prod|--vars={a: 1}|--select=a|--select=b|--no-partial-parse|\
         --project-dir=p|--output=json|--output-keys=unique_id|--no-write-json|--quiet"
    );
}

/// Words that mean something, words that nearly do, and any bytes.
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

/// A line of a command that builds, whose values are any bytes.
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

proptest! {
    #[test]
    fn no_line_makes_us_panic_and_a_bystander_is_left_alone(words in any_line()) {
        let command = Command::parse(words.clone(), &Environment::new());
        let edited = [command.with_write_json(), command.selecting(&[], None), command.with_options(&[])];
        let _ = (command.as_parse(), command.as_list(), command.unreal_option(), command.builds("model"));
        let _ = (command.narrowed(SKIPPED, Path::new("/s")), command.value(Opt::Target));
        let _ = command.narrowed_selector(OsStr::new("d"), SKIPPED, Path::new("/s"));
        prop_assert!(command.duty() != Duty::Bystander || edited.iter().all(|line| *line == words));
    }

    #[test]
    fn the_users_words_stay_in_order_byte_for_byte(words in any_line(), extra in any_build()) {
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
    fn an_edit_done_twice_is_an_edit_done_once(words in prop_oneof![any_line(), any_build()]) {
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
