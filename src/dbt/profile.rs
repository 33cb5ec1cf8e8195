//! `profiles.yml`: where in the warehouse this project's relations are, and nothing secret.

use super::jinja::Renderer;
use super::project::{Project, mapping, scalar, switch};
use super::reads::{Facet, facets};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the baseline's nodes stand. dbt compares none of this itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `name` in `dbt_project.yml`.
    pub project: Option<String>,
    /// `type` of the target in `profiles.yml`, e.g. `duckdb`.
    pub adapter: Option<String>,
    /// The target's name. Informative: two names for one place are one place.
    pub target: Option<String>,
    /// Whitelisted location keys of the target (`host`, `schema`, `path`…), never a secret.
    pub location: BTreeMap<String, String>,
}

/// What the command line or its variables say; it wins over the files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `--target`.
    pub target: Option<&'a str>,
}

/// Keys that say where relations are, by their usual name, with the names that adapters have
/// for them. Not here: who connects (user, role), with what (password, token, method), and
/// what computes (threads, `warehouse`, `http_path`).
const LOCATION: [(&str, &[&str]); 10] = [
    ("host", &["host", "server"]),
    ("port", &["port"]),
    ("account", &["account"]),
    ("database", &["database", "dbname", "catalog", "project"]),
    ("schema", &["schema", "dataset"]),
    ("path", &["path"]),
    ("cluster", &["cluster"]),
    ("region", &["region_name"]),
    ("service", &["service"]),
    ("sid", &["sid"]),
];

/// Where the relations of the chosen target are.
///
/// A file that cannot be read, a profile or target that is not there, a variable that is not
/// set: we know less, and dbt will say what is wrong. A key whose value comes from a
/// `DBT_ENV_SECRET_*` variable is left out. `here` is the working directory: there, and not in
/// the project, a relative `path` starts (dbt-duckdb under dbt 1.8 to 1.12).
#[must_use]
pub fn identity(
    profiles_yml: Option<&str>,
    project: &Project,
    choice: Choice<'_>,
    renderer: &Renderer,
    here: &Path,
) -> Identity {
    let rendered = |text: &str| renderer.render(text).ok();
    let mut identity = Identity {
        project: project.name.as_deref().and_then(rendered),
        target: choice.target.map(str::to_owned),
        ..Identity::default()
    };
    let named = choice.profile.map(str::to_owned);
    let profile = named.or_else(|| project.profile.as_deref().and_then(rendered));
    let profiles = profiles_yml.and_then(|text| mapping(text).ok()).unwrap_or_default();
    let Some(profile) = profile.and_then(|name| profiles.get(&name)?.as_object()) else {
        return identity;
    };
    identity.target = identity.target.or_else(|| default_target(profile, renderer));
    let output = identity.target.as_ref().and_then(|target| profile.get("outputs")?.get(target));
    if let Some(output) = output.and_then(Value::as_object) {
        identity.adapter = output.get("type").and_then(|kind| known(kind, renderer));
        identity.location = location(output, identity.adapter.as_deref(), renderer, here);
    }
    identity
}

fn default_target(profile: &Map<String, Value>, renderer: &Renderer) -> Option<String> {
    match profile.get("target") {
        Some(target) => known(target, renderer),
        None => Some("default".to_owned()),
    }
}

/// `config: {partial_parse: …}` of a `profiles.yml`, where dbt 1.7 and older had its flags
/// and 1.12 still reads them.
#[must_use]
pub fn partial_parse(profiles_yml: &str) -> Option<bool> {
    mapping(profiles_yml).ok()?.get("config")?.get("partial_parse").and_then(switch)
}

/// The rendered value, unless it is unknown or secret.
fn known(value: &Value, renderer: &Renderer) -> Option<String> {
    let text = scalar(value)?;
    let secret = |facet: &Facet| match facet {
        Facet::EnvVar(name) => name.starts_with("DBT_ENV_SECRET_"),
        Facet::AnyEnvVar => true,
        Facet::Var(_) | Facet::AnyVar => false,
    };
    if facets(&text).iter().any(secret) { None } else { renderer.render(&text).ok() }
}

fn location(
    output: &Map<String, Value>,
    adapter: Option<&str>,
    renderer: &Renderer,
    here: &Path,
) -> BTreeMap<String, String> {
    let mut location = BTreeMap::new();
    for (key, aliases) in LOCATION {
        let value = aliases.iter().find_map(|alias| output.get(*alias));
        if let Some(value) = value.and_then(|value| known(value, renderer)) {
            location.insert(key.to_owned(), normal(key, &value, here));
        }
    }
    if adapter == Some("duckdb") && !output.contains_key("path") {
        location.insert("path".to_owned(), IN_MEMORY.to_owned());
    }
    location
}

/// dbt-duckdb's default path.
const IN_MEMORY: &str = ":memory:";

/// One spelling for one place, and no credentials that a URL may carry.
fn normal(key: &str, value: &str, here: &Path) -> String {
    let value = value.trim();
    match key {
        "host" => without_user(value).to_lowercase(),
        "path" => path(value, here),
        _ => value.to_owned(),
    }
}

fn path(value: &str, here: &Path) -> String {
    let value = value.split_once('?').map_or(value, |(plain, _)| plain);
    match value.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", without_user(rest)),
        None if value == IN_MEMORY || value.starts_with("md:") || value.contains("lake:") => {
            value.to_owned()
        }
        // `components` drops a `.` in the middle; `..` may pass a link and is left.
        None => {
            let absolute = here.join(value.strip_prefix("./").unwrap_or(value));
            absolute.components().collect::<std::path::PathBuf>().display().to_string()
        }
    }
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    const PROFILES: &str = "
p:
  target: \"{{ env_var('T', 'dev') }}\"
  outputs:
    dev: {type: duckdb, path: data/x.duckdb, schema: main, threads: 4}
    memory: {type: duckdb}
    pg:
      type: postgres
      host: \"{{ env_var('H') }}\"
      port: \"{{ env_var('P', 5432) | as_number }}\"
      user: me
      pass: hidden
      dbname: db
      schema: s
    ch: {type: clickhouse, host: \"{{ env_var('DBT_ENV_SECRET_H') }}\", cluster: c, schema: s, password: hidden}
    bq: {type: bigquery, project: g, dataset: d, keyfile: hidden}
    duck: {type: duckdb, path: 'md:x?motherduck_token=hidden'}
q:
  outputs: {default: {type: duckdb, path: /abs/./y.db}}
";

    fn of(choice: Choice<'_>, pairs: &[(&str, &str)], profile: &str) -> Identity {
        let environment: Environment =
            pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let renderer = Renderer::new(&environment, &Map::new(), None);
        let project =
            Project { name: Some("n".into()), profile: Some(profile.into()), ..Project::default() };
        identity(Some(PROFILES), &project, choice, &renderer, Path::new("/here"))
    }

    fn places(target: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let choice = Choice { target: Some(target), ..Choice::default() };
        of(choice, pairs, "p").location.into_iter().collect()
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_target_is_the_one_asked_for_else_the_profiles_else_default() {
        let target = |choice, env: &[(&str, &str)], profile| of(choice, env, profile).target;
        let none = Choice::default();
        assert_eq!(target(none, &[], "p").as_deref(), Some("dev"));
        assert_eq!(target(none, &[("T", "pg")], "p").as_deref(), Some("pg"));
        assert_eq!(target(none, &[], "q").as_deref(), Some("default"));
        let asked = Choice { target: Some("bq"), profile: None };
        assert_eq!(target(asked, &[("T", "pg")], "p").as_deref(), Some("bq"));
        let other = Choice { profile: Some("q"), target: None };
        assert_eq!(of(other, &[], "p").location["path"], "/abs/y.db");
    }

    #[test]
    fn the_whole_identity_of_a_target() {
        let expected = Identity {
            project: Some("n".into()),
            adapter: Some("duckdb".into()),
            target: Some("dev".into()),
            location: BTreeMap::from([
                ("path".into(), "/here/data/x.duckdb".into()),
                ("schema".into(), "main".into()),
            ]),
        };
        assert_eq!(of(Choice::default(), &[], "p"), expected);
    }

    #[test]
    fn adapters_have_different_names_for_the_same_place() {
        assert_eq!(
            places("pg", &[("H", "u:pw@DB.example")]),
            pairs(&[("database", "db"), ("host", "db.example"), ("port", "5432"), ("schema", "s")])
        );
        assert_eq!(places("bq", &[]), pairs(&[("database", "g"), ("schema", "d")]));
        assert_eq!(places("memory", &[]), pairs(&[("path", ":memory:")]));
    }

    #[test]
    fn nothing_secret_is_told() {
        assert_eq!(places("duck", &[]), pairs(&[("path", "md:x")]));
        let secret = [("DBT_ENV_SECRET_H", "hidden")];
        assert_eq!(places("ch", &secret), pairs(&[("cluster", "c"), ("schema", "s")]));
        for target in ["pg", "ch", "bq", "duck"] {
            let all =
                format!("{:?}", places(target, &[("H", "h"), ("DBT_ENV_SECRET_H", "hidden")]));
            assert!(!all.contains("hidden"), "{all}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        assert_eq!(places("pg", &[]).iter().find(|(key, _)| key == "host"), None);
        assert_eq!(of(Choice::default(), &[("T", "none")], "p").adapter, None);
        assert_eq!(of(Choice::default(), &[], "absent").adapter, None);
        let renderer = Renderer::new(&Environment::new(), &Map::new(), None);
        let nothing = identity(
            Some("p: ["),
            &Project::default(),
            Choice::default(),
            &renderer,
            Path::new("/"),
        );
        assert_eq!(nothing, Identity::default());
    }
}
