//! Reads from `profiles.yml` where in the warehouse the relations of a project are.
//!
//! A baseline is only valid for the warehouse in which it was built, and dbt does not check that. No
//! credentials are kept.

mod fields;

pub use fields::{TargetFields, target_fields};

use super::jinja::Renderer;
use super::place::TargetReader;
use super::project::{ProjectFile, boolean, mapping, scalar};
use super::reads::{Facet, facets, keyed_digest};
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The project and the place in the warehouse for which a baseline is valid. dbt itself compares
/// none of this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `name` in `dbt_project.yml`.
    pub project: Option<String>,
    /// `type` of the target in `profiles.yml`, for example `duckdb`.
    pub adapter: Option<String>,
    /// The name of the target. It is not compared, because two targets can name the same place.
    pub target: Option<String>,
    /// The keys of the target that say where its relations are (`host`, `schema`, `path`…), with
    /// their rendered values. Never a secret.
    pub location: BTreeMap<String, String>,
    /// The digests of everything in the target that tells the place; `None` in records of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SealedPlace>,
    /// The same in clear, for the target of this process only: it may hold secrets.
    #[serde(skip)]
    pub keys: PlaceKeys,
    /// Whether the relations are lost with the process that builds them.
    #[serde(skip)]
    pub is_in_memory: bool,
}

/// What tells the place, by key, as salted digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPlace {
    salt: String,
    keys: BTreeMap<String, String>,
}

/// What tells the place, by key, in clear. Its values are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PlaceKeys(BTreeMap<String, String>);

impl fmt::Debug for PlaceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Identity {
    /// This identity with its place as digests, for the volume.
    #[must_use]
    pub fn sealed(&self, salt: &str) -> Self {
        let keys = self.keys.digests(salt);
        let place = keys.map(|keys| SealedPlace { salt: salt.to_owned(), keys });
        Self { place: place.or_else(|| self.place.clone()), ..self.clone() }
    }

    /// The first key by which the target of this process names another place than a record; `None`
    /// in a `Some` where there is none. `None` where one of the two is not known.
    #[must_use]
    pub fn differs_from(&self, record: &Self) -> Option<Option<String>> {
        let there = record.place.as_ref()?;
        let here = self.keys.digests(&there.salt)?;
        let mut names = here.keys().chain(there.keys.keys());
        Some(names.find(|key| here.get(*key) != there.keys.get(*key)).cloned())
    }
}

impl PlaceKeys {
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).into_tree())
    }

    /// `None` where there is no target, with which dbt does not start.
    fn digests(&self, salt: &str) -> Option<BTreeMap<String, String>> {
        let digest = |(key, value): (&String, &String)| {
            (key.clone(), keyed_digest(salt.as_bytes(), format!("{key}\0{value}").as_bytes()))
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(digest).into_tree())
    }
}

/// The profile and the target that the command line or its variables name. They override the files.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProfileOverrides<'a> {
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `--target`.
    pub target: Option<&'a str>,
}

/// The keys that say where relations are: a common name, and the names that the adapters use.
/// Excluded are keys that say who connects (user, role), how (password, token, method), and what
/// computes (threads, `warehouse`, `http_path`).
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

/// The identity of the target that dbt will use.
///
/// A file that cannot be parsed, a missing profile or target and an unset variable are not errors
/// here: the identity then has fewer fields, and dbt reports what is wrong. A key whose value comes
/// from a `DBT_ENV_SECRET_*` variable is left out. `here` is the working directory, to which (and
/// not to the project) a relative `path` refers (dbt-duckdb with dbt 1.8 to 1.12). `resolve` frees
/// a path of links.
#[must_use]
pub fn identity(
    profiles_yml: Option<&str>,
    project: &ProjectFile,
    overrides: ProfileOverrides<'_>,
    renderer: &Renderer,
    here: &Path,
    resolve: &dyn Fn(&Path) -> PathBuf,
) -> Identity {
    let rendered = |text: &str| renderer.render(text).ok();
    let mut identity = Identity {
        project: project.name.as_deref().and_then(rendered),
        target: overrides.target.map(str::to_owned),
        ..Identity::default()
    };
    let asked = overrides.profile.map(str::to_owned);
    let profile = asked.or_else(|| project.profile.as_deref().and_then(rendered));
    let Some(profiles) = profiles_yml.map(mapping) else { return identity };
    let reader = |adapter| TargetReader { adapter, renderer, here, resolve };
    // What dbt may understand and we do not names a place all the same.
    let unknown = |what: &Map<String, Value>| PlaceKeys(reader(None).keys(what));
    let Ok(profiles) = profiles else {
        identity.keys = unknown(&Map::from_iter([(UNREADABLE.into(), profiles_yml.into())]));
        return identity;
    };
    let Some(profile) = profile else {
        identity.keys = unknown(&profiles);
        return identity;
    };
    let Some(profile) = profiles.get(&profile).and_then(Value::as_object) else { return identity };
    identity.target = identity.target.or_else(|| default_target(profile, renderer));
    let Some(target) = &identity.target else {
        identity.keys = unknown(profile);
        return identity;
    };
    let output = profile.get("outputs").and_then(|outputs| outputs.get(target));
    if let Some(output) = output.and_then(Value::as_object) {
        identity.adapter =
            output.get("type").and_then(|kind| rendered_unless_secret(kind, renderer));
        identity.location = location(output, identity.adapter.as_deref(), renderer, here);
        let reader = reader(identity.adapter.as_deref());
        (identity.keys, identity.is_in_memory) =
            (PlaceKeys(reader.keys(output)), reader.is_in_memory(output));
    }
    identity
}

/// The common name of a key that adapters name differently.
pub(super) fn location_key(key: &str) -> Option<&'static str> {
    LOCATION.iter().find(|(_, aliases)| aliases.contains(&key)).map(|(name, _)| *name)
}

fn default_target(profile: &Map<String, Value>, renderer: &Renderer) -> Option<String> {
    match profile.get("target") {
        Some(target) => rendered_unless_secret(target, renderer),
        None => Some("default".to_owned()),
    }
}

/// A flag under `config:` of a `profiles.yml`, where dbt 1.7 and older had its flags and 1.12
/// still reads them.
#[must_use]
pub fn flag(profiles_yml: &str, name: &str) -> Option<bool> {
    mapping(profiles_yml).ok()?.get("config")?.get(name).and_then(boolean)
}

/// The rendered value; `None` if it is unknown, or comes from a secret variable.
fn rendered_unless_secret(value: &Value, renderer: &Renderer) -> Option<String> {
    let text = scalar(value)?;
    let secret = |facet: &Facet| match facet {
        Facet::EnvVar(name) => name.starts_with("DBT_ENV_SECRET_"),
        Facet::EnvVars(_) | Facet::EnvVarsOf(_) => true,
        Facet::Var(_) | Facet::Vars(_) | Facet::VarsOf(_) | Facet::Object(_) | Facet::Source(_) => {
            false
        }
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
        if let Some(value) = value.and_then(|value| rendered_unless_secret(value, renderer)) {
            location.insert(key.to_owned(), normalized(key, &value, here));
        }
    }
    if adapter == Some("duckdb") && !output.contains_key("path") {
        location.insert("path".to_owned(), IN_MEMORY.to_owned());
    }
    location
}

/// In place of a key, for a `profiles.yml` that we cannot read and dbt perhaps can.
const UNREADABLE: &str = "the whole file, which is not valid YAML";

/// The default `path` of dbt-duckdb.
const IN_MEMORY: &str = ":memory:";

/// The value of a location key in one spelling for each place, without credentials of a URL.
fn normalized(key: &str, value: &str, here: &Path) -> String {
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
        // `components` removes `.`; `..` stays, because it may follow a symbolic link.
        None => {
            let absolute = here.join(value.strip_prefix("./").unwrap_or(value));
            absolute.components().collect::<PathBuf>().display().to_string()
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

    fn identity_of(
        overrides: ProfileOverrides<'_>,
        pairs: &[(&str, &str)],
        profile: &str,
    ) -> Identity {
        let environment: Environment =
            pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let renderer = Renderer::new(&environment, &Map::new(), None);
        let project = ProjectFile {
            name: Some("n".into()),
            profile: Some(profile.into()),
            ..ProjectFile::default()
        };
        let here = Path::new("/here");
        identity(Some(PROFILES), &project, overrides, &renderer, here, &Path::to_path_buf)
    }

    fn locations(target: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let overrides = ProfileOverrides { target: Some(target), ..ProfileOverrides::default() };
        identity_of(overrides, pairs, "p").location.into_iter().collect()
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_target_is_the_requested_one_or_that_of_the_profile_or_default() {
        let target =
            |overrides, env: &[(&str, &str)], profile| identity_of(overrides, env, profile).target;
        let none = ProfileOverrides::default();
        assert_eq!(target(none, &[], "p").as_deref(), Some("dev"));
        assert_eq!(target(none, &[("T", "pg")], "p").as_deref(), Some("pg"));
        assert_eq!(target(none, &[], "q").as_deref(), Some("default"));
        let asked = ProfileOverrides { target: Some("bq"), profile: None };
        assert_eq!(target(asked, &[("T", "pg")], "p").as_deref(), Some("bq"));
        let other = ProfileOverrides { profile: Some("q"), target: None };
        assert_eq!(identity_of(other, &[], "p").location["path"], "/abs/y.db");
    }

    #[test]
    fn the_identity_of_a_target_is_complete() {
        let found = identity_of(ProfileOverrides::default(), &[], "p");
        let expected = Identity {
            project: Some("n".into()),
            adapter: Some("duckdb".into()),
            target: Some("dev".into()),
            location: BTreeMap::from([
                ("path".into(), "/here/data/x.duckdb".into()),
                ("schema".into(), "main".into()),
            ]),
            place: None,
            keys: found.keys.clone(),
            is_in_memory: false,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn adapters_have_different_names_for_the_same_place() {
        assert_eq!(
            locations("pg", &[("H", "u:pw@DB.example")]),
            pairs(&[("database", "db"), ("host", "db.example"), ("port", "5432"), ("schema", "s")])
        );
        assert_eq!(locations("bq", &[]), pairs(&[("database", "g"), ("schema", "d")]));
        assert_eq!(locations("memory", &[]), pairs(&[("path", ":memory:")]));
    }

    #[test]
    fn the_identity_contains_no_secret() {
        assert_eq!(locations("duck", &[]), pairs(&[("path", "md:x")]));
        let secret = [("DBT_ENV_SECRET_H", "hidden")];
        assert_eq!(locations("ch", &secret), pairs(&[("cluster", "c"), ("schema", "s")]));
        for target in ["pg", "ch", "bq", "duck"] {
            let all =
                format!("{:?}", locations(target, &[("H", "h"), ("DBT_ENV_SECRET_H", "hidden")]));
            assert!(!all.contains("hidden"), "{all}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(locations("pg", &[]).iter().find(|(key, _)| key == "host"), None);
        assert_eq!(identity_of(ProfileOverrides::default(), &[("T", "none")], "p").adapter, None);
        assert_eq!(identity_of(ProfileOverrides::default(), &[], "absent").adapter, None);
        let renderer = Renderer::new(&Environment::new(), &Map::new(), None);
        let nothing = identity(
            Some("p: ["),
            &ProjectFile::default(),
            ProfileOverrides::default(),
            &renderer,
            Path::new("/"),
            &Path::to_path_buf,
        );
        assert_eq!(Identity { keys: PlaceKeys::default(), ..nothing }, Identity::default());
    }
}
