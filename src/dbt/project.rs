//! Reads `dbt_project.yml`, `vars.yml`, `selectors.yml` and `--vars`, as far as this program needs
//! them.
//!
//! It has to know where dbt reads and writes before it starts dbt. dbt itself parses these files
//! again.

use super::yaml;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// The `dbt_project.yml` of a project or package. Values are as written; Jinja in them is not
/// rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectFile {
    /// `name:`.
    pub name: Option<String>,
    /// `profile:`.
    pub profile: Option<String>,
    /// `target-path:`.
    pub target_path: Option<String>,
    /// `log-path:`.
    pub log_path: Option<String>,
    /// `packages-install-path:`.
    pub packages_install_path: Option<String>,
    /// The directories of `model-paths:` and all other keys that end with `-paths`.
    pub paths: Vec<String>,
    /// `flags:`, as written.
    pub flags: Map<String, Value>,
    /// `vars:`, or the `vars:` of a `vars.yml` after [`with_vars_file`](Self::with_vars_file).
    pub vars: Map<String, Value>,
}

impl ProjectFile {
    /// Parse the text of a `dbt_project.yml`.
    ///
    /// # Errors
    /// The text is not YAML, or not a mapping.
    pub fn parse(text: &str) -> Result<Self> {
        let mut all = mapping(text)?;
        let flags = object(all.remove("flags"));
        let paths = all.iter().filter(|(key, _)| key.ends_with("-paths"));
        let paths = paths.flat_map(|(_, value)| word_list(value)).collect();
        let mut word = |key: &str| all.remove(key).as_ref().and_then(scalar);
        Ok(Self {
            name: word("name"),
            profile: word("profile"),
            target_path: word("target-path"),
            log_path: word("log-path"),
            packages_install_path: word("packages-install-path"),
            paths,
            flags,
            vars: object(all.remove("vars")),
        })
    }

    /// What `flags:` says of a switch; `None` where it says nothing.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.flags.get(name).and_then(boolean)
    }

    /// The project with the `vars:` of a `vars.yml`, whose text this is. dbt 1.12 uses them in
    /// place of the vars in `dbt_project.yml`, and refuses a project that has both.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn with_vars_file(mut self, text: &str) -> Result<Self> {
        let vars = object(mapping(text)?.remove("vars"));
        if !vars.is_empty() {
            self.vars = vars;
        }
        Ok(self)
    }
}

/// How the `vars:` of a `dbt_project.yml` or `vars.yml` are spelled, in the form of the values.
///
/// # Errors
/// The text is not YAML.
pub fn spelled_vars(text: &str) -> Result<Map<String, Value>> {
    Ok(object(object(Some(yaml::spelled(text)?)).remove("vars")))
}

/// The same for the value of `--vars`.
///
/// # Errors
/// The text is not YAML.
pub fn spelled_cli_vars(text: &str) -> Result<Map<String, Value>> {
    Ok(object(Some(yaml::spelled(text)?)))
}

/// Where dbt reads files unless the project says otherwise (dbt 1.8 to 1.12). A project that says so
/// may still have them.
pub const DEFAULT_PATHS: [&str; 7] =
    ["models", "macros", "seeds", "snapshots", "analyses", "tests", "functions"];

/// The words of every member of this name, at any depth of a YAML document.
///
/// # Errors
/// The text is not YAML, or not a mapping.
pub fn members(text: &str, name: &str) -> Result<Vec<String>> {
    fn collect(value: &Value, name: &str, into: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            if key == name {
                into.extend(word_list(value));
            } else {
                collect(value, name, into);
            }
        }
    }
    let mut all = Vec::new();
    collect(&Value::Object(mapping(text)?), name, &mut all);
    Ok(all)
}

/// The words of a list, or a single word.
fn word_list(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(scalar).collect()
}

/// The value of a boolean, in any spelling of YAML 1.1. `None` for anything else.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    const FALSE: [&str; 3] = ["false", "no", "off"];
    let word = scalar(value)?.to_lowercase();
    let yes = TRUE.contains(&word.as_str());
    (yes || FALSE.contains(&word.as_str())).then_some(yes)
}

/// The name of the selector that has `default: true` in the text of a `selectors.yml`; `None` if
/// there is none. `render` renders Jinja, since dbt allows
/// `default: "{{ target.name == 'prod' | as_bool }}"`.
///
/// # Errors
/// The text is not YAML, or not a mapping.
pub fn default_selector(
    text: &str,
    render: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>> {
    let all = mapping(text)?;
    let selectors = all.get("selectors").and_then(Value::as_array);
    let is_default = |selector: &&Value| match selector.get("default") {
        Some(Value::Bool(default)) => *default,
        Some(Value::String(text)) => {
            render(text).is_some_and(|word| TRUE.contains(&word.trim().to_lowercase().as_str()))
        }
        _ => false,
    };
    let found = selectors.into_iter().flatten().find(is_default);
    Ok(found.and_then(|selector| scalar(selector.get("name")?)))
}

/// The spellings of a true boolean in YAML 1.1, which PyYAML implements, in lower case.
const TRUE: [&str; 3] = ["true", "yes", "on"];

/// The mapping in the value of `--vars`, which is YAML (and therefore may be JSON).
///
/// # Errors
/// The value is not a mapping. dbt refuses it too.
pub fn cli_vars(text: &str) -> Result<Map<String, Value>> {
    mapping(text).context("reading --vars")
}

/// Parse a YAML document that is a mapping. An empty document is an empty mapping.
pub(super) fn mapping(text: &str) -> Result<Map<String, Value>> {
    match yaml::document(text)? {
        Value::Object(mapping) => Ok(mapping),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            bail!("it is not a mapping")
        }
    }
}

/// The mapping in an optional value; an empty mapping for anything else.
fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(mapping)) => mapping,
        _ => Map::new(),
    }
}

/// A string, number or boolean as text; `None` for anything else.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_a_project_are_read_as_written() {
        let text = "name: p\nprofile: '{{ env_var(''P'') }}'\ntarget-path: t\nversion: 1.0\n\
                    model-paths: [m, ../n]\ndocs-paths: d\n\
                    models:\n  +tags: [a]\nvars:\n  a: 1\n  p: {b: yes please, 2: two}\n";
        let expected = ProjectFile {
            name: Some("p".into()),
            profile: Some("{{ env_var('P') }}".into()),
            target_path: Some("t".into()),
            paths: ["d", "m", "../n"].map(String::from).into(),
            vars: object(Some(json!({"a": 1, "p": {"b": "yes please", "2": "two"}}))),
            ..ProjectFile::default()
        };
        assert_eq!(ProjectFile::parse(text).unwrap(), expected);
        assert_eq!(ProjectFile::parse("").unwrap(), ProjectFile::default());
    }

    #[test]
    fn a_file_that_is_not_a_mapping_is_an_error_that_quotes_nothing() {
        for text in ["- a", "a: [secret", "a: b: secret"] {
            let error = format!("{:#}", ProjectFile::parse(text).unwrap_err());
            assert!(error.starts_with("it is not") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_wins_as_in_pyyaml() {
        assert_eq!(ProjectFile::parse("name: a\nname: b").unwrap().name.as_deref(), Some("b"));
    }

    #[test]
    fn booleans_may_have_any_spelling_of_yaml_1_1() {
        let of = |word: &str| {
            ProjectFile::parse(&format!("flags: {{use_v2_parser: {word}}}"))
                .unwrap()
                .flag("use_v2_parser")
        };
        let all = ["true", "no", "'off'", "1", "null"].map(of);
        assert_eq!(all, [Some(true), Some(false), Some(false), None, None]);
    }

    #[test]
    fn words_keep_their_spelling() {
        let project = ProjectFile::parse("name: n\nprofile: 007\ntarget-path: 1_0").unwrap();
        let words = [project.name, project.profile, project.target_path].map(Option::unwrap);
        assert_eq!(words, ["n", "007", "1_0"]);
    }

    #[test]
    fn a_vars_file_replaces_the_vars_of_the_project() {
        let project = ProjectFile::parse("name: p\nvars: {a: 1}").unwrap();
        let with = |text| project.clone().with_vars_file(text).unwrap().vars;
        assert_eq!(with("vars: {b: 2}"), object(Some(json!({"b": 2}))));
        assert_eq!(with("vars:"), object(Some(json!({"a": 1}))));
    }

    #[test]
    fn the_default_selector_is_found_by_its_rendered_flag() {
        let text = "selectors:\n- {name: a, definition: x}\n- {name: b, default: true}\n";
        assert_eq!(default_selector(text, |_| None).unwrap().as_deref(), Some("b"));
        let text = "selectors:\n- {name: c, default: '{{ jinja }}'}\n";
        let is = |word: &'static str| default_selector(text, move |_| Some(word.into())).unwrap();
        assert_eq!((is("True"), is("False")), (Some("c".into()), None));
    }
}
