//! The objects of dbt's Jinja context: what a node reads of the project, the target and the command
//! beyond its own text (dbt 1.8 to 1.12, `dbt.context.providers`).
//!
//! `run_started_at` and `invocation_id` are not among them, nor is anything else that differs from
//! run to run.

use super::fingerprint::keyed;
use super::{Facet, Facets};
use crate::dbt::compare::{is_fleeting, makes_sets, sorted_json};
use crate::dbt::manifest::{Manifest, Text};
use crate::digest::Pieces;
use crate::environment::Environment;
use crate::trees::IntoTree;
use serde_json::value::RawValue;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

/// The objects that count.
pub(super) const OBJECTS: [&str; 7] = [
    "graph",
    "model",
    "target",
    "flags",
    "invocation_args_dict",
    "dbt_metadata_envs",
    "selected_resources",
];

/// What dbt's methods of a mapping are called; any other word behind a dot is a key.
pub(super) const METHODS: [&str; 7] = ["items", "keys", "values", "get", "copy", "update", "pop"];

/// What every parse and every run writes anew, and what says which node it is.
const FLEETING: [&str; 16] = [
    "build_path",
    "compiled",
    "compiled_code",
    "compiled_path",
    "compiled_sql",
    "config_call_dict",
    "created_at",
    "defer_relation",
    "deferred",
    "extra_ctes",
    "extra_ctes_injected",
    // dbt 2: where it writes the SQL of a generic test, in the target path.
    "generated_sql_file",
    "root_path",
    "unique_id",
    "unrendered_config_call_dict",
    "_pre_injected_sql",
];

/// In another order after another parse.
const UNORDERED: [&str; 5] = ["functions", "metrics", "refs", "sources", "tags"];

/// Flags that say how, what or when this command runs, and not what it makes.
const OF_THE_RUN: [&str; 38] = [
    "CACHE_SELECTED_ONLY",
    "DEBUG",
    "DEFER",
    "DEFER_STATE",
    "EMPTY",
    "EVENT_TIME_END",
    "EVENT_TIME_START",
    "EXCLUDE",
    "EXCLUDE_RESOURCE_TYPE",
    "EXCLUDE_RESOURCE_TYPES",
    "FAIL_FAST",
    "FAVOR_STATE",
    "FULL_REFRESH",
    "INVOCATION_COMMAND",
    "MODELS",
    "PARTIAL_PARSE",
    "PARTIAL_PARSE_FILE_DIFF",
    "PARTIAL_PARSE_FILE_PATH",
    "POPULATE_CACHE",
    "PRINT",
    "PRINTER_WIDTH",
    "PROFILES_DIR",
    "PROJECT_DIR",
    "QUIET",
    "RESOURCE_TYPE",
    "RESOURCE_TYPES",
    "SAMPLE",
    "SELECT",
    "SELECTOR",
    "SEND_ANONYMOUS_USAGE_STATS",
    "SHOW_RESOURCE_REPORT",
    "SINGLE_THREADED",
    "STATE",
    "TARGET_PATH",
    "THREADS",
    "VERSION_CHECK",
    "WHICH",
    "WRITE_JSON",
];

const CUSTOM: &str = "DBT_ENV_CUSTOM_ENV_";

/// So many sources of one node have a fingerprint each.
const MOST: usize = 100;

/// A part of the manifest: a section with its members, or a member with its fields.
type Fields<'m> = BTreeMap<Text<'m>, &'m RawValue>;

/// What the objects hold now.
pub struct Objects<'m, 'a> {
    manifest: &'m Manifest<'a>,
    /// The fields of the target, without secrets.
    target: &'m BTreeMap<String, String>,
    /// What the command line, the variables in its place and `flags:` say, by `NAME`.
    flags: &'m BTreeMap<String, String>,
    environment: &'m Environment,
    sections: OnceCell<Fields<'a>>,
    nodes: OnceCell<Fields<'a>>,
    /// What is known of `graph` already.
    graph: RefCell<BTreeMap<String, String>>,
}

impl<'m, 'a> Objects<'m, 'a> {
    /// Of a manifest and the command that made it.
    #[must_use]
    pub fn new(
        manifest: &'m Manifest<'a>,
        target: &'m BTreeMap<String, String>,
        flags: &'m BTreeMap<String, String>,
        environment: &'m Environment,
    ) -> Self {
        let (sections, nodes) = (OnceCell::new(), OnceCell::new());
        Self { manifest, target, flags, environment, sections, nodes, graph: RefCell::default() }
    }

    /// The fingerprints of what a node reads of them, by `context:OBJECT` and `source:NAME`.
    #[must_use]
    pub fn fingerprints(&self, id: &str, facets: &Facets, salt: &str) -> BTreeMap<String, String> {
        let found = facets.iter().flat_map(|facet| match facet {
            Facet::Object(path) => self.content(id, path).into_iter().collect(),
            Facet::Source(name) => self.sources(id, name),
            Facet::EnvVar(_)
            | Facet::EnvVars(_)
            | Facet::EnvVarsOf(_)
            | Facet::Var(_)
            | Facet::Vars(_)
            | Facet::VarsOf(_) => Vec::new(),
        });
        found.map(|(key, content)| (key.clone(), keyed(salt, &[&key, &content]))).into_tree()
    }

    /// What an object holds, or a part of it, with the name that stands for it; `None` where
    /// nothing is known that lasts.
    fn content(&self, id: &str, path: &str) -> Option<(String, String)> {
        let (object, part) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let content = match object {
            "graph" => self.graph(part),
            "model" => self.model(id, part)?,
            "target" => self.target(part)?,
            "dbt_metadata_envs" => self.metadata(part),
            "selected_resources" => all(self.manifest.names().map(|(id, _)| (id, ""))),
            _ => self.flags(part)?,
        };
        Some((key(path, self.manifest.generation().1), content))
    }

    fn model(&self, id: &str, key: Option<&str>) -> Option<String> {
        let nodes = self.nodes.get_or_init(|| self.members("nodes"));
        let fields = fields(nodes.get(id)?);
        match key {
            Some(key) if FLEETING.contains(&key) => None,
            Some(key) => Some(field(&fields, key)),
            None => Some(whole(&fields)),
        }
    }

    /// Every member of a section of the manifest, with all of its fields.
    fn members(&self, section: &str) -> Fields<'a> {
        let sections = self.sections.get_or_init(|| self.manifest.sections());
        sections.get(section).map(|raw| fields(raw)).unwrap_or_default()
    }

    fn graph(&self, key: Option<&str>) -> String {
        const SECTIONS: [&str; 8] = [
            "exposures",
            "functions",
            "groups",
            "metrics",
            "nodes",
            "saved_queries",
            "semantic_models",
            "sources",
        ];
        let name = key.unwrap_or_default();
        if let Some(known) = self.graph.borrow().get(name) {
            return known.clone();
        }
        let mut digest = Pieces::new();
        for section in SECTIONS.iter().filter(|section| key.is_none_or(|key| key == **section)) {
            for (id, member) in self.members(section) {
                digest.add(id.as_bytes());
                digest.add(whole(&fields(member)).as_bytes());
            }
        }
        let found = digest.hex();
        self.graph.borrow_mut().insert(name.to_owned(), found.clone());
        found
    }

    fn target(&self, key: Option<&str>) -> Option<String> {
        let Some(key) = key else {
            return Some(all(self.target.iter().map(|(key, value)| (&**key, &**value))));
        };
        let key = if key == "target_name" { "name" } else { key };
        (key != "threads").then(|| self.target.get(key).cloned().unwrap_or_default())
    }

    fn metadata(&self, key: Option<&str>) -> String {
        let own = self.environment.iter().filter_map(|(name, value)| {
            let name = name.to_str()?.strip_prefix(CUSTOM)?;
            key.is_none_or(|key| key == name).then(|| (name, value.to_str().unwrap_or_default()))
        });
        all(own)
    }

    fn flags(&self, key: Option<&str>) -> Option<String> {
        let name = key.map(str::to_uppercase);
        let is_of_the_run = |name: &str| {
            OF_THE_RUN.contains(&name) || name.starts_with("LOG_") || name.starts_with("USE_COLORS")
        };
        if name.as_deref().is_some_and(is_of_the_run) {
            return None;
        }
        let counts = |(flag, _): &(&String, &String)| {
            name.as_ref().is_none_or(|name| name == *flag) && !is_of_the_run(flag)
        };
        let flags = self.flags.iter().filter(counts);
        Some(all(flags.map(|(name, value)| (&**name, &**value))))
    }

    /// The relations of sources that dbt did not see while it parsed, each with its name: a source
    /// that is new changes no code. `source.*` stands for all tables, and `*` for all sources.
    fn sources(&self, id: &str, name: &str) -> Vec<(String, String)> {
        let listed = self.manifest.node(id).map_or(&[][..], |node| &node.depends_on.nodes);
        let unlisted =
            self.manifest.sources().filter(|(id, _)| !listed.iter().any(|known| **known == **id));
        let found: Vec<(String, &str)> = unlisted
            .filter_map(|(_, source)| {
                let own = format!("{}.{}", &*source.source_name, &*source.name);
                let is_meant = own == name
                    || name.strip_suffix('*').is_some_and(|start| own.starts_with(start));
                is_meant.then(|| (own, source.relation_name.as_deref().unwrap_or_default()))
            })
            .collect();
        if found.len() > MOST {
            let all = all(found.iter().map(|(name, relation)| (&**name, *relation)));
            return vec![("source:*".to_owned(), all)];
        }
        let key =
            |(name, relation): (String, &str)| (format!("source:{name}"), relation.to_owned());
        found.into_iter().map(key).collect()
    }
}

/// The name of an object's fingerprint. Another generation of dbt writes nodes in other words.
pub(super) fn key(path: &str, generation: &str) -> String {
    if path.starts_with("graph") || path.starts_with("model") {
        format!("context:{path}@{generation}")
    } else {
        format!("context:{path}")
    }
}

/// Pairs as one text, so that no two different lists are the same.
fn all<'s>(pairs: impl Iterator<Item = (&'s str, &'s str)>) -> String {
    pairs.fold(String::new(), |text, (key, value)| format!("{text}{key:?}{value:?}"))
}

fn fields(member: &RawValue) -> Fields<'_> {
    serde_json::from_str(member.get()).unwrap_or_default()
}

/// Everything that a member says and that no parse makes anew.
fn whole(fields: &Fields<'_>) -> String {
    let names = fields.keys().map(|name| &**name).filter(|name| !FLEETING.contains(name));
    names.fold(String::new(), |text, name| format!("{text}{name:?}{}", field(fields, name)))
}

/// One field, in a spelling that every parse gives.
fn field(fields: &Fields<'_>, name: &str) -> String {
    let Some(raw) = fields.get(name) else { return String::new() };
    let text = |name: &str| fields.get(name).map_or("", |raw| raw.get());
    match name {
        // The end of a run lists more macros than a parse.
        "depends_on" => {
            let listed: Fields<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
            listed.get("nodes").map_or_else(String::new, |nodes| sorted_json(nodes.get()))
        }
        // What is another value in every run counts by its text.
        "config" | "meta" | "tags" | "description" if is_fleeting(text("unrendered_config")) => {
            text("unrendered_config").to_owned()
        }
        "config" | "meta" if makes_sets(text("raw_code")) => sorted_json(raw.get()),
        name if UNORDERED.contains(&name) => sorted_json(raw.get()),
        _ => raw.get().to_owned(),
    }
}

/// Whether code of the project or of a package mentions the command or its flags, so that another
/// command may parse something else.
#[must_use]
pub fn asks_for_the_command(manifest: &Manifest<'_>) -> bool {
    let asks =
        |code: &str| ["flags", "invocation_args", "WHICH"].iter().any(|word| code.contains(word));
    let mut macros = manifest.macros().filter(|(_, found)| !manifest.is_internal(found));
    manifest.nodes().any(|(_, node)| asks(&node.raw_code()))
        || macros.any(|(_, found)| asks(&found.macro_sql()))
}

#[cfg(test)]
mod tests;
