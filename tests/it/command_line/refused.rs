//! What the program itself answers to a command line that is wrong, or that asks for help.

use crate::support::binary;
use std::process::{Command, Output};

/// Runs the program with nothing in its environment but these variables: it finds no dbt.
fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let variables = variables.iter().copied();
    Command::new(binary()).args(args).env_clear().envs(variables).output().expect("it starts")
}

#[test]
fn a_wrong_command_line_ends_with_64_before_anything_is_looked_for() {
    for (args, variables, expected) in [
        (&["adopt", "--form", "m.json"][..], &[][..], "the nearest is --from PATH\n"),
        (&["paln"], &[], "there is no command paln; the nearest is plan\n"),
        (&["status", "--jsn"], &[], "the nearest is --json\n"),
        (&["--publish", "x 'y", "run"], &[], "--publish: the quotation mark ' is not closed\n"),
        (&["run"], &[("DBT_ENTRYPOINT_MODE", "ful")], "DBT_ENTRYPOINT_MODE: \"ful\" is not one of"),
        (&["run"], &[("DBT_ENTRYPOINT_MOD", "x")], "exists is DBT_ENTRYPOINT_MODE\n"),
        (&[], &[], "no command was given\n"),
    ] {
        let Output { status, stdout, stderr } = run(args, variables);
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!((status.code(), &*stdout), (Some(64), &b""[..]), "{args:?}: {stderr}");
        assert!(stderr.starts_with("dbt-entrypoint: error: "), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let empty = [("DBT_ENTRYPOINT_MODE", ""), ("DBT_ENTRYPOINT_DBT", ""), ("PATH", "/nowhere")];
    assert_eq!(run(&["run"], &empty).status.code(), Some(127));
}

#[test]
fn help_goes_to_standard_output_whatever_the_variables_hold() {
    for (args, expected) in [
        (&["--help"][..], "dbt-entrypoint runs dbt in a container"),
        (&["--help=all"], "dbt-entrypoint runs dbt in a container"),
        (&["--help=protect"], "--protect NODES\n"),
        (&["adopt", "--help"], "dbt-entrypoint [OPTIONS] adopt "),
        (&["--version"], concat!("dbt-entrypoint ", env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        let Output { status, stdout, stderr } = run(args, &[("DBT_ENTRYPOINT_MODE", "ful")]);
        assert_eq!((status.code(), &*stderr), (Some(0), &b""[..]), "{args:?}");
        assert!(String::from_utf8_lossy(&stdout).starts_with(expected), "{args:?}");
    }
}
