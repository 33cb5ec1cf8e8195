//! The shipped Kubernetes overlays: what they render to is valid, hangs together, and runs.

mod podman;
mod pods;
mod rendering;

use crate::support::root;
use dbt_entrypoint::dbt::profile::Identity;
use dbt_entrypoint::decide::summary::Summary;
use rendering::{Rendering, containers, installed, list, parsed, pod_template, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn every_overlay_renders_and_is_valid_by_the_schemas_of_kubernetes() {
    let (Some(overlays), Some(validate)) =
        (rendering::all(), installed("tools/bin/kubernetes-validate"))
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let namespace = root().join("k8s/namespace.yaml");
    let mut files = vec![namespace];
    for Rendering { overlay, yaml, .. } in &overlays {
        files.push(dir.path().join(overlay));
        fs::write(&files[files.len() - 1], yaml).unwrap();
    }
    let objects = 1 + overlays.iter().map(|overlay| overlay.objects.len()).sum::<usize>();
    for version in ["1.31", "1.37"] {
        let mut command = Command::new(&validate);
        let output = command.args(["--strict", "-k", version]).args(&files).output().unwrap();
        assert!(output.status.success(), "Kubernetes {version}: {output:#?}");
        let passed = String::from_utf8_lossy(&output.stdout).matches("passed for").count();
        assert_eq!(passed, objects, "{output:#?}");
    }
}

#[test]
fn the_overlay_of_the_documentation_sets_what_a_chart_would() {
    let text = file("docs/kubernetes.md");
    let (_, rest) = text.split_once("An overlay with all five:\n\n").expect("the example");
    let indented = rest.lines().map_while(|line| line.strip_prefix("    "));
    let kustomization: String = indented.map(|line| format!("{line}\n")).collect();
    let Some(mine) = rendering::of_an_operator(&kustomization) else { return };
    let cron = &mine.only("CronJob")["spec"];
    let pod = &cron["jobTemplate"]["spec"]["template"]["spec"];
    let settings = &mine.only("ConfigMap")["data"];
    let claims = || mine.kind("PersistentVolumeClaim");
    let state = claims().find(|claim| claim["metadata"]["name"] == "dbt-state").expect("a claim");
    let found = json!({
        "image": pod["containers"][0]["image"],
        "size": state["spec"]["resources"]["requests"]["storage"],
        "schedule": cron["schedule"],
        "limit": settings["DBT_ENTRYPOINT_MAX_REBUILD"],
        "grace": settings["DBT_ENTRYPOINT_STOP_GRACE"],
        "target": settings["DBT_TARGET"],
    });
    let expected = json!({
        "image": "registry.example.com/analytics:42",
        "size": "2Gi",
        "schedule": "0 4 * * *",
        "limit": "10",
        "grace": "20",
        "target": "prod",
    });
    assert_eq!(found, expected);
}

#[test]
fn a_selector_finds_the_pods_of_its_own_template() {
    let Some(overlays) = rendering::all() else { return };
    let mut deployments = 0;
    for object in overlays.iter().flat_map(|overlay| overlay.kind("Deployment")) {
        deployments += 1;
        let wanted = object["spec"]["selector"]["matchLabels"].as_object().unwrap();
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        assert!(!wanted.is_empty() && wanted.iter().all(|(k, v)| labels[k] == *v), "{object:#}");
    }
    assert_eq!(deployments, 2);
}

#[test]
fn what_a_pod_refers_to_is_part_of_the_rendering_and_what_it_mounts_is_a_volume_of_its_own() {
    let Some(overlays) = rendering::all() else { return };
    for overlay in &overlays {
        let templates = overlay.pod_templates();
        assert_eq!(templates.len(), 1 + usize::from(overlay.overlay == "job-before-deployment"));
        for template in templates {
            expect_references(overlay, &template["spec"]);
        }
    }
}

fn expect_references(overlay: &Rendering, spec: &Value) {
    let mut wanted: Vec<(&str, &Value)> = Vec::new();
    for volume in list(&spec["volumes"]) {
        wanted.push(("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]));
        wanted.push(("ConfigMap", &volume["configMap"]["name"]));
    }
    wanted.push(("ServiceAccount", &spec["serviceAccountName"]));
    for source in containers(spec).flat_map(|container| list(&container["envFrom"])) {
        wanted.push(("ConfigMap", &source["configMapRef"]["name"]));
        wanted.push(("Secret", &source["secretRef"]["name"]));
    }
    wanted.retain(|(_, name)| !name.is_null());
    assert!(wanted.len() > 1, "{spec:#}");
    for (kind, name) in wanted {
        // A look at the volume leaves the claims to whoever made them.
        if (kind, overlay.overlay.as_str()) == ("PersistentVolumeClaim", "status") {
            assert!(overlay.names(kind).is_empty());
            continue;
        }
        assert!(overlay.names(kind).contains(&text(name)), "{}: {kind} {name}", overlay.overlay);
    }
    let volumes: BTreeSet<&str> = list(&spec["volumes"]).map(|v| text(&v["name"])).collect();
    let mounts = containers(spec).flat_map(|container| list(&container["volumeMounts"]));
    let mounted: BTreeSet<&str> = mounts.map(|mount| text(&mount["name"])).collect();
    assert_eq!(mounted, volumes, "{}", overlay.overlay);
}

#[test]
fn the_state_is_the_same_claim_in_every_overlay_and_of_many_nodes_where_many_pods_share_it() {
    let Some(overlays) = rendering::all() else { return };
    for overlay in &overlays {
        // Under another name it would be another volume, an empty one.
        for template in overlay.pod_templates() {
            let claims = podman::claims_of(&template["spec"]);
            assert!(claims.contains(&"dbt-state"), "{}: {claims:?}", overlay.overlay);
        }
        let shared = overlay.kind("Deployment").next().is_some();
        let mode = if shared { "ReadWriteMany" } else { "ReadWriteOnce" };
        for claim in overlay.kind("PersistentVolumeClaim") {
            assert_eq!(claim["spec"]["accessModes"], json!([mode]), "{}", overlay.overlay);
        }
    }
}

#[test]
fn every_pod_satisfies_the_restricted_profile_that_the_namespace_enforces() {
    let Some(overlays) = rendering::all() else { return };
    let Some(namespaces) = parsed(file("k8s/namespace.yaml").as_bytes()) else { return };
    let labels = &namespaces[0]["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    for overlay in &overlays {
        for template in overlay.pod_templates() {
            let broken = broken_rules(&template["spec"]);
            assert_eq!(broken, Vec::<String>::new(), "{}", overlay.overlay);
        }
    }
}

/// What of the restricted Pod Security Standard a pod breaks.
fn broken_rules(spec: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let mut rule = |holds: bool, words: String| {
        if !holds {
            broken.push(words);
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        rule(spec[field] != true, field.to_owned());
    }
    let pod = &spec["securityContext"];
    rule(pod["runAsNonRoot"] == true, "runAsNonRoot".to_owned());
    rule(pod["runAsUser"] != 0, "runAsUser 0".to_owned());
    rule(pod["seccompProfile"]["type"] == "RuntimeDefault", "seccompProfile".to_owned());
    for volume in list(&spec["volumes"]) {
        let allowed = ["configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"];
        rule(allowed.iter().any(|kind| volume[kind].is_object()), format!("volume {volume}"));
    }
    for container in containers(spec) {
        let own = &container["securityContext"];
        let name = text(&container["name"]);
        rule(own["allowPrivilegeEscalation"] == false, format!("{name}: escalation"));
        rule(own["privileged"] != true, format!("{name}: privileged"));
        rule(own["capabilities"]["drop"] == json!(["ALL"]), format!("{name}: drop"));
        rule(own["capabilities"]["add"].is_null(), format!("{name}: add"));
        for field in ["runAsNonRoot", "runAsUser", "seccompProfile", "procMount"] {
            rule(own[field].is_null(), format!("{name}: its own {field}"));
        }
        // Beyond the standard: what we promise of our image.
        rule(own["readOnlyRootFilesystem"] == true, format!("{name}: root file system"));
        let limit = &container["resources"]["limits"]["memory"];
        rule(limit.is_string(), format!("{name}: memory limit"));
    }
    broken
}

#[test]
fn on_openshift_no_pod_asks_for_a_user_or_a_group() {
    for overlay in rendering::names() {
        let Some(rendering) = rendering::with_component("openshift", &overlay) else { return };
        for template in rendering.pod_templates() {
            let context = template["spec"]["securityContext"].as_object().unwrap();
            let ids = ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];
            assert!(!ids.iter().any(|id| context.contains_key(*id)), "{overlay}: {context:?}");
            assert_eq!(context["runAsNonRoot"], true, "{overlay}");
        }
    }
}

#[test]
fn no_deployment_tool_deletes_the_claim_of_the_state_and_each_makes_the_job_anew() {
    let claims = [
        ("argo-cd", "argocd.argoproj.io/sync-options", "Prune=false,Delete=false"),
        ("flux", "kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ];
    let jobs = [
        ("argo-cd", "argocd.argoproj.io/hook-delete-policy", "BeforeHookCreation"),
        ("flux", "kustomize.toolkit.fluxcd.io/force", "enabled"),
    ];
    for overlay in rendering::names() {
        for (kind, wanted) in [("PersistentVolumeClaim", claims), ("Job", jobs)] {
            for (component, name, value) in wanted {
                let Some(rendering) = rendering::with_component(component, &overlay) else {
                    return;
                };
                for object in rendering.kind(kind) {
                    let annotations = &object["metadata"]["annotations"];
                    assert_eq!(annotations[name], value, "{overlay}: {object:#}");
                }
            }
        }
    }
}

#[test]
fn a_network_policy_is_for_the_pods_of_dbt() {
    for overlay in ["job", "job-postgres", "cronjob"] {
        let Some(rendering) = rendering::with_component("network-policy", overlay) else { return };
        let policy = rendering.only("NetworkPolicy");
        let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
        for template in rendering.pod_templates() {
            let labels = &template["metadata"]["labels"];
            assert!(wanted.iter().all(|(name, value)| labels[name] == *value), "{template:#}");
        }
    }
}

#[test]
fn every_component_renders_with_every_overlay_of_a_job_and_is_valid() {
    let Some(validate) = installed("tools/bin/kubernetes-validate") else { return };
    let dir = tempfile::tempdir().unwrap();
    for component in ["argo-cd", "flux", "network-policy", "openshift"] {
        for overlay in ["job", "job-postgres", "cronjob", "job-before-deployment"] {
            let Some(rendering) = rendering::with_component(component, overlay) else { return };
            let path = dir.path().join(format!("{component}-{overlay}.yaml"));
            fs::write(&path, rendering.yaml).unwrap();
            let mut command = Command::new(&validate);
            let output = command.args(["--strict", "-k", "1.31"]).arg(path).output().unwrap();
            assert!(output.status.success(), "{component}, {overlay}: {output:#?}");
        }
    }
}

#[test]
fn the_jobs_failure_policy_names_the_exit_codes_that_no_retry_mends() {
    let Some(overlays) = rendering::all() else { return };
    let never = codes_that("no");
    assert!(never.contains(&78) && never.contains(&127), "{never:?}");
    let mut jobs = 0;
    for overlay in &overlays {
        let specs = overlay.objects.iter().flat_map(|object| {
            [
                object.pointer("/spec/jobTemplate/spec"),
                (object["kind"] == "Job").then(|| &object["spec"]),
            ]
        });
        for job in specs.flatten() {
            jobs += 1;
            let rules: Vec<&Value> = list(&job["podFailurePolicy"]["rules"]).collect();
            let actions: Vec<&str> = rules.iter().map(|rule| text(&rule["action"])).collect();
            // The first rule that matches decides.
            assert_eq!(actions, ["Ignore", "FailJob", "Count"], "{}", overlay.overlay);
            assert_eq!(rules[0]["onPodConditions"][0]["type"], "DisruptionTarget");
            let mut failing = never.clone();
            // What it recorded, a retry would not find missing any more.
            failing.extend((overlay.overlay == "verify").then_some(10));
            assert_eq!(values(rules[1]), failing);
            assert!(values(rules[2]).is_subset(&codes_that("yes")));
            // The API server takes no such policy otherwise.
            assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
            for rule in &rules[1..] {
                let name = &rule["onExitCodes"]["containerName"];
                assert!(containers(&job["template"]["spec"]).any(|c| c["name"] == *name));
            }
        }
    }
    assert_eq!(jobs, 6);
}

fn values(rule: &Value) -> BTreeSet<u64> {
    assert_eq!(rule["onExitCodes"]["operator"], "In");
    list(&rule["onExitCodes"]["values"]).filter_map(Value::as_u64).collect()
}

/// The exit codes of which the README's table says that trying again helps, or does not.
fn codes_that(answer: &str) -> BTreeSet<u64> {
    let readme = file("README.md");
    let rows = readme.lines().skip_while(|line| *line != "## Exit codes");
    let rows = rows.filter(|line| line.ends_with(&format!("| {answer} |")));
    let codes = rows.filter_map(|row| row.split('|').nth(1));
    codes.flat_map(|codes| codes.split(',')).filter_map(|code| code.trim().parse().ok()).collect()
}

#[test]
fn every_pod_is_given_more_time_to_stop_than_dbt_is() {
    let Some(overlays) = rendering::all() else { return };
    for overlay in &overlays {
        let settings =
            overlay.kind("ConfigMap").map(|map| &map["data"]["DBT_ENTRYPOINT_STOP_GRACE"]);
        let grace: u64 = settings.filter_map(Value::as_str).next().unwrap().parse().unwrap();
        for template in overlay.pod_templates() {
            let pods = template["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(pods > grace + 5, "{}: {pods} s, and {grace} s for dbt", overlay.overlay);
        }
    }
}

#[test]
fn the_cronjob_never_runs_twice_at_once_and_says_what_has_to_take_in_new_data() {
    let Some(overlay) = rendering::rendering("cronjob") else { return };
    let spec = &overlay.only("CronJob")["spec"];
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    assert!(spec["startingDeadlineSeconds"].is_u64() && spec["timeZone"].is_string(), "{spec:#}");
    let args = &pod_template(overlay.only("CronJob")).unwrap()["spec"]["containers"][0]["args"];
    assert_eq!(args[1], "--select", "a plain build of an unchanged project builds nothing");
}

#[test]
fn every_night_the_warehouse_is_asked_for_what_was_built() {
    let Some(overlay) = rendering::rendering("verify") else { return };
    let cronjob = overlay.only("CronJob");
    assert_eq!(cronjob["metadata"]["name"], "dbt-verify", "beside the CronJob that builds");
    assert_eq!(cronjob["spec"]["concurrencyPolicy"], "Forbid");
    let args = &pod_template(cronjob).unwrap()["spec"]["containers"][0]["args"];
    assert_eq!(*args, json!(["verify", "--record"]));
}

#[test]
fn every_variable_of_the_postgres_profile_is_given_and_the_secret_one_by_an_unfilled_secret() {
    let Some(overlay) = rendering::rendering("job-postgres") else { return };
    let profile = file("k8s/components/postgres/profiles.yml");
    let asked = profile.split("env_var('").skip(1).map(|rest| rest.split('\'').next().unwrap());
    let (secret, plain): (BTreeSet<&str>, BTreeSet<&str>) =
        asked.partition(|name| name.starts_with("DBT_ENV_SECRET_"));
    let given = |kind| {
        let data = overlay.kind(kind).filter_map(|object| object["data"].as_object());
        data.flat_map(|data| data.keys()).map(String::as_str).collect::<BTreeSet<_>>()
    };
    assert!(plain.len() == 2 && plain.is_subset(&given("ConfigMap")), "{plain:?}");
    assert_eq!(secret, given("Secret"));
    assert!(secret.len() == 1 && secret.is_disjoint(&given("ConfigMap")), "{secret:?}");
    let values = overlay.only("Secret")["data"].as_object().unwrap().values();
    assert!(values.into_iter().all(|value| value == ""), "a password is shipped");
    let container = &pod_template(overlay.only("Job")).unwrap()["spec"]["containers"][0];
    let profiles = &container["env"][0]["value"];
    assert!(list(&container["volumeMounts"]).any(|mount| mount["mountPath"] == *profiles));
}

#[test]
fn the_document_tells_of_every_overlay() {
    let Some(overlays) = rendering::all() else { return };
    let document = file("docs/kubernetes.md");
    for overlay in overlays.iter().map(|overlay| &overlay.overlay) {
        assert!(document.contains(&format!("`overlays/{overlay}`")), "{overlay}");
    }
}

#[test]
fn shipped_yaml_and_shell_and_dockerfiles_pass_their_linters() {
    let relaxed = "{extends: relaxed, rules: {line-length: {max: 110}, key-duplicates: enable}}";
    let checks: [(&str, &[&str]); 3] = [
        (
            "yamllint",
            &["--strict", "-d", relaxed, "k8s", "compose", "examples/shop", "examples/aspects"],
        ),
        ("hadolint", &["docker/Dockerfile", "examples/shop/Dockerfile"]),
        (
            "shellcheck",
            &[
                ".cargo/static-pie-ld",
                ".ci/run",
                "contrib/tutor/tutordbtentrypoint/templates/aspects/apps/aspects/scripts/dbt.sh",
                "docker/local-images.sh",
                "docker/local-postgres.sh",
                "examples/demo.sh",
                "tests/matrix.sh",
                "tests/run.sh",
                "tests/setup.sh",
            ],
        ),
    ];
    for (linter, words) in checks {
        let Some(program) = installed(&format!("tools/bin/{linter}")) else { return };
        let output = Command::new(program).args(words).current_dir(root()).output().expect(linter);
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{linter}: {found} {output:?}");
    }
}

/// Every name in a text that begins like this.
fn names<'t>(text: &'t str, start: &str) -> BTreeSet<&'t str> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let ends = text.match_indices(start).map(|(at, _)| &text[at..]);
    ends.map(|rest| {
        let length = rest[start.len()..].find(|letter| !is_letter(letter));
        length.map_or(rest, |length| &rest[..start.len() + length])
    })
    .collect()
}

#[test]
fn every_alert_asks_for_metrics_and_labels_that_a_run_writes() {
    let mut summary = Summary::begin("build", 5);
    summary.locate(&Identity {
        project: Some("shop".into()),
        target: Some("prod".into()),
        location: [("schema".to_owned(), "s".to_owned())].into(),
        ..Identity::default()
    });
    summary.mode = "changes".into();
    summary.end(9, 4, &Ok(0));
    let metrics = summary.prometheus_text();
    let written = names(&metrics, "dbt_entrypoint_");
    let documents =
        ["k8s/components/alerts/prometheus-rule.yaml", "docs/kubernetes.md", "docs/operators.md"];
    for document in documents {
        let text = file(document);
        let unknown: Vec<_> =
            names(&text, "dbt_entrypoint_").difference(&written).copied().collect();
        assert_eq!(unknown, [""; 0], "{document}");
        for label in names(&text, "$labels.") {
            let label = label.trim_start_matches("$labels.");
            assert!(metrics.contains(&format!("{label}=\"")), "{document}: {label}");
        }
    }
    let alerts = file(documents[0]);
    for alert in alerts.split("- alert: ").skip(1) {
        let (_, expression) = alert.split_once("expr: ").expect("an expression");
        let metric = names(expression, "dbt_entrypoint_");
        let samples =
            metrics.lines().filter(|line| metric.iter().any(|name| line.starts_with(name)));
        let samples: Vec<&str> = samples.collect();
        for label in names(alert, "$labels.") {
            let label = format!("{}=\"", label.trim_start_matches("$labels."));
            assert!(samples.iter().any(|sample| sample.contains(&label)), "{label}: {alert}");
        }
    }
    let expressions = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let expressions: Vec<&str> = expressions.collect();
    assert_eq!(expressions.len(), alerts.matches("- alert: ").count());
    for expression in expressions {
        assert_eq!(names(expression, "dbt_entrypoint_").len(), 1, "{expression}");
        assert_eq!(expression.matches('(').count(), expression.matches(')').count());
    }
}

#[test]
fn the_alerts_come_with_every_overlay_of_a_job() {
    for overlay in ["cronjob", "job"] {
        let Some(rendering) = rendering::with_component("alerts", overlay) else { return };
        let rules: Vec<_> = rendering.kind("PrometheusRule").collect();
        let groups = rules[0]["spec"]["groups"].as_array().expect("groups");
        let alerts: Vec<_> = groups[0]["rules"].as_array().expect("rules").iter().collect();
        assert_eq!((rules.len(), groups.len(), alerts.len()), (1, 1, 4));
        for alert in alerts {
            for text in [&alert["alert"], &alert["expr"], &alert["annotations"]["summary"]] {
                assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{alert:#}");
            }
        }
    }
}
