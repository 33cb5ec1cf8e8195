//! The object `target` of dbt's Jinja context, and how many nodes dbt builds at a time there.

use super::super::jinja::Renderer;
use super::super::project::{ProjectFile, mapping, scalar};
use super::{Identity, LOCATION, ProfileOverrides};
use crate::trees::IntoTree;
use serde_json::Value;
use std::collections::BTreeMap;

/// What dbt's profile says of the target.
#[derive(Debug, Default, PartialEq)]
pub struct TargetFields {
    /// The fields of `target` that say where and as what dbt builds, rendered as far as we can. What
    /// may be a secret, and the number of threads, are left out.
    pub fields: BTreeMap<String, String>,
    /// `threads`: how many nodes dbt v1 builds at a time. `None` if it is absent or cannot be rendered.
    pub threads: Option<usize>,
}

/// What `profiles.yml` says of the target of this identity; little where it says nothing of it.
#[must_use]
pub fn target_fields(
    profiles_yml: Option<&str>,
    project: &ProjectFile,
    overrides: ProfileOverrides<'_>,
    identity: &Identity,
    renderer: &Renderer,
) -> TargetFields {
    const LEFT_OUT: [&str; 7] =
        ["threads", "pass", "secret", "token", "key", "credential", "private"];
    let rendered = |text: String| renderer.render(&text).unwrap_or(text);
    let asked = overrides.profile.map(str::to_owned);
    let profile = asked.or_else(|| project.profile.clone().map(rendered)).unwrap_or_default();
    let profiles = profiles_yml.and_then(|text| mapping(text).ok()).unwrap_or_default();
    let name = identity.target.as_deref().unwrap_or_default();
    let output = profiles.get(&profile).and_then(|all| all.get("outputs")?.get(name)?.as_object());
    let text = |value: &Value| scalar(value).map_or_else(|| value.to_string(), rendered);
    let mut fields: BTreeMap<String, String> = output
        .into_iter()
        .flatten()
        .filter(|(key, _)| !LEFT_OUT.iter().any(|word| key.contains(word)))
        .map(|(key, value)| (key.clone(), text(value)))
        .into_tree();
    for (_, names) in LOCATION {
        let known = names.iter().find_map(|name| fields.get(*name).cloned());
        if let Some(known) = known {
            fields.extend(names.iter().map(|name| ((*name).to_owned(), known.clone())));
        }
    }
    fields.insert("name".to_owned(), name.to_owned());
    fields.insert("profile_name".to_owned(), profile);
    let threads = output.and_then(|output| scalar(output.get("threads")?));
    let threads = threads.and_then(|threads| renderer.render(&threads).ok()?.trim().parse().ok());
    TargetFields { fields, threads }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use serde_json::Map;

    #[test]
    fn threads_are_those_of_the_target_that_dbt_uses() {
        let profiles = "
p:
  target: dev
  outputs:
    dev: {type: duckdb, threads: 4}
    ci: {type: duckdb, threads: \"{{ env_var('N', '8') | as_number }}\"}
    odd: {type: duckdb, threads: many}
    none: {type: duckdb}
";
        let found = |target: &str, n: Option<&str>| {
            let environment: Environment = n.map(|n| ("N".into(), n.into())).into_iter().collect();
            let renderer = Renderer::new(&environment, &Map::new(), None);
            let project = ProjectFile { profile: Some("p".into()), ..ProjectFile::default() };
            let identity = Identity { target: Some(target.into()), ..Identity::default() };
            let overrides = ProfileOverrides::default();
            target_fields(Some(profiles), &project, overrides, &identity, &renderer).threads
        };
        let all = [found("dev", None), found("ci", None), found("ci", Some("16"))];
        assert_eq!(all, [Some(4), Some(8), Some(16)]);
        assert_eq!(["odd", "none", "absent"].map(|target| found(target, None)), [None; 3]);
    }
}
