//! The shipped Compose file with Docker's own tool: order, state, one-off commands.

use crate::support::docker::{engine, unique};
use crate::support::{Shop, images, root, tool};
use std::path::PathBuf;
use std::process::{Command, Output};

/// One Compose project, taken down with its volumes at the end.
struct Compose {
    program: PathBuf,
    name: String,
    image: String,
}

impl Compose {
    fn new(image: &str) -> Option<Self> {
        engine()?;
        let program = tool("docker-compose")?;
        Some(Self { program, name: unique("compose"), image: image.to_owned() })
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.output(args);
        let all = [stdout, stderr].concat();
        (status.code(), String::from_utf8_lossy(&all).into_owned())
    }

    fn output(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["--project-name", &self.name, "--ansi", "never", "--file"]);
        command.arg(root().join("compose/compose.yaml")).args(args);
        command.env("DBT_IMAGE", &self.image).output().expect("docker-compose starts")
    }

    /// `up` in fresh containers on the volumes of earlier calls.
    fn up(&self) -> (Option<i32>, String) {
        self.output(&["down"]);
        self.run(&["up"])
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        self.output(&["down", "--volumes", "--timeout", "1"]);
    }
}

/// What the dashboard service prints of the example's data, in Compose's log.
const REVENUE: &str = "CH 50.0";

#[test]
fn compose_up_builds_before_the_dashboard_starts_and_a_second_up_builds_nothing() {
    let Some(image) = images::shop() else { return };
    let Some(compose) = Compose::new(&image) else { return };
    let (code, first) = compose.up();
    assert_eq!(code, Some(0), "{first}");
    let built = first.find("PASS=21").unwrap_or_else(|| panic!("dbt built everything: {first}"));
    let shown = first.find(REVENUE).unwrap_or_else(|| panic!("the dashboard ran: {first}"));
    assert!(built < shown, "{first}");

    let (code, second) = compose.up();
    assert_eq!(code, Some(0), "{second}");
    assert!(second.contains(REVENUE) && !second.contains("OK created"), "{second}");
}

#[test]
fn compose_does_not_start_the_dashboard_when_dbt_fails() {
    let (Some(shop), Some(_)) = (Shop::new(), images::runtime()) else { return };
    shop.write("models/marts/broken.sql", "select no_such_column from {{ ref('orders') }}\n");
    let Some(image) = images::Image::of_project(&shop.project()) else { return };
    let Some(compose) = Compose::new(image.tag()) else { return };
    let (code, output) = compose.up();
    assert_ne!(code, Some(0), "{output}");
    assert!(!output.contains(REVENUE), "{output}");
}

#[test]
fn compose_run_gives_one_off_commands_dbts_output_and_exit_code() {
    let Some(image) = images::shop() else { return };
    let Some(compose) = Compose::new(&image) else { return };
    let listed =
        compose.output(&["run", "--rm", "dbt", "--quiet", "ls", "--resource-type", "seed"]);
    assert_eq!(listed.status.code(), Some(0), "{listed:#?}");
    let seeds = "shop.raw_customers\nshop.raw_orders\nshop.raw_payments";
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), seeds);
    let (code, output) = compose.run(&["run", "--rm", "dbt", "no-such-command"]);
    assert_eq!(code, Some(2), "{output}");
}
