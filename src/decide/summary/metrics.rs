//! The summary as metrics in the text format of Prometheus.

use super::Summary;
use std::fmt::Write;

/// Which labels a metric has besides those of the place.
#[derive(Clone, Copy, PartialEq)]
enum About {
    /// The command: the metric is about the last run.
    Run,
    /// None: whatever is run next goes on with the same series.
    Volume,
}

impl Summary {
    /// The summary as metrics in the text format of Prometheus, for the textfile collector or a
    /// Pushgateway.
    #[must_use]
    pub fn prometheus_text(&self) -> String {
        use About::{Run, Volume};
        // A run that was refused before it read the volume does not know what is pending.
        let known = |count: usize| self.was_admitted().then(|| count.to_string());
        let number = |number: u64| Some(number.to_string());
        let count = |count: usize| Some(count.to_string());
        let gauges = [
            (Run, "last_run_timestamp_seconds", "When the last run ended.", number(self.ended_at)),
            (Run, "last_run_duration_seconds", "How long it took.", number(self.seconds())),
            (Run, "last_run_exit_code", "Its exit code.", number(self.exit.into())),
            (Run, "last_run_nodes_built", "Nodes that it built.", count(self.built.len())),
            (
                Run,
                "last_run_nodes_failed",
                "Nodes that it did not finish.",
                count(self.failed.len()),
            ),
            (
                Volume,
                "last_success_timestamp_seconds",
                "When a run last succeeded.",
                self.succeeded_at.and_then(number),
            ),
            (
                Volume,
                "nodes_pending",
                "Nodes that still have to be built.",
                known(self.pending.len()),
            ),
            (
                Volume,
                "nodes_altered",
                "Nodes that keep rows of earlier code.",
                known(self.altered.len()),
            ),
            (Volume, "orphans", "Relations that no node is built into.", known(self.orphans)),
        ];
        let mut text = String::new();
        for (about, name, help, value) in gauges {
            let Some(value) = value else { continue };
            let name = format!("dbt_entrypoint_{name}");
            let labels = self.labels(about);
            let _ =
                writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{labels} {value}");
        }
        text
    }

    /// The labels of a metric: few and steady, so that an alert keeps its series.
    fn labels(&self, about: About) -> String {
        let command = Some(self.command.as_str()).filter(|_| about == About::Run);
        let [project, target, schema] = self.place();
        let all =
            [("command", command), ("project", project), ("target", target), ("schema", schema)];
        let known = all.into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some(format!("{name}=\"{}\"", escaped(value)))
        });
        let labels: Vec<String> = known.collect();
        if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
    }
}

/// The value of a label, with what the format demands.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::profile::Identity;

    fn located(command: &str) -> Summary {
        let mut summary = Summary::begin(command, 5);
        summary.locate(&Identity {
            project: Some("shop".into()),
            target: Some("a\\b\"c\n".into()),
            location: [("schema".to_owned(), "s".to_owned())].into(),
            ..Identity::default()
        });
        summary
    }

    #[test]
    fn what_is_about_the_run_has_its_command_and_everything_has_the_place() {
        let mut summary = located("build");
        summary.mode = "changes".into();
        summary.built.insert("model.shop.a".into(), 1.0);
        summary.pending.insert("model.shop.b".into(), "new".into());
        summary.end(9, 4, &Ok(0));
        let place = r#"project="shop",target="a\\b\"c\n",schema="s"}"#;
        let expected = [
            ("last_run_timestamp_seconds", "When the last run ended.", true, 9),
            ("last_run_duration_seconds", "How long it took.", true, 4),
            ("last_run_exit_code", "Its exit code.", true, 0),
            ("last_run_nodes_built", "Nodes that it built.", true, 1),
            ("last_run_nodes_failed", "Nodes that it did not finish.", true, 0),
            ("last_success_timestamp_seconds", "When a run last succeeded.", false, 9),
            ("nodes_pending", "Nodes that still have to be built.", false, 1),
            ("nodes_altered", "Nodes that keep rows of earlier code.", false, 0),
            ("orphans", "Relations that no node is built into.", false, 0),
        ]
        .map(|(name, help, is_of_run, value)| {
            let name = format!("dbt_entrypoint_{name}");
            let command = if is_of_run { r#"command="build","# } else { "" };
            format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{{command}{place} {value}\n")
        });
        assert_eq!(summary.prometheus_text(), expected.concat());
    }

    #[test]
    fn what_is_not_known_has_no_label_and_no_metric() {
        let mut summary = Summary::begin("run", 5);
        summary.end(9, 4, &Ok(1));
        let text = summary.prometheus_text();
        assert!(text.contains("dbt_entrypoint_last_run_exit_code{command=\"run\"} 1\n"), "{text}");
        assert!(!text.contains("pending") && !text.contains("success"), "{text}");
        let nothing = Summary::default().prometheus_text();
        assert!(nothing.contains("dbt_entrypoint_last_run_exit_code 0\n"), "{nothing}");
    }

    #[test]
    fn the_last_success_outlives_failures_and_is_of_the_same_place() {
        let mut good = located("build");
        good.end(9, 4, &Ok(0));
        let mut bad = located("seed");
        bad.end(20, 4, &Ok(1));
        assert_eq!(bad.succeeded_at, None);
        bad.remember(&good);
        assert_eq!(bad.succeeded_at, Some(9));
        // One that was refused before it knew its project.
        let mut refused = Summary::begin("run", 30);
        refused.end(31, 1, &Ok(2));
        refused.remember(&bad);
        assert_eq!((refused.succeeded_at, refused.place()), (Some(9), good.place()));
        let mut foreign = Summary { project: Some("other".into()), ..located("run") };
        foreign.end(40, 1, &Ok(2));
        foreign.remember(&good);
        assert_eq!((foreign.succeeded_at, foreign.project.as_deref()), (None, Some("other")));
        let older: Summary = serde_json::from_str(r#"{"ended_at": 8, "exit": 0}"#).unwrap();
        foreign.remember(&older);
        assert_eq!(foreign.succeeded_at, Some(8));
    }
}
