//! The object `target` of dbt's Jinja context.

use super::super::jinja::Renderer;
use super::super::project::{ProjectFile, mapping, scalar};
use super::{Identity, LOCATION, ProfileOverrides};
use crate::trees::IntoTree;
use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of `target` that say where and as what dbt builds, rendered as far as we can. What
/// may be a secret, and the number of threads, are left out.
#[must_use]
pub fn target_fields(
    profiles_yml: Option<&str>,
    project: &ProjectFile,
    overrides: ProfileOverrides<'_>,
    identity: &Identity,
    renderer: &Renderer,
) -> BTreeMap<String, String> {
    const LEFT_OUT: [&str; 7] =
        ["threads", "pass", "secret", "token", "key", "credential", "private"];
    let rendered = |text: String| renderer.render(&text).unwrap_or(text);
    let asked = overrides.profile.map(str::to_owned);
    let profile = asked.or_else(|| project.profile.clone().map(rendered)).unwrap_or_default();
    let profiles = profiles_yml.and_then(|text| mapping(text).ok()).unwrap_or_default();
    let name = identity.target.clone().unwrap_or_default();
    let output = profiles.get(&profile).and_then(|all| all.get("outputs")?.get(&name)?.as_object());
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
    fields.insert("name".to_owned(), name);
    fields.insert("profile_name".to_owned(), profile);
    fields
}
