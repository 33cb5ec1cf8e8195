//! How argv and the environment become an [`Invocation`].

use super::*;
use crate::decide::budget::Limit;
use crate::decide::progress::ProgressForm;
use crate::decide::warehouse::Verify;
use std::os::unix::ffi::OsStringExt;

mod teaching;

fn environment_of(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn parsed(args: &[&str], env: &[(&str, &str)]) -> Result<Invocation, String> {
    let args = args.iter().map(OsString::from).collect();
    parse(args, environment_of(env)).map_err(|failure| {
        assert_eq!(failure.code(), 64);
        failure.to_string()
    })
}

/// The settings alone, without the environment that they came from.
fn settings(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
    parsed(&[args, &["run"]].concat(), env)
        .map(|invocation| Config { environment: Environment::new(), ..invocation.config })
}

fn run_with(words: &[&str]) -> Request {
    Request::Dbt(words.iter().map(OsString::from).collect())
}

#[test]
fn the_defaults_are_those_of_the_documents() {
    let expected = Config {
        mode: Mode::Auto,
        state_dir: "/state".into(),
        only_changed: false,
        settle: Settle::Doubt,
        refresh_changed: Vec::new(),
        on_empty: OnEmpty::Full,
        allow_ephemeral: false,
        always_start: false,
        warm: false,
        verify: Verify::Never,
        max_missing: None,
        probe: None,
        lock_timeout: Duration::from_secs(3600),
        needs_shared_lock: false,
        stop_grace: Duration::from_secs(8),
        stop_signal: Signal::SIGINT,
        on_exit: None,
        dbt: "dbt".into(),
        budget: Budget::default(),
        yes: false,
        approve: None,
        publish: None,
        history: Retention { number: 10, bytes: 256 << 20 },
        state_mode: None,
        termination_log: "/dev/termination-log".into(),
        metrics_file: None,
        events: None,
        progress: ProgressForm::Auto,
        log: LogStyle::Human,
        log_level: log::LevelFilter::Info,
        environment: Environment::new(),
    };
    assert_eq!(Retention::default(), expected.history);
    let invocation = Invocation { config: expected, request: run_with(&["run"]) };
    assert_eq!(parsed(&["run"], &[]), Ok(invocation));
}

/// Two valid values of an option, neither of them its default, and a wrong one.
fn samples(doc: &Doc) -> [&'static str; 3] {
    match (doc.name, doc.value) {
        (_, Value::Switch) => ["yes", "true", "ja"],
        (_, Value::Choice([first, .., last])) if doc.default == Initial::Value(first) => {
            [last, last, "no-such-word"]
        }
        (_, Value::Choice([first, .., last])) if doc.default == Initial::Value(last) => {
            [first, first, "no-such-word"]
        }
        (_, Value::Choice([first, .., last])) => [first, last, "no-such-word"],
        ("refresh-changed", _) => ["incremental", "materialized_view incremental", "table"],
        ("protect", _) => ["orders", "tag:x,path:y", ","],
        ("verify", _) => ["always", "24h", "sometimes"],
        ("max-rebuild" | "max-missing", _) => ["20", "10%", "101%"],
        ("max-rebuild-time" | "lock-timeout" | "stop-grace", _) => ["30m", "1.5", "soon"],
        ("history", _) => ["3", "4", "0"],
        ("state-mode", _) => ["0640", "600", "0666"],
        ("history-bytes", _) => ["2G", "17", "2T"],
        ("approve", _) => ["523231c202fe273c", "x", ""],
        ("probe" | "publish" | "on-exit", _) => ["true", "sh -c 'exit 1'", "sh -c 'exit 1"],
        (_, Value::File | Value::Directory) => ["/a", "b", ""],
        (name, value) => panic!("no samples for --{name} {value:?}"),
    }
}

#[test]
fn every_option_wins_over_its_variable_and_the_variable_over_the_default() {
    let unset = settings(&[], &[]).unwrap();
    for doc in options::all().map(|definition| &definition.doc) {
        let Some(variable) = doc.variable() else { continue };
        let [one, other, _] = samples(doc);
        let by_variable = settings(&[], &[(&variable, one)]).unwrap();
        assert_ne!(by_variable, unset, "{variable}={one}");
        let option = match doc.value.is_needed() {
            true => format!("--{}={other}", doc.name),
            false => format!("--{}", doc.name),
        };
        let by_option = settings(&[&option], &[]).unwrap();
        assert_ne!(by_option, unset, "{option}");
        let opposite = if doc.value == Value::Switch { "no" } else { one };
        let both = settings(&[&option], &[(&variable, opposite)]);
        assert_eq!(both, Ok(by_option), "{option}");
        if doc.value.is_needed() {
            let apart = settings(&[&format!("--{}", doc.name), one], &[]);
            assert_eq!(apart, Ok(by_variable), "{}", doc.name);
        }
    }
}

#[test]
fn an_empty_variable_is_not_set_and_an_empty_option_is_an_error() {
    for doc in options::all().map(|definition| &definition.doc) {
        let Some(variable) = doc.variable() else { continue };
        assert_eq!(settings(&[], &[(&variable, "")]), settings(&[], &[]), "{variable}");
        let error = settings(&[&format!("--{}=", doc.name)], &[]).unwrap_err();
        assert!(error.starts_with(&format!("--{}", doc.name)), "{error}");
    }
}

#[test]
fn a_wrong_value_is_refused_and_its_option_or_variable_is_named() {
    for doc in options::all().map(|definition| &definition.doc) {
        let Some(variable) = doc.variable() else { continue };
        let [_, _, wrong] = samples(doc);
        if !wrong.is_empty() {
            let error = settings(&[], &[(&variable, wrong)]).unwrap_err();
            assert!(error.starts_with(&format!("{variable}: ")), "{error}");
        }
        let error = settings(&[&format!("--{}={wrong}", doc.name)], &[]).unwrap_err();
        assert!(error.starts_with(&format!("--{}", doc.name)), "{error}");
    }
    // A variable that an option overrules is checked all the same.
    let variable = [("DBT_ENTRYPOINT_MODE", "ful")];
    let expected = "DBT_ENTRYPOINT_MODE: \"ful\" is not one of auto, full, off\n  \
                    what to do:\n    \
                    dbt-entrypoint --help=mode     (explains the option and its values)";
    assert_eq!(settings(&["--mode", "off"], &variable), Err(expected.into()));
}

#[test]
fn every_word_that_is_offered_for_completion_is_understood() {
    for doc in options::all().map(|definition| &definition.doc) {
        let (Value::Choice(words) | Value::List { known: words, .. }) = doc.value else { continue };
        for word in words {
            assert!(settings(&[&format!("--{}={word}", doc.name)], &[]).is_ok(), "{word}");
        }
    }
}

#[test]
fn full_and_no_state_are_modes() {
    let with = |mode| Ok(Config { mode, ..settings(&[], &[]).unwrap() });
    assert_eq!(settings(&["--full"], &[]), with(Mode::Full));
    assert_eq!(settings(&["--no-state"], &[]), with(Mode::Off));
    assert_eq!(settings(&["--full", "--mode", "auto"], &[]), with(Mode::Auto));
    assert_eq!(settings(&["--full"], &[("DBT_ENTRYPOINT_MODE", "off")]), with(Mode::Full));
}

#[test]
fn a_repeated_option_counts_once_and_lists_add_up() {
    let config = settings(
        &["--mode=off", "--mode", "full", "--protect=a", "--protect", "b,c"],
        &[("DBT_ENTRYPOINT_PROTECT", "d")],
    );
    let protected = ["a", "b", "c"].map(str::to_owned).to_vec();
    let budget = Budget { protected, ..Budget::default() };
    let expected = Config { mode: Mode::Full, budget, ..settings(&[], &[]).unwrap() };
    assert_eq!(config, Ok(expected));
}

#[test]
fn limits_become_a_budget() {
    let config = settings(&["--max-rebuild=10%", "--max-rebuild-time=1h 30min"], &[]).unwrap();
    let expected =
        Budget { nodes: Some(Limit::Percent(10.0)), seconds: Some(5400.0), protected: Vec::new() };
    assert_eq!(config.budget, expected);
}

#[test]
fn the_state_directory_falls_back_to_dbts_own_variables() {
    let state = |env: &[(&str, &str)]| settings(&[], env).unwrap().state_dir;
    assert_eq!(state(&[("DBT_STATE", "/a")]), PathBuf::from("/a"));
    assert_eq!(state(&[("DBT_STATE", "/a"), ("DBT_ENGINE_STATE", "/b")]), PathBuf::from("/b"));
    assert_eq!(state(&[("DBT_STATE", ""), ("DBT_ENGINE_STATE", "")]), PathBuf::from("/state"));
    let both = [("DBT_STATE", "/a"), ("DBT_ENTRYPOINT_STATE_DIR", "/b")];
    assert_eq!(state(&both), PathBuf::from("/b"));
}

#[test]
fn commands_are_split_when_they_are_read() {
    let words = Some(["psql", "-c", "select 1"].map(OsString::from).to_vec());
    let config = settings(&["--publish=psql -c 'select 1'"], &[("DBT_ENTRYPOINT_PROBE", "a b")]);
    let expected = Config {
        publish: words,
        probe: Some(vec!["a".into(), "b".into()]),
        ..settings(&[], &[]).unwrap()
    };
    assert_eq!(config, Ok(expected));
    let error = settings(&["--publish", "x 'y"], &[]).unwrap_err();
    assert!(error.starts_with("--publish: the quotation mark ' is not closed\n"), "{error}");
}

#[test]
fn an_unknown_variable_of_ours_is_an_error_that_names_the_nearest() {
    for (variable, nearest) in [
        ("DBT_ENTRYPOINT_STATEDIR", "DBT_ENTRYPOINT_STATE_DIR"),
        ("DBT_ENTRYPOINT_state_dir", "DBT_ENTRYPOINT_STATE_DIR"),
        ("DBT_ENTRYPOINT_FULL", "DBT_ENTRYPOINT_MODE=full"),
        ("DBT_ENTRYPOINT_NO_STATE", "DBT_ENTRYPOINT_MODE=off"),
    ] {
        for value in ["x", ""] {
            let error = settings(&[], &[(variable, value)]).unwrap_err();
            let expected =
                format!("unknown variable {variable}; the nearest that exists is {nearest}\n");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn variables_that_others_set_are_no_settings() {
    let env = [
        ("DBT_ENTRYPOINT_MANIFEST", "/state/manifest.json"),
        ("DBT_ENTRYPOINT_SERVICE_HOST", "10.0.0.1"),
        ("DBT_ENTRYPOINT_SERVICE_PORT_HTTP", "80"),
        ("DBT_ENTRYPOINT_PORT", "tcp://10.0.0.1:80"),
        ("DBT_ENTRYPOINT_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("DBT_ENTRYPOINTX", "x"),
    ];
    assert_eq!(settings(&[], &env), settings(&[], &[]));
}

#[test]
fn our_options_come_first_and_dbts_words_are_left_alone() {
    let args = ["--full", "--state-dir=/s", "--quiet", "run", "--threads", "4"];
    let Invocation { config, request } = parsed(&args, &[]).unwrap();
    let expected =
        Config { mode: Mode::Full, state_dir: "/s".into(), ..settings(&[], &[]).unwrap() };
    assert_eq!(config, expected);
    assert_eq!(request, run_with(&["--quiet", "run", "--threads", "4"]));
}

#[test]
fn bytes_that_are_not_utf8_reach_paths_commands_and_dbt() {
    let odd = |text: &[u8]| OsString::from_vec(text.to_vec());
    let args = vec![
        odd(b"--state-dir=/\xff"),
        "--publish".into(),
        odd(b"\xff '\xfe x'"),
        "run".into(),
        odd(b"\xff\xfe"),
        OsString::new(),
    ];
    let Invocation { config, request } = parse(args, Environment::new()).unwrap();
    let expected = Config {
        state_dir: odd(b"/\xff").into(),
        publish: Some(vec![odd(b"\xff"), odd(b"\xfe x")]),
        ..settings(&[], &[]).unwrap()
    };
    assert_eq!(config, expected);
    assert_eq!(request, Request::Dbt(vec!["run".into(), odd(b"\xff\xfe"), OsString::new()]));
    let error = parse(vec![odd(b"--approve=\xff"), "run".into()], Environment::new()).unwrap_err();
    assert!(error.to_string().starts_with("--approve: \"\\xFF\" is not UTF-8\n"), "{error}");
}

#[test]
fn a_value_that_looks_like_an_option_stands_behind_an_equals_sign() {
    let expected = "--state-dir needs a value, but the option --full follows\n  \
                    what to do:\n    \
                    --state-dir DIR     (puts the value in between)\n    \
                    --state-dir=--full     (if that is the value)";
    assert_eq!(settings(&["--state-dir", "--full"], &[]), Err(expected.into()));
    assert_eq!(settings(&["--state-dir=--full"], &[]).unwrap().state_dir, PathBuf::from("--full"));
    let error = parsed(&["--state-dir"], &[]).unwrap_err();
    assert_eq!(error, "--state-dir needs a value\n  what to do:\n    --state-dir DIR");
    assert_eq!(settings(&["--dbt", "-"], &[]).unwrap().dbt, "-");
}

#[test]
fn a_switch_takes_no_value() {
    let error = parsed(&["--full=yes", "run"], &[]).unwrap_err();
    assert!(error.starts_with("--full takes no value, but was given \"yes\"\n"), "{error}");
}

#[test]
fn our_option_after_dbts_command_says_where_it_belongs() {
    let expected = "--full is an option of dbt-entrypoint, and stands before dbt's command\n  \
                    what to do:\n    \
                    dbt-entrypoint --full …     (the option first)\n    \
                    dbt-entrypoint -- …     (hands all words to dbt as they are)";
    assert_eq!(parsed(&["run", "--full"], &[]), Err(expected.into()));
    for words in [
        &["--", "run", "--full"][..],
        &["run", "--log-level", "debug", "--help"],
        &["run-operation", "x", "--", "--full"],
    ] {
        let of_dbt = words.strip_prefix(&["--"]).unwrap_or(words);
        assert_eq!(parsed(words, &[]).unwrap().request, run_with(of_dbt));
    }
}

#[test]
fn a_slip_in_an_option_of_ours_names_the_right_one_and_what_is_dbts_reaches_dbt() {
    for (typed, meant) in [
        ("--only-chnaged", "--only-changed"),
        ("--only_changed", "--only-changed"),
        ("--Full", "--full"),
        ("--dbt-path=/x", "--dbt PATH"),
        ("--max", "--max-rebuild N|N%"),
        ("--lock-timout=3", "--lock-timeout DURATION"),
        ("--state-directory", "--state-dir DIR"),
    ] {
        let error = parsed(&[typed, "run"], &[]).unwrap_err();
        assert!(error.contains(&format!("the nearest is {meant}\n")), "{typed}: {error}");
        assert!(parsed(&["--", typed, "run"], &[]).is_ok(), "{typed}");
    }
    assert!(parsed(&["--log-format", "json", "--only-chnaged"], &[]).is_err());
    // Options of dbt's, options that nobody has, and what follows dbt's subcommand.
    for words in [
        &["--no-partial-parse", "--debug", "run"][..],
        &["--target-path", "--dbt-path", "run"],
        &["--frobnicate", "run"],
        &["-x", "run"],
        &["run", "--only-chnaged"],
    ] {
        assert_eq!(parsed(words, &[]).unwrap().request, run_with(words));
    }
}

#[test]
fn no_two_options_have_one_name_and_plan_and_adopt_have_none_of_dbts() {
    let mut names: Vec<&str> = options::docs().map(|doc| doc.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    let takes_dbt = verbs().filter(|verb| matches!(verb.operands, Operands::Dbt(_)));
    for doc in takes_dbt.flat_map(|verb| verb.options) {
        // dbt has `--sql` for a command that is not a build, and not without a value.
        let is_dbts = crate::dbt::command::has_option(doc.name) && doc.name != "sql";
        assert!(!is_dbts, "{}", doc.name);
    }
}
