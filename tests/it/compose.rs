//! The shipped Compose files with Docker's own tool: order, state, one-off commands.

use crate::support::docker::{docker_ok, engine, unique};
use crate::support::{Shop, images, root, tool};
use std::path::PathBuf;
use std::process::{Command, Output};

/// One Compose project, taken down with its volumes at the end.
struct Compose {
    program: PathBuf,
    file: &'static str,
    name: String,
    settings: Vec<(&'static str, String)>,
}

impl Compose {
    /// The default: DuckDB.
    fn new(image: &str) -> Option<Self> {
        Self::of("compose/compose.yaml", image)
    }

    /// With a PostgreSQL server.
    fn on_postgres(image: &str) -> Option<Self> {
        let mut compose = Self::of("compose/postgres.yaml", image)?;
        compose.settings.push(("POSTGRES_IMAGE", images::postgres()?));
        compose.settings.push(("POSTGRES_PASSWORD", "it's $ecret".to_owned()));
        Some(compose)
    }

    fn of(file: &'static str, image: &str) -> Option<Self> {
        engine()?;
        let program = tool("docker-compose")?;
        let settings = vec![("DBT_IMAGE", image.to_owned())];
        Some(Self { program, file, name: unique("compose"), settings })
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.output(args);
        let all = [stdout, stderr].concat();
        (status.code(), String::from_utf8_lossy(&all).into_owned())
    }

    fn output(&self, args: &[&str]) -> Output {
        self.output_with(args, &[])
    }

    fn output_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["--project-name", &self.name, "--ansi", "never", "--file"]);
        command.arg(root().join(self.file)).args(args).envs(variables.iter().copied());
        command.envs(self.settings.iter().cloned()).output().expect("docker-compose starts")
    }

    /// `up` in fresh containers on the volumes of earlier calls, until the dashboard has ended.
    fn up(&self) -> (Option<i32>, String) {
        self.output(&["down"]);
        let (code, said) = self.run(&["up", "--detach"]);
        if code == Some(0) {
            let dashboard = self.run(&["ps", "--quiet", "dashboard"]).1;
            docker_ok(&["wait", dashboard.trim()]);
        }
        (code, said + &self.run(&["logs"]).1)
    }

    /// A one-off command of the dbt service; its exit code and what it says.
    fn dbt(&self, words: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let done = self.output_with(&[&["run", "--rm", "dbt"], words].concat(), variables);
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// What a query finds in the running PostgreSQL server.
    fn query(&self, sql: &str) -> String {
        let psql = ["exec", "-T", "warehouse", "psql", "--username=shop", "--quiet"];
        let done =
            self.output(&[&psql[..], &["--no-align", "--tuples-only", "--command", sql]].concat());
        assert!(done.status.success(), "{sql}: {done:#?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        self.output(&["down", "--volumes", "--timeout", "1"]);
    }
}

/// What the dashboard service prints of the example's data, in Compose's log.
const REVENUE: &str = "CH 50.0";

/// The first `up` builds everything and then starts the dashboard; the second builds nothing.
#[track_caller]
fn populates_once(compose: &Compose) {
    let (code, first) = compose.up();
    assert_eq!(code, Some(0), "{first}");
    // The dashboard has nothing to show before dbt has built it.
    assert!(first.contains("PASS=21") && first.contains(REVENUE), "{first}");

    let (code, second) = compose.up();
    assert_eq!(code, Some(0), "{second}");
    assert!(second.contains(REVENUE) && !second.contains("OK created"), "{second}");
}

/// What operators ask and order, with a populated volume: nothing but what changed is built.
#[track_caller]
fn answers_operators(compose: &Compose) {
    let changed = [("SHOP_LOYAL_ORDERS", "1")];
    let (code, said) = compose.dbt(&["plan"], &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = compose.dbt(&["plan"], &changed);
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("1 of 12 nodes would be built"), "{said}");
    assert!(said.contains("env_var SHOP_LOYAL_ORDERS"), "{said}");

    let (code, said) = compose.dbt(&["build", "--select", "orders"], &[]);
    assert_eq!(code, Some(0), "{said}");
    // The model and its two tests.
    assert!(said.contains("PASS=3 WARN=0 ERROR=0"), "{said}");
    let (code, said) = compose.dbt(&["status"], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a complete baseline of 12 nodes"), "{said}");
    assert!(said.contains("build (selection) succeeded"), "{said}");
}

#[test]
fn compose_up_builds_before_the_dashboard_starts_and_a_second_up_builds_nothing() {
    let Some(image) = images::shop() else { return };
    let Some(compose) = Compose::new(&image) else { return };
    populates_once(&compose);
    answers_operators(&compose);
}

#[test]
fn compose_on_postgres_waits_for_the_server_and_a_second_up_builds_nothing() {
    let Some(image) = images::shop_on_postgres() else { return };
    let Some(compose) = Compose::on_postgres(&image) else { return };
    populates_once(&compose);
    answers_operators(&compose);
}

/// Downstream of all the rest, and for ten minutes unless the server holds a table `hurry`.
const SLOW: &str = "
-- depends_on: {{ ref('loyal_customers') }} {{ ref('revenue_by_country') }}
-- depends_on: {{ ref('payment_methods') }} {{ ref('daily_revenue') }}
select pg_sleep(case when to_regclass('hurry') is null then 600 else 0 end) is null as done";

const RUNNING: &str = "select count(*) from pg_stat_activity \
    where state = 'active' and query like '%pg_sleep(case%' and pid <> pg_backend_pid()";

#[test]
fn compose_stop_cancels_the_query_in_the_server_and_the_next_up_resumes() {
    let Some(image) = shop_with_a_slow_model() else { return };
    let Some(compose) = Compose::on_postgres(image.tag()) else { return };
    let (code, said) = compose.run(&["up", "--detach", "dbt"]);
    assert_eq!(code, Some(0), "{said}");
    while compose.query(RUNNING) != "1" {}

    let (code, said) = compose.run(&["stop", "dbt"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(compose.query(RUNNING), "0", "{}", compose.run(&["logs", "dbt"]).1);

    compose.query("create table hurry ()");
    let (code, said) = compose.up();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("PASS=2 WARN=0 ERROR=0") && said.contains("after_slow"), "{said}");
    assert!(said.contains(REVENUE), "{said}");
}

fn shop_with_a_slow_model() -> Option<images::Image> {
    let project = tempfile::tempdir().expect("a directory");
    crate::support::copy_example(project.path());
    let write = |name: &str, sql: &str| {
        std::fs::write(project.path().join("models/marts").join(name), sql).expect("a model");
    };
    write("slow.sql", SLOW);
    write("after_slow.sql", "select * from {{ ref('slow') }}");
    Some(images::Image::on(&images::runtime_on_postgres()?, project.path()))
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
