//! The overlays' pods, really run: order, refusal, an unchanged start, three at once.

use super::podman::{Engine, Pod};
use super::rendering::{Rendering, pod_template, rendering, with_component};
use crate::support::images;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown};

/// Every node of the example, as the termination message counts what was built.
const ALL: usize = 12;

/// The application's pod of an overlay, under a name of its own.
fn application<'a>(engine: &'a Engine, overlay: &Rendering, name: &str) -> Pod<'a> {
    engine.pod(name, pod_template(overlay.only("Deployment")).unwrap())
}

#[test]
fn an_application_starts_behind_dbt_and_not_at_all_when_the_state_is_damaged() {
    let (Some(image), Some(overlay)) = (images::shop(), rendering("init-container")) else {
        return;
    };
    let Some(engine) = Engine::new(&image) else { return };
    engine.make_claims(&overlay);
    let pod = application(&engine, &overlay, "pod");
    let play = || pod.play(&overlay);

    let said = play();
    pod.expect_dbt("exited 0", ALL, &said);
    pod.expect_dashboard("running 0");

    let said = play();
    pod.expect_dbt("exited 0", 0, &said);
    pod.expect_dashboard("running 0");

    fs::write(engine.files_of("dbt-state").join("manifest.json"), "garbage").unwrap();
    let said = play();
    pod.expect_dbt("exited 78", 0, &said);
    pod.expect_dashboard("created 0");
    let message = pod.message();
    assert_eq!(message["verdict"], "refused", "{message:#}");
    assert!(message["why"].as_str().unwrap().starts_with("manifest.json is "), "{message:#}");
}

#[test]
fn of_three_pods_at_once_on_one_claim_one_builds_and_two_wait_and_build_nothing() {
    let (Some(image), Some(overlay)) = (images::shop(), rendering("init-container")) else {
        return;
    };
    let Some(engine) = Engine::new(&image) else { return };
    engine.make_claims(&overlay);
    assert_eq!(overlay.only("Deployment")["spec"]["replicas"], 3);
    let pods = ["a", "b", "c"].map(|name| application(&engine, &overlay, name));
    for pod in &pods {
        pod.create(&overlay);
    }
    // Until all three are at it, nobody gets the lock.
    let lock = hold_the_lock(&engine);
    let started = pods.each_ref().map(Pod::start);
    for pod in &pods {
        pod.wait_until("running", "dbt");
        pod.wait_for_line("waiting up to", "dbt");
    }
    drop(lock);
    for mut pod in started {
        assert!(pod.wait().unwrap().success());
    }
    let mut built = Vec::new();
    for pod in &pods {
        assert_eq!(pod.state("dbt"), "exited 0", "{}", pod.log("dbt"));
        pod.expect_dashboard("running 0");
        built.push(pod.message()["built"].as_u64().unwrap());
    }
    built.sort_unstable();
    assert_eq!(built, [0, 0, ALL as u64]);
}

/// Takes the lock of a state volume that is empty so far, from outside.
fn hold_the_lock(engine: &Engine) -> File {
    let state = engine.files_of("dbt-state");
    let control = state.join(".dbt-entrypoint");
    fs::create_dir(&control).unwrap();
    let lock = File::create(control.join("lock")).unwrap();
    for path in [&state, &control, &control.join("lock")] {
        chown(path, Some(10001), Some(0)).unwrap();
    }
    lock.lock().unwrap();
    lock
}

/// A user as OpenShift gives to a namespace: without a name, in group 0.
const ARBITRARY_USER: u32 = 1_000_650_000;

#[test]
fn an_application_behind_a_job_waits_for_it_on_a_volume_that_it_only_reads_under_any_user() {
    let overlay = with_component("openshift", "job-before-deployment");
    let status = with_component("openshift", "status");
    let (Some(image), Some(overlay), Some(status)) = (images::shop(), overlay, status) else {
        return;
    };
    let Some(engine) = Engine::new(&image) else { return };
    engine.make_claims(&overlay);
    let mut pod = application(&engine, &overlay, "pod");
    let mut job = engine.pod("job", pod_template(overlay.only("Job")).unwrap());
    let mut look = engine.pod("look", pod_template(status.only("Job")).unwrap());
    for pod in [&mut pod, &mut job, &mut look] {
        pod.run_as(ARBITRARY_USER);
    }

    let said = pod.play(&overlay);
    assert_eq!(pod.state("dbt"), "exited 10", "{said} {}", pod.log("dbt"));
    pod.expect_dashboard("created 0");

    let said = job.play(&overlay);
    job.wait_until("stopped", "dbt");
    job.expect_dbt("exited 0", ALL, &said);
    let baseline = fs::metadata(engine.files_of("dbt-state").join("manifest.json")).unwrap();
    assert_eq!((baseline.uid(), baseline.gid()), (ARBITRARY_USER, 0));

    let said = pod.play(&overlay);
    assert_eq!(pod.state("dbt"), "exited 0", "{said} {}", pod.log("dbt"));
    pod.expect_dashboard("running 0");

    look.play(&status);
    look.wait_until("stopped", "dbt");
    assert!(look.log("dbt").contains("a complete baseline of 12 nodes"), "{}", look.log("dbt"));
}
