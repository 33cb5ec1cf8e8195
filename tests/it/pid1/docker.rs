//! Inside a container that holds nothing but the static binary.

use crate::support::{docker, images};

const PROGRAM: &str = "/dbt-entrypoint";

#[test]
fn an_image_of_the_binary_alone_is_enough_also_under_dockers_own_init() {
    let Some(image) = images::bin() else { return };
    for options in [&[][..], &["--init"]] {
        let entry = [&["--entrypoint", PROGRAM], options].concat();
        let words = ["exec", "--", PROGRAM, "exec", "--", PROGRAM, "--version"];
        let done = docker::run(&image, &entry, &words);
        assert_eq!(done.expect_code(0).stdout.split(' ').next(), Some("dbt-entrypoint"));
    }
}

#[test]
fn a_hardened_container_gets_the_same_codes() {
    let Some(image) = images::bin() else { return };
    let hardened = ["--entrypoint", PROGRAM, "--user", "12345:678", "--read-only"];
    let hardened = [&hardened[..], &["--cap-drop", "ALL"]].concat();
    let hardened = [&hardened[..], &["--security-opt", "no-new-privileges"]].concat();
    docker::run(&image, &hardened, &["exec", "/no/such"]).expect_code(127);
    docker::run(&image, &hardened, &["exec", "/etc"]).expect_code(126);
    docker::run(&image, &hardened, &["exec", PROGRAM, "--version"]).expect_code(0);
}

#[test]
fn where_no_second_process_is_allowed_the_reason_is_said() {
    let Some(image) = images::bin() else { return };
    let options = ["--entrypoint", PROGRAM, "--pids-limit", "1"];
    let done = docker::run(&image, &options, &["exec", PROGRAM, "--version"]);
    assert!(done.expect_code(126).stderr.contains("no more processes"), "{done:#?}");
}
