//! What a parse made of a project, as digests: to tell whether another parse made the same of it.

use super::metadata;
use super::node::{DependsOn, is_disabled};
use super::text::{Text, json_text};
use crate::digest::Pieces;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Sections that say nothing of a thing, or only repeat what others say.
const OF_NO_THING: [&str; 4] = ["metadata", "parent_map", "child_map", "group_map"];

/// What the time of a parse decides, or a build that follows it in the same process.
const OF_THE_RUN: [&str; 7] = [
    "created_at",
    "build_path",
    "compiled",
    "compiled_code",
    "compiled_path",
    "extra_ctes",
    "extra_ctes_injected",
];

/// What the body of a model decides. dbt writes `unrendered_config` in one way where it renders the
/// body, and in another where its static parser reads it.
const OF_THE_BODY: [&str; 9] = [
    "raw_code",
    "checksum",
    "depends_on",
    "refs",
    "sources",
    "metrics",
    "functions",
    "direct_parents",
    "unrendered_config",
];

type RawFields<'a> = BTreeMap<Text<'a>, &'a RawValue>;

/// All that a manifest says of a project, but for its time.
#[derive(Debug, Default)]
pub struct ParsedProject {
    /// Of everything but the nodes.
    pub rest: String,
    /// By `unique_id`: what stands under `nodes`.
    pub nodes: BTreeMap<String, ParsedNode>,
    /// Whether there are tests of disabled nodes. After a full parse they are in the graph that code
    /// may ask for, and after a partial parse they are not.
    pub has_disabled_tests: bool,
}

/// A node.
#[derive(Debug)]
pub struct ParsedNode {
    /// Of everything.
    pub whole: String,
    /// Of everything but what the body of a model decides.
    pub frame: String,
    /// The SQL file of a model of the root project, relative to the project, if nothing else comes
    /// from that file, no unit test is of it, and no other node of that name is disabled.
    pub file: Option<String>,
    /// Its code as in the file.
    pub code: String,
}

impl ParsedProject {
    /// Read the text of a manifest. Tests of disabled nodes are the same under `nodes`, where a full
    /// parse leaves them, and under `disabled`.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let project = metadata(text)?.project_name?;
        let mut parts = ParsedParts::default();
        for (section, raw) in fields(text)? {
            match &*section {
                section if OF_NO_THING.contains(&section) => {}
                "disabled" => parts.add_disabled(raw),
                section => {
                    parts.rest.add(section.as_bytes());
                    for (id, value) in fields(raw.get()).unwrap_or_default() {
                        parts.add(section, &project, &id, value);
                    }
                }
            }
        }
        Some(parts.whole())
    }
}

/// What was read of a manifest so far.
#[derive(Default)]
struct ParsedParts {
    rest: Pieces,
    nodes: BTreeMap<String, ParsedNode>,
    /// How many things come from each file.
    files: BTreeMap<String, usize>,
    /// The models of unit tests. A full parse checks each unit test against the body of its model: an
    /// override of `is_incremental` may be missing. A partial parse does not.
    tested: BTreeSet<String>,
    /// What is disabled: `unique_id`, digest, whether it is a test.
    disabled: BTreeSet<(String, String, bool)>,
}

impl ParsedParts {
    fn add_disabled(&mut self, section: &RawValue) {
        for (id, all) in fields(section.get()).unwrap_or_default() {
            let all: Vec<RawFields<'_>> = serde_json::from_str(all.get()).unwrap_or_default();
            all.into_iter().for_each(|thing| self.disable(&id, thing));
        }
    }

    fn disable(&mut self, id: &str, mut thing: RawFields<'_>) {
        forget_calls_of_a_run(&mut thing);
        self.disabled.insert((id.to_owned(), digest(&thing, &[]), is_test(&thing)));
    }

    fn add(&mut self, section: &str, project: &str, id: &str, value: &RawValue) {
        let mut thing = fields(value.get()).unwrap_or_default();
        if is_test(&thing) && is_disabled(thing.get("config").copied()) {
            return self.disable(id, thing);
        }
        forget_calls_of_a_run(&mut thing);
        let text = |name: &str| thing.get(name).map(|raw| json_text(raw)).unwrap_or_default();
        let file = text("original_file_path");
        *self.files.entry(file.to_string()).or_default() += 1;
        if section == "nodes" {
            let is_model = text("resource_type") == "model"
                && text("package_name") == *project
                && file.ends_with(".sql");
            let node = ParsedNode {
                whole: digest(&thing, &[]),
                frame: digest(&thing, &OF_THE_BODY),
                file: is_model.then(|| file.to_string()),
                code: text("raw_code").into_owned(),
            };
            self.nodes.insert(id.to_owned(), node);
            return;
        }
        self.rest.add(id.as_bytes());
        self.rest.add(digest(&thing, &[]).as_bytes());
        let reads = thing.get("depends_on").filter(|_| section == "unit_tests");
        let reads: Option<DependsOn<'_>> =
            reads.and_then(|reads| serde_json::from_str(reads.get()).ok());
        let models = reads.into_iter().flat_map(|reads| reads.nodes);
        self.tested.extend(models.map(|model| model.to_string()));
    }

    fn whole(self) -> ParsedProject {
        let Self { mut rest, mut nodes, files, tested, disabled } = self;
        for (id, digest, _) in &disabled {
            rest.add(id.as_bytes());
            rest.add(digest.as_bytes());
        }
        let is_off = |id: &String| disabled.iter().any(|(off, ..)| off == id);
        let is_shared = |file: &String| files.get(file).is_none_or(|count| *count > 1);
        for (id, node) in &mut nodes {
            node.file = node
                .file
                .take()
                .filter(|file| !is_shared(file) && !tested.contains(id) && !is_off(id));
        }
        let has_disabled_tests = disabled.iter().any(|(.., is_test)| *is_test);
        ParsedProject { rest: rest.short_hex(16), nodes, has_disabled_tests }
    }
}

fn fields(text: &str) -> Option<RawFields<'_>> {
    serde_json::from_str(text).ok()
}

fn is_test(thing: &RawFields<'_>) -> bool {
    thing.get("resource_type").is_some_and(|kind| kind.get() == "\"test\"")
}

/// When dbt runs a test, it adds macros to `depends_on` that a parse does not find.
fn forget_calls_of_a_run(thing: &mut RawFields<'_>) {
    if is_test(thing)
        && let Some(reads) = thing.get_mut("depends_on")
        && let Some(nodes) = fields(reads.get()).and_then(|reads| reads.get("nodes").copied())
    {
        *reads = nodes;
    }
}

fn digest(thing: &RawFields<'_>, without: &[&str]) -> String {
    let mut pieces = Pieces::new();
    for (name, value) in thing {
        if !OF_THE_RUN.contains(&&**name) && !without.contains(&&**name) {
            pieces.add(name.as_bytes());
            pieces.add(value.get().as_bytes());
        }
    }
    pieces.short_hex(16)
}
