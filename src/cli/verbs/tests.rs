//! How the words behind our options become a [`Request`].

use super::*;
use crate::decide::stop::SignalTarget;
use std::time::Duration;

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn read(line: &[&str]) -> Result<Request, String> {
    request(words(line)).map_err(|refusal| refusal.to_string())
}

fn verb(verb: Verb) -> Result<Request, String> {
    Ok(Request::Verb(verb))
}

/// What was found wrong with a line: the first line of its refusal.
fn found(line: &[&str]) -> String {
    let refusal = read(line).expect_err(&line.join(" "));
    refusal.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_misspelt_option_of_every_verb_names_the_nearest() {
    for (line, expected) in [
        (&["plan", "--jsno"][..], "plan has no option --jsno; the nearest is --json"),
        (&["plan", "run", "--jsno"], "plan has no option --jsno; the nearest is --json"),
        (&["plan", "--slect", "a"], "plan has no option --slect; the nearest is --select"),
        (&["status", "--jsn"], "status has no option --jsn; the nearest is --json"),
        (&["history", "--JSON"], "history has no option --JSON; the nearest is --json"),
        (&["rollback", "--hlp"], "rollback has no option --hlp; the nearest is --help"),
        (&["adopt", "--form", "m.json"], "adopt has no option --form; the nearest is --from PATH"),
        (&["adopt", "--form=m.json"], "adopt has no option --form; the nearest is --from PATH"),
        (&["adopt", "--froce"], "adopt has no option --froce; the nearest is --force"),
        (&["adopt", "--tagret", "x"], "adopt has no option --tagret; the nearest is --target"),
        (&["invalidate", "--hepl"], "invalidate has no option --hepl; the nearest is --help"),
        (&["exec", "--gruop", "--", "x"], "exec has no option --gruop; the nearest is --group"),
        (
            &["exec", "--rewrte=A:B", "x"],
            "exec has no option --rewrte; the nearest is --rewrite A:B",
        ),
    ] {
        assert_eq!(found(line), expected, "{line:?}");
    }
}

#[test]
fn an_option_that_is_like_none_gets_the_list_of_those_that_exist() {
    for (line, expected) in [
        (
            &["plan", "--bananas"][..],
            "plan has no option --bananas; it has --all, --diff, --markdown, --graph, --json, --color, --help and options of dbt",
        ),
        (&["status", "-x"], "status has no option -x; it has --json, --help"),
        (&["rollback", "--bananas"], "rollback has no option --bananas; it has only --help"),
        (&["invalidate", "--all"], "invalidate has no option --all; it has only --help"),
        (
            &["adopt", "--bananas=1"],
            "adopt has no option --bananas; it has --from, --force, --help and options of dbt",
        ),
        (
            &["exec", "-x", "y"],
            "exec has no option -x; it has --rewrite, --group, --stop-grace, --help",
        ),
    ] {
        assert_eq!(found(line), expected, "{line:?}");
    }
}

#[test]
fn an_option_of_ours_behind_a_verb_says_where_it_belongs() {
    let expected = "--log is an option of dbt-entrypoint, and stands before status\n  \
                    nothing was run\n  \
                    what to do:\n    \
                    dbt-entrypoint --log human|json status …";
    assert_eq!(read(&["status", "--log", "json"]), Err(expected.into()));
    for name in ["plan", "status", "history", "rollback", "adopt", "invalidate", "exec"] {
        let expected = format!("--full is an option of dbt-entrypoint, and stands before {name}");
        assert_eq!(found(&[name, "--full"]), expected);
        let expected = format!(
            "{name} has no option --state-dri; the nearest is --state-dir DIR, which stands before {name}"
        );
        if !matches!(name, "plan" | "adopt") {
            assert_eq!(found(&[name, "--state-dri=x"]), expected);
        }
    }
}

#[test]
fn a_misspelt_verb_names_the_nearest_and_the_way_to_dbt() {
    for (typed, meant) in [
        ("paln", "plan"),
        ("stauts", "status"),
        ("Status", "status"),
        ("rolback", "rollback"),
        ("hist", "history"),
        ("adpot", "adopt"),
        ("invalid", "invalidate"),
        ("exce", "exec"),
    ] {
        let expected = format!(
            "there is no command {typed}; the nearest is {meant}\n  \
             what to do:\n    \
             dbt-entrypoint {meant} …     (if that was meant)\n    \
             dbt-entrypoint -- {typed} …     (if dbt has a command {typed})"
        );
        assert_eq!(read(&[typed, "x"]), Err(expected));
        assert_eq!(read(&["--", typed]), Ok(Request::Dbt(words(&[typed]))));
    }
}

#[test]
fn dbts_commands_and_words_like_none_of_ours_reach_dbt() {
    for name in command::SUBCOMMANDS.into_iter().chain(["frobnicate", "x", ""]) {
        assert_eq!(read(&[name, "-x"]), Ok(Request::Dbt(words(&[name, "-x"]))), "{name}");
    }
    assert_eq!(read(&["--", "plan"]), Ok(Request::Dbt(words(&["plan"]))));
}

#[test]
fn every_verb_explains_itself() {
    for doc in verbs() {
        for help in ["--help", "-h"] {
            assert_eq!(read(&[doc.name, help]), Ok(Request::Print(of_verb(doc))));
        }
    }
    let plan = definitions::named("plan").unwrap();
    let text = Ok(Request::Print(of_verb(&plan.doc)));
    assert_eq!(read(&["plan", "run", "--select", "x", "--help"]), text);
    let exec = |words: Vec<OsString>| Ok(Request::Exec(Exec { words, policy: Policy::exec() }));
    assert_eq!(read(&["exec", "bash", "--help"]), exec(words(&["bash", "--help"])));
}

#[test]
fn a_plan_is_of_a_build_unless_another_command_is_named() {
    let plan = |line: &[&str], form| {
        let options = PlanOptions { form, ..PlanOptions::default() };
        verb(Verb::Plan(words(line), options))
    };
    assert_eq!(read(&["plan"]), plan(&["build"], PlanForm::Words));
    assert_eq!(read(&["plan", "--json"]), plan(&["build"], PlanForm::Json));
    assert_eq!(read(&["plan", "--json", "run"]), plan(&["run"], PlanForm::Json));
    assert_eq!(read(&["plan", "-s", "a", "b"]), plan(&["build", "-s", "a", "b"], PlanForm::Words));
    let line = ["--quiet", "run", "--log-level", "debug", "-f"];
    assert_eq!(read(&[&["plan"], &line[..]].concat()), plan(&line, PlanForm::Words));
    assert_eq!(
        found(&["plan", "--select", "orders", "run"]),
        "plan: run follows an option that takes it for its value"
    );
    assert_eq!(
        read(&["plan", "build", "--target", "run"]),
        plan(&["build", "--target", "run"], PlanForm::Words)
    );
}

#[test]
fn own_options_stand_anywhere_but_where_dbt_takes_them_for_a_value() {
    let plan = |line: &[&str], form| {
        let options = PlanOptions { form, ..PlanOptions::default() };
        verb(Verb::Plan(words(line), options))
    };
    assert_eq!(
        read(&["plan", "run", "--select", "a", "--json", "-x"]),
        plan(&["run", "--select", "a", "-x"], PlanForm::Json)
    );
    assert_eq!(
        read(&["plan", "run", "--target", "--json"]),
        plan(&["run", "--target", "--json"], PlanForm::Words)
    );
    assert_eq!(
        found(&["plan", "run", "--target"]),
        "plan: dbt's option --target lacks its value, or takes none"
    );
    assert_eq!(
        found(&["plan", "run", "--full-refresh=yes"]),
        "plan: dbt's option --full-refresh lacks its value, or takes none"
    );
    assert_eq!(found(&["plan", "--json=yes"]), "--json takes no value, but was given \"yes\"");
}

#[test]
fn an_adoption_takes_what_shapes_the_parse_and_nothing_that_would_have_no_effect() {
    let line = ["--target", "prod", "--force", "-t=x", "--vars", "{a: 1}", "--from=m.json"];
    let expected = Adoption {
        from: Some("m.json".into()),
        force: true,
        words: words(&["--target", "prod", "-t=x", "--vars", "{a: 1}"]),
    };
    assert_eq!(read(&[&["adopt"], &line[..]].concat()), verb(Verb::Adopt(expected)));
    let from_input = Adoption { from: Some("-".into()), ..Adoption::default() };
    assert_eq!(read(&["adopt", "--from", "-"]), verb(Verb::Adopt(from_input)));
    for (line, expected) in [
        (&["adopt", "--select", "a"][..], "adopt: dbt's option --select would have no effect"),
        (&["adopt", "-f"], "adopt: dbt's option --full-refresh would have no effect"),
        (&["adopt", "m.json"], "adopt does not take the word \"m.json\""),
        (&["adopt", "--target", "x", "run"], "adopt does not take the word \"run\""),
        (&["adopt", "--", "run"], "adopt does not take the word \"run\""),
        (&["adopt", "--from"], "--from needs a value"),
        (&["adopt", "--from", "--force"], "--from needs a value, but the option --force follows"),
        (&["adopt", "--from="], "adopt --from: the value is empty"),
    ] {
        assert_eq!(found(line), expected, "{line:?}");
    }
}

#[test]
fn verbs_without_words_refuse_them() {
    for (line, expected) in [
        (&["status", "now"][..], "status does not take the word \"now\""),
        (&["history", "--json", "2"], "history does not take the word \"2\""),
        (&["status", "--", "--json"], "status does not take the word \"--json\""),
        (&["rollback", "1", "2"], "rollback does not take the word \"2\""),
        (&["rollback", "x"], "rollback: \"x\" is not a number of at least 1"),
        (&["rollback", "0"], "rollback: \"0\" is not a number of at least 1"),
        (&["invalidate"], "invalidate needs at least one node"),
        (&["invalidate", "a", ""], "invalidate: \"\" cannot be the name of a node"),
        (&["exec"], "exec needs a program to run"),
        (&["exec", "--group", "--"], "exec needs a program to run"),
        (&[], "no command was given"),
        (&["--"], "nothing follows `--`"),
    ] {
        assert_eq!(found(line), expected, "{line:?}");
    }
}

#[test]
fn simple_verbs_are_read_whole() {
    assert_eq!(read(&["status"]), verb(Verb::Status(OutputFormat::Words)));
    assert_eq!(read(&["history", "--json", "--"]), verb(Verb::History(OutputFormat::Json)));
    assert_eq!(read(&["rollback"]), verb(Verb::Rollback(1)));
    assert_eq!(read(&["rollback", "--", "2"]), verb(Verb::Rollback(2)));
    let diff = |from, to, form| verb(Verb::Diff(DiffOptions { from, to, form }));
    assert_eq!(read(&["diff", "3"]), diff(3, 0, OutputFormat::Words));
    assert_eq!(read(&["diff", "0", "--json", "1"]), diff(0, 1, OutputFormat::Json));
    assert_eq!(found(&["diff"]), "diff needs the number of a baseline");
    assert_eq!(found(&["diff", "x"]), "diff: \"x\" is not a number of at least 0");
    assert_eq!(found(&["diff", "1", "2", "3"]), "diff does not take the word \"3\"");
    let terms = ["orders+", "tag:x"].map(str::to_owned).to_vec();
    assert_eq!(read(&["invalidate", "orders+", "tag:x"]), verb(Verb::Invalidate(terms)));
}

#[test]
fn exec_takes_its_options_before_the_program() {
    let mut policy = Policy::exec();
    policy.add_rewrite("TERM:INT").unwrap();
    policy.add_rewrite("HUP:0").unwrap();
    policy.target = SignalTarget::Group;
    policy.grace = Some(Duration::from_secs(90));
    let line =
        ["exec", "--rewrite", "TERM:INT", "--group", "--rewrite=HUP:0", "--stop-grace=1m30s"];
    let program = ["--", "sh", "--group", "--"];
    let expected = Exec { words: words(&["sh", "--group", "--"]), policy };
    assert_eq!(read(&[&line[..], &program].concat()), Ok(Request::Exec(expected)));
    let error = found(&["exec", "--rewrite", "TERM", "x"]);
    assert_eq!(error, "exec --rewrite: \"TERM\" is not FROM:TO");
}
