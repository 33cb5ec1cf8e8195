//! The shipped image as users run it: a volume for the state, one for the warehouse.

use crate::support::docker::{Volume, run};
use crate::support::{Shop, images, shop};

/// What `docker run` gets besides the image: the two volumes.
struct Deployment {
    state: Volume,
    warehouse: Volume,
}

impl Deployment {
    fn new() -> Self {
        Self { state: Volume::new(&[]), warehouse: Volume::new(&[]) }
    }

    fn run(&self, image: &str, options: &[&str], args: &[&str]) -> shop::Done {
        let (state, warehouse) = (self.state.at("/state"), self.warehouse.at("/warehouse"));
        let volumes = ["--volume", &state, "--volume", &warehouse];
        run(image, &[volumes.as_slice(), options].concat(), args)
    }
}

#[test]
fn docker_run_with_a_named_volume_builds_all_then_nothing_then_what_changed() {
    let (Some(project), Some(image)) = (Shop::new(), images::shop()) else { return };
    let deployment = Deployment::new();
    deployment.run(&image, &[], &["build"]).expect_built(&shop::ALL);
    deployment.run(&image, &[], &["build"]).expect_built(&[]);

    project.touch("models/marts/customers.sql");
    let Some(edited) = images::Image::of_project(&project.project()) else { return };
    let expected = ["customers", "loyal_customers", "revenue_by_country"];
    deployment.run(edited.tag(), &[], &["build"]).expect_built(&expected);
    deployment.run(edited.tag(), &[], &["build"]).expect_built(&[]);
}

#[test]
fn a_hardened_container_with_an_arbitrary_user_id_builds_and_keeps_state() {
    let Some(image) = images::shop() else { return };
    let deployment = Deployment::new();
    let hardened = [
        ["--user", "1234567:0"],
        ["--cap-drop", "ALL"],
        ["--security-opt", "no-new-privileges"],
        ["--network", "none"],
        ["--tmpfs", "/tmp"],
    ]
    .concat();
    let hardened = [hardened.as_slice(), &["--read-only"]].concat();
    let first = deployment.run(&image, &hardened, &["build"]);
    assert_eq!(first.code, 0, "{first:#?}");
    assert!(first.stdout.contains("PASS=21"), "{first:#?}");
    let second = deployment.run(&image, &hardened, &["build"]);
    assert_eq!(second.code, 0, "{second:#?}");
    assert!(!second.stdout.contains("OK created"), "{second:#?}");
}

#[test]
fn on_a_read_only_root_dbts_files_go_to_tmp_by_themselves_and_without_one_it_is_refused() {
    let Some(image) = images::shop() else { return };
    let deployment = Deployment::new();
    // As in an image of the user's own, to which only the binary was added.
    let plain = ["--read-only", "--env", "DBT_TARGET_PATH=", "--env", "DBT_LOG_PATH="];
    let with_tmp = [&plain[..], &["--tmpfs", "/tmp"]].concat();
    let refused = deployment.run(&image, &plain, &["build"]);
    refused.expect_code(78);
    assert!(refused.stderr.contains("--tmpfs /tmp"), "{refused:#?}");
    let first = deployment.run(&image, &with_tmp, &["build"]);
    assert!(first.code == 0 && first.stdout.contains("PASS=21"), "{first:#?}");
    let changed = [&with_tmp[..], &["--env", "SHOP_LOYAL_ORDERS=1"]].concat();
    let changed = deployment.run(&image, &changed, &["run"]);
    assert!(changed.code == 0 && changed.stdout.contains("PASS=1 "), "{changed:#?}");
    let listed = deployment.run(&image, &with_tmp, &["--quiet", "ls", "--resource-type", "seed"]);
    assert!(listed.code == 0 && listed.stdout.contains("shop.raw_orders"), "{listed:#?}");
}

#[test]
fn a_container_without_a_volume_refuses_before_dbt_starts() {
    let Some(image) = images::shop() else { return };
    // The image's own VOLUME would mount an anonymous one.
    let options = ["--env", "DBT_ENTRYPOINT_STATE_DIR=/home/dbt"];
    let done = run(&image, &options, &["build"]);
    done.expect_code(78);
    assert_eq!(done.stdout, "", "dbt was not started");
}

#[test]
fn arguments_that_do_not_build_reach_dbt_in_the_image_untouched() {
    let Some(image) = images::shop() else { return };
    let deployment = Deployment::new();
    let listed = deployment.run(&image, &[], &["--quiet", "ls", "--resource-type", "seed"]);
    assert_eq!(listed.code, 0, "{listed:#?}");
    assert_eq!(
        listed.stdout.lines().collect::<Vec<_>>(),
        ["shop.raw_customers", "shop.raw_orders", "shop.raw_payments"]
    );
}

#[test]
fn a_failing_model_gives_the_container_dbts_own_exit_code() {
    let (Some(project), Some(_)) = (Shop::new(), images::runtime()) else { return };
    project.write("models/marts/broken.sql", "select no_such_column from {{ ref('orders') }}\n");
    let Some(image) = images::Image::of_project(&project.project()) else { return };
    let deployment = Deployment::new();
    let first = deployment.run(image.tag(), &[], &["build"]);
    first.expect_code(1);
    assert!(first.built.contains("orders") && !first.built.contains("broken"), "{first:#?}");
}
