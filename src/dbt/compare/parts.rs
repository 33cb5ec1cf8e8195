//! The compared parts of a node, each under the reason that a difference in it is.

use super::Reason;
use super::same::{Spelling, canonical_json, same_json};
use crate::dbt::manifest::{Manifest, Node, Source, Text};
use crate::trees::IntoTree;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A reason, and which of several parts under it.
pub(super) type PartKey = (Reason, &'static str);

/// By name; macros are compared apart.
pub(super) type Parts<'a> = BTreeMap<PartKey, Part<'a>>;

/// One compared part.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    /// Text, compared byte for byte.
    Text(Cow<'a, str>),
    /// JSON as it stands in the file, compared as values.
    Json(Cow<'a, str>),
    /// An order, which another generation of dbt may write differently.
    Order(String),
}

impl Part<'_> {
    pub(super) fn same(&self, other: &Self, spelling: Spelling) -> bool {
        match (self, other) {
            (Self::Json(old), Self::Json(new)) if old != new => {
                match (serde_json::from_str(old), serde_json::from_str(new)) {
                    (Ok(old), Ok(new)) => same_json(&old, &new, spelling),
                    _ => false,
                }
            }
            (Self::Order(_), Self::Order(_)) if spelling == Spelling::Different => true,
            _ => self == other,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Text(text) | Self::Json(text) if text == "null")
    }

    pub(super) fn canonical(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(text) => Cow::Owned(canonical_json(text)),
            Self::Order(text) => Cow::Borrowed(text),
        }
    }
}

/// Keys that `state:modified.configs` leaves out of the comparison; `relation_name` shows what
/// alias, schema, database and quoting come to. What is compared was enabled.
const UNCOMPARED: [&str; 7] =
    ["alias", "database", "enabled", "group", "quoting", "schema", "tags"];

/// The only keys that count for a test, as in dbt's `TestConfig.same_contents`.
const TEST_KEYS: [&str; 9] = [
    "error_if",
    "fail_calc",
    "limit",
    "severity",
    "sql_header",
    "store_failures",
    "store_failures_as",
    "warn_if",
    "where",
];

/// The configuration from which dbt makes the name of a relation.
const RELATION_KEYS: [&str; 3] = ["alias", "database", "schema"];

/// What dbt itself configures of a source; none of it changes what its readers read.
const SOURCE_KEYS: [&str; 11] = [
    "enabled",
    "event_time",
    "freshness",
    "indexes",
    "loaded_at_field",
    "loaded_at_query",
    "meta",
    "primary_key",
    "schema_origin",
    "static_analysis",
    "tags",
];

/// `pre_hook` in dbt 1.12 is `pre-hook` elsewhere.
fn key_name(key: &str) -> String {
    key.replace('-', "_")
}

type Object<'a> = BTreeMap<Text<'a>, &'a RawValue>;

fn object<'a>(raw: Option<&'a RawValue>) -> Object<'a> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The keys that the user set, anywhere; what is only rendered is a default, which an upgrade
/// of dbt or of the adapter may add, change or take away.
pub(super) fn user_keys(node: &Node<'_>) -> Vec<String> {
    object(node.unrendered_config).keys().map(|key| key_name(key)).collect()
}

/// Which keys of a configuration are looked at.
#[derive(Clone, Copy)]
pub(super) enum Keys<'k> {
    /// Those that the user set, here or in the node that this one is compared with.
    Set(&'k BTreeSet<String>),
    /// All that dbt renders.
    All,
}

impl Keys<'_> {
    fn contains(self, key: &str) -> bool {
        match self {
            Self::Set(keys) => keys.contains(key),
            Self::All => true,
        }
    }
}

/// What is compared of a node.
pub(super) fn parts<'a>(
    manifest: &'a Manifest<'_>,
    node: &'a Node<'_>,
    keys: Keys<'_>,
) -> Parts<'a> {
    let mut collected = Collected(Parts::new());
    collected.json(Reason::Path, "", node.fqn);
    match &*node.resource_type {
        "test" if node.test_metadata.is_some() => collected.test_configuration(node),
        "test" => {
            collected.body(node);
            collected.test_configuration(node);
        }
        "unit_test" => collected.unit_test(node),
        _ => {
            collected.body(node);
            collected.configuration(node, keys);
            collected.interface(node);
            collected.descriptions(node);
            collected.relations(manifest, node);
        }
    }
    collected.0
}

struct Collected<'a>(Parts<'a>);

impl<'a> Collected<'a> {
    fn json(&mut self, reason: Reason, label: &'static str, raw: Option<&'a RawValue>) {
        if let Some(raw) = raw {
            self.0.insert((reason, label), Part::Json(raw.get().into()));
        }
    }

    fn text(&mut self, reason: Reason, label: &'static str, text: impl Into<Cow<'a, str>>) {
        self.0.insert((reason, label), Part::Text(text.into()));
    }

    /// dbt strips a file's surrounding whitespace when it reads it, but not a snapshot block's.
    fn body(&mut self, node: &'a Node<'_>) {
        let code = match node.raw_code() {
            Cow::Borrowed(code) => Cow::Borrowed(code.trim()),
            Cow::Owned(code) => Cow::Owned(code.trim().to_owned()),
        };
        self.text(Reason::Body, "", code);
        if &*node.resource_type == "seed" {
            self.seed(node);
        }
    }

    /// A seed over the limit (1 MiB, unless set) has its path for a checksum, which says
    /// nothing of its content.
    fn seed(&mut self, node: &'a Node<'_>) {
        let checksum = object(node.checksum);
        let by_path = checksum.get("name").is_some_and(|name| name.get() == "\"path\"");
        if !by_path {
            self.json(Reason::SeedContent, "", checksum.get("checksum").copied());
        }
    }

    /// dbt 1.x writes one checksum of all that counts; 2.0 alpha an empty object.
    fn unit_test(&mut self, node: &'a Node<'_>) {
        self.json(Reason::Body, "given", node.given);
        self.json(Reason::Body, "expect", node.expect);
        self.json(Reason::Body, "overrides", node.overrides);
        let checksum = node.checksum.filter(|checksum| checksum.get().starts_with('"'));
        self.json(Reason::Body, "checksum", checksum);
    }

    fn configuration(&mut self, node: &'a Node<'_>, keys: Keys<'_>) {
        // A Python set comes out in another order in every process.
        let unordered = makes_sets(&node.raw_code());
        let written: BTreeMap<String, &RawValue> = object(node.unrendered_config)
            .iter()
            .map(|(key, raw)| (key_name(key), *raw))
            .into_tree();
        for (key, value) in object(node.config) {
            let key = key_name(&key);
            let counts = key == "materialized" || keys.contains(&key);
            if counts && !UNCOMPARED.contains(&&*key) {
                let value = match written.get(&key) {
                    Some(written) if is_fleeting(written.get()) => written.get(),
                    _ => value.get(),
                };
                let value = if unordered { sorted_json(value).into() } else { value.into() };
                self.0.insert((Reason::Config(key), ""), Part::Json(value));
            }
        }
    }

    /// Whoever set it: 2.0 alpha does not tell. No version has other defaults.
    fn test_configuration(&mut self, node: &'a Node<'_>) {
        for (key, value) in object(node.config) {
            if TEST_KEYS.contains(&&*key) {
                // 2.0 alpha writes a severity in capitals.
                let value = value.get().to_ascii_lowercase();
                self.text(Reason::Config(key.to_string()), "", value);
            }
        }
    }

    /// What other models and people rely on.
    fn interface(&mut self, node: &'a Node<'_>) {
        self.json(Reason::Version, "latest", node.latest_version);
        self.json(Reason::Version, "access", node.access);
        self.json(Reason::Version, "deprecation", node.deprecation_date);
        self.json(Reason::Contract, "arguments", node.arguments);
        self.json(Reason::Contract, "returns", node.returns);
        self.json(Reason::Contract, "overloads", node.overloads);
        if switched(node, "contract", "enforced") {
            self.text(Reason::Contract, "", contract(node));
            self.0.insert((Reason::Contract, "order"), Part::Order(order(node.columns)));
        }
    }

    fn descriptions(&mut self, node: &'a Node<'_>) {
        if switched(node, "persist_docs", "relation") {
            self.json(Reason::Description, "relation", node.description);
        }
        if switched(node, "persist_docs", "columns") {
            let mut text = String::new();
            for (name, column) in object(node.columns) {
                let said = object(Some(column)).get("description").map_or("", |said| said.get());
                text += &format!("{name}: {said}\n");
            }
            self.text(Reason::Description, "columns", text);
        }
    }

    /// Where it stands, and what stands where it reads.
    fn relations(&mut self, manifest: &'a Manifest<'_>, node: &'a Node<'_>) {
        if let Some(relation) = &node.relation_name {
            self.text(Reason::Relation, "", &**relation);
        }
        let parents: BTreeSet<&str> = node.depends_on.nodes.iter().map(|id| &**id).into_tree();
        for source in parents.iter().filter_map(|id| manifest.source(id)) {
            self.source(source, manifest.adapter_type() == Some("duckdb"));
        }
        for external in parents.iter().filter_map(|id| manifest.node(id)) {
            if external.is_external() {
                self.external(external);
            }
        }
        self.text(Reason::Parents, "", parents.into_iter().collect::<Vec<_>>().join("\n"));
    }

    /// A plugin need not say the name of the relation (`ModelNodeArgs` of dbt 1.8 to 1.12): then it
    /// is made of what the plugin configured.
    fn external(&mut self, model: &'a Node<'_>) {
        let relation = model.relation_name.as_deref().unwrap_or_default();
        let config = object(model.unrendered_config);
        let named = config.iter().filter(|(key, _)| RELATION_KEYS.contains(&&***key));
        let text =
            named.fold(relation.to_owned(), |text, (key, value)| text + "\n" + key + value.get());
        let name = format!("{}.{}", model.package_name, model.name);
        self.text(Reason::Source(name), "relation", text);
    }

    /// dbt-duckdb alone puts what `meta` or a configuration of its own (`external_location`,
    /// `plugin`) says into the SQL of the readers.
    fn source(&mut self, source: &'a Source<'_>, meta_is_read: bool) {
        let reason = Reason::Source(format!("{}.{}", source.source_name, source.name));
        if let Some(relation) = &source.relation_name {
            self.text(reason.clone(), "relation", &**relation);
        }
        self.json(reason.clone(), "identifier", source.identifier);
        self.json(reason.clone(), "quoting", source.quoting);
        self.json(reason.clone(), "external", source.external);
        if meta_is_read {
            self.json(reason.clone(), "meta", source.meta);
            self.json(reason.clone(), "source_meta", source.source_meta);
            let own = |key: &&str| !SOURCE_KEYS.contains(key);
            let config = object(source.config);
            let own = config.iter().filter(|(key, _)| own(&&***key));
            let text =
                own.fold(String::new(), |text, (key, value)| text + key + value.get() + "\n");
            self.text(reason, "config", text);
        }
    }
}

/// Whether an expression is another value in every run, so that only its text can be compared.
pub(in crate::dbt) fn is_fleeting(expression: &str) -> bool {
    let words = ["invocation_id", "run_started_at", "datetime.now", "utcnow", "date.today"];
    words.iter().any(|word| expression.contains(word))
}

/// Whether `set(…)` or `set_strict(…)` of dbt's Jinja is called.
pub(in crate::dbt) fn makes_sets(code: &str) -> bool {
    let is_call = |(at, _): (usize, &str)| {
        let before = code.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    code.match_indices("set(").chain(code.match_indices("set_strict(")).any(is_call)
}

pub(in crate::dbt) fn sorted_json(json: &str) -> String {
    serde_json::from_str(json).map_or_else(|_| json.to_owned(), |json| sorted(json).to_string())
}

/// With every list in alphabetical order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_unstable_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, sorted(value))).into_tree())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// Whether `config.<key>.<switch>` is true.
fn switched(node: &Node<'_>, key: &str, switch: &str) -> bool {
    let inner = object(node.config).get(key).map(|value| object(Some(value)));
    inner.is_some_and(|inner| inner.get(switch).is_some_and(|value| value.get() == "true"))
}

/// Columns with their types and constraints, in one spelling for all versions of dbt, so that
/// their checksums of the same are not needed. Whether dbt warns of a constraint is left out.
fn contract(node: &Node<'_>) -> String {
    let columns = object(node.columns);
    let column = |column: &RawValue| {
        let column = object(Some(column));
        let part = |key| column.get(key).map_or(Value::Null, |raw| essence(raw.get()));
        Value::from(vec![part("data_type"), part("constraints")])
    };
    let columns: Map<String, Value> =
        columns.iter().map(|(name, raw)| (name.to_string(), column(raw))).into_tree();
    let constraints = node.constraints.map_or(Value::Null, |raw| essence(raw.get()));
    Value::from(vec![Value::Object(columns), constraints]).to_string()
}

/// The names of the members of an object in the order of the text: an enforced contract makes the
/// columns of its table in that order.
fn order(raw: Option<&RawValue>) -> String {
    let members = object(raw);
    let mut members: Vec<_> = members.iter().collect();
    // Each value is a slice of that text.
    members.sort_by_key(|(_, raw)| raw.get().as_ptr());
    members.iter().fold(String::new(), |text, (name, _)| text + name + "\n")
}

/// Without nulls, empty lists and the switches that only make dbt warn.
fn essence(json: &str) -> Value {
    fn strip(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let members = members.into_iter().filter(|(key, value)| {
                    let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
                    !empty && !key.starts_with("warn_un")
                });
                Value::Object(members.map(|(key, value)| (key, strip(value))).into_tree())
            }
            Value::Array(items) => items.into_iter().map(strip).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
        }
    }
    serde_json::from_str(json).map_or(Value::Null, strip)
}
