//! How argv and the environment become a [`Config`].

use super::*;

fn environment_of(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn parsed(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
    let args = args.iter().map(OsString::from).collect();
    parse(args, environment_of(env)).map_err(|failure| failure.to_string())
}

fn dbt_words(config: &Config) -> Vec<String> {
    let Verb::Dbt(words) = &config.verb else { panic!("not dbt: {config:?}") };
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

#[test]
fn our_options_come_first_and_dbts_words_are_left_alone() {
    let config =
        parsed(&["--full", "--state-dir=/s", "--quiet", "run", "--threads", "4"], &[]).unwrap();
    assert_eq!(config.mode, Mode::Full);
    assert_eq!(config.state_dir, PathBuf::from("/s"));
    assert_eq!(dbt_words(&config), ["--quiet", "run", "--threads", "4"]);
}

#[test]
fn an_option_wins_over_its_variable_and_the_variable_over_the_default() {
    let env = [("DBT_ENTRYPOINT_MODE", "off"), ("DBT_ENTRYPOINT_LOCK_TIMEOUT", "1.5")];
    let config = parsed(&["--mode", "auto", "run"], &env).unwrap();
    assert_eq!((config.mode, config.lock_timeout), (Mode::Auto, Duration::from_millis(1500)));
    assert_eq!(parsed(&["run"], &env).unwrap().mode, Mode::Off);
}

#[test]
fn the_state_directory_falls_back_to_dbt_state_and_then_to_the_root() {
    let state = |env: &[(&str, &str)]| parsed(&["run"], env).unwrap().state_dir;
    assert_eq!(state(&[]), PathBuf::from("/state"));
    assert_eq!(state(&[("DBT_STATE", "/a")]), PathBuf::from("/a"));
    let both = [("DBT_STATE", "/a"), ("DBT_ENTRYPOINT_STATE_DIR", "/b")];
    assert_eq!(state(&both), PathBuf::from("/b"));
}

#[test]
fn a_probe_is_a_command_line_in_one_word() {
    let probe = |env: &[(&str, &str)]| parsed(&["run"], env).unwrap().probe;
    assert_eq!(probe(&[]), None);
    let words = ["psql", "-c", "select 1"].map(OsString::from).into();
    assert_eq!(probe(&[("DBT_ENTRYPOINT_PROBE", "psql -c 'select 1'")]), Some(words));
    assert!(parsed(&["--probe", "", "run"], &[]).is_err());
}

#[test]
fn an_unknown_variable_of_ours_is_an_error_that_names_the_nearest() {
    let error = parsed(&["run"], &[("DBT_ENTRYPOINT_STATEDIR", "/x")]).unwrap_err();
    assert!(error.contains("DBT_ENTRYPOINT_STATE_DIR"), "{error}");
}

#[test]
fn our_option_after_dbts_command_says_where_it_belongs() {
    let error = parsed(&["run", "--full"], &[]).unwrap_err();
    assert!(error.contains("before dbt's command"), "{error}");
    assert!(parsed(&["--", "run", "--full"], &[]).is_ok());
    assert!(parsed(&["run", "--log-level", "debug", "--help"], &[]).is_ok());
}

#[test]
fn help_and_version_before_dbts_word_are_ours_and_after_it_dbts() {
    assert!(matches!(parsed(&["--help"], &[]).unwrap().verb, Verb::Help));
    assert!(matches!(parsed(&["-V"], &[]).unwrap().verb, Verb::Version));
    assert_eq!(dbt_words(&parsed(&["run", "--help"], &[]).unwrap()), ["run", "--help"]);
}

#[test]
fn a_misspelt_value_is_an_error_and_never_the_expensive_branch() {
    for args in [["--mode", "ful"], ["--stop-grace", "-1"], ["--on-empty", ""]] {
        assert!(parsed(&[args[0], args[1], "run"], &[]).is_err(), "{args:?}");
    }
    assert!(parsed(&["run"], &[("DBT_ENTRYPOINT_ONLY_CHANGED", "ja")]).is_err());
    assert!(parsed(&["--full=yes", "run"], &[]).is_err());
}

#[test]
fn no_arguments_teach() {
    assert!(parsed(&[], &[]).unwrap_err().contains("USAGE"));
}

#[test]
fn words_that_are_not_utf8_reach_dbt() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(vec![0xff, 0xfe]);
    let config = parse(vec!["run".into(), odd.clone(), "".into()], Environment::new()).unwrap();
    let Verb::Dbt(words) = config.verb else { panic!() };
    assert_eq!(words, [OsString::from("run"), odd, OsString::new()]);
}

#[test]
fn a_slip_in_an_option_of_ours_names_the_right_one_and_what_is_dbts_reaches_dbt() {
    for (typed, meant) in [
        ("--only-chnaged", "--only-changed"),
        ("--only_changed", "--only-changed"),
        ("--Full", "--full"),
        ("--dbt-path=/x", "--dbt PATH"),
        ("--max", "--max-rebuild N|N%"),
        ("--lock-timout=3", "--lock-timeout SECONDS"),
        ("--state-directory", "--state-dir DIR"),
    ] {
        let error = parsed(&[typed, "run"], &[]).unwrap_err();
        assert!(error.contains(&format!("the nearest is {meant}\n")), "{typed}: {error}");
        assert!(parsed(&["--", typed, "run"], &[]).is_ok(), "{typed}");
    }
    // Options of dbt's, one that nobody has, and what follows dbt's subcommand.
    for words in [
        &["--log-format", "json", "--only-chnaged"][..],
        &["--no-partial-parse", "--debug", "run"],
        &["--target-path", "--dbt-path", "run"],
        &["--frobnicate", "run"],
        &["-x", "run"],
        &["run", "--only-chnaged"],
    ] {
        let wrong = words.contains(&"--only-chnaged") && words[0] != "run";
        assert_eq!(parsed(words, &[]).is_err(), wrong, "{words:?}");
    }
}

#[test]
fn help_fits_one_screen() {
    let help = help();
    assert!(help.lines().count() <= 40, "{help}");
    for text in options::VERBS.map(|verb| of_verb(verb.name)) {
        assert!(text.lines().count() <= 20, "{text}");
    }
    let all = options::VERBS.iter().map(|verb| of_verb(verb.name).to_owned()).chain([help]);
    for line in all.collect::<String>().lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn every_option_of_the_table_is_understood() {
    for row in options::OPTIONS.iter().filter(|row| row.variable().is_some()) {
        let mut config = defaults(Environment::new());
        let value = match row.value {
            "" => "yes",
            "SECONDS" | "N" | "N|N%" | "BYTES" => "7",
            "KINDS" => "incremental",
            "PATH" | "DIR" | "COMMAND" | "HASH" | "NODES" => row.value,
            "30m" => "30m",
            words => words.split('|').next().unwrap(),
        };
        assert!(set(&mut config, row.name, OsStr::new(value)).is_ok(), "{row:?}");
    }
}

#[test]
fn what_is_kept_and_refreshed_is_bounded_by_words_that_mean_something() {
    let env = [("DBT_ENTRYPOINT_HISTORY", "3"), ("DBT_ENTRYPOINT_HISTORY_BYTES", "2G")];
    let bounds = Retention { number: 3, bytes: 2 << 30 };
    assert_eq!(parsed(&["run"], &env).unwrap().history, bounds);
    for args in [["--history", "0"], ["--history-bytes", "2T"], ["--refresh-changed", "incremntal"]]
    {
        assert!(parsed(&[args[0], args[1], "run"], &[]).is_err(), "{args:?}");
    }
    let kinds = parsed(&["--refresh-changed", "materialized_view,incremental", "run"], &[]);
    assert_eq!(kinds.unwrap().refresh_changed, ["materialized_view", "incremental"]);
}
