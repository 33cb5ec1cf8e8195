//! Whether dbt may start from the partial-parse file of an earlier container.
//!
//! dbt's own key of that file leaves out much that a parse depends on, and what it parses anew does
//! not always come out as in a full parse (`tests/warm`). So the file is used only where everything
//! that dbt reads is as it was, by content, but for the bodies of some SQL models; and the manifest
//! that dbt then writes has to agree with that of the earlier parse in everything that such an edit
//! cannot change.

use crate::dbt::manifest::{Manifest, ParsedNode, ParsedProject};
use crate::dbt::reads::{check_lasts, reader_of_the_graph};
use crate::digest::{Pieces, hex_of};
use crate::trees::IntoTree;
use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format of [`ParseNotes`] that this version writes. It uses no other.
const FORMAT: u32 = 2;

/// What is known of a partial-parse file that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseNotes {
    format: u32,
    /// The salted digest of everything that the parse read, but for [`ParseNotes::models`].
    key: String,
    /// The SHA-256 of the file.
    pub file: String,
    /// When it was kept, in seconds since the epoch (UTC).
    at: u64,
    /// Of everything in its manifest but the nodes.
    rest: String,
    /// The SHA-256 of the files of models, by their paths in the project.
    models: BTreeMap<String, String>,
    /// By `unique_id`.
    nodes: BTreeMap<String, NodeNotes>,
}

/// What is known of a node, as digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NodeNotes {
    /// Of everything that its manifest says of it.
    whole: String,
    /// If its body may be edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    editable: Option<EditableModel>,
}

/// What is known of a model whose body may be edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EditableModel {
    /// Of everything but its body.
    frame: String,
    /// Of the calls of `config` in its body.
    calls: String,
    /// Of its body, as dbt tells bodies apart.
    body: String,
    /// Its path in the project.
    path: String,
}

/// What dbt reads, in two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputsApart {
    /// The salted digest of everything but the models.
    pub key: String,
    /// The SHA-256 of the files of models, by their paths in the project.
    pub models: BTreeMap<String, String>,
}

/// Check that the partial-parse file of a parse may be kept: a full parse at another time, or for
/// another command, would make the same of everything that was not edited.
///
/// # Errors
/// Says of what it may make something else.
pub fn check_kept(manifest: &str, parts: &ParsedProject) -> Result<()> {
    let manifest = Manifest::read(manifest)?;
    check_lasts(&manifest)?;
    check_graph(&manifest, parts, |_| false)
}

/// Check that nothing for which it matters reads the graph of all nodes: the models that were edited,
/// and everything where the graph of a full parse has tests that a partial parse leaves out.
fn check_graph(
    manifest: &Manifest<'_>,
    parts: &ParsedProject,
    was_edited: impl Fn(&str) -> bool,
) -> Result<()> {
    let matters = |id: &str| parts.has_disabled_tests || was_edited(id);
    match reader_of_the_graph(manifest, matters) {
        Some(id) => bail!("{id} reads the graph"),
        None => Ok(()),
    }
}

/// The models of a parse whose bodies alone may be edited: their paths in the project.
#[must_use]
pub fn editable(parts: &ParsedProject) -> BTreeSet<String> {
    parts.nodes.values().filter_map(|part| part.file.clone()).into_tree()
}

impl ParseNotes {
    /// Notes of a parse that made `parts` of a project, at a time. `file` is its partial-parse file.
    #[must_use]
    pub fn of(
        parts: ParsedProject,
        inputs: InputsApart,
        file: &[u8],
        at: u64,
        spaces_count: bool,
    ) -> Self {
        let file = hex_of(file);
        let InputsApart { key, models } = inputs;
        let noted = |(id, part): (String, ParsedNode)| {
            let ParsedNode { whole, frame, file, code } = part;
            let path = file.filter(|file| models.contains_key(file));
            let editable = path.map(|path| EditableModel {
                frame,
                calls: calls(&code),
                body: body(&code, spaces_count),
                path,
            });
            (id, NodeNotes { whole, editable })
        };
        let nodes = parts.nodes.into_iter().map(noted).into_tree();
        Self { format: FORMAT, key, file, at, rest: parts.rest, models, nodes }
    }

    /// The paths of the models, to tell their files from all others.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<String> {
        self.models.keys().cloned().into_tree()
    }

    /// Whether the file is of a parse of just this.
    #[must_use]
    pub fn is_of(&self, inputs: &InputsApart) -> bool {
        self.format == FORMAT && self.key == inputs.key && self.models == inputs.models
    }

    /// The models that were edited since, where nothing else was.
    ///
    /// # Errors
    /// Says why the file does not fit.
    pub fn edited(&self, inputs: &InputsApart, now: u64) -> Result<Vec<&str>> {
        ensure!(self.format == FORMAT, "another version of this program kept it");
        ensure!(self.at <= now, "it is from the future");
        ensure!(self.key == inputs.key, "more changed than bodies of models");
        let is_there = |path: &String| inputs.models.contains_key(path);
        ensure!(self.models.keys().all(is_there), "a model was removed");
        let edited = self.models.iter().filter(|(path, sum)| inputs.models.get(*path) != Some(sum));
        Ok(edited.map(|(path, _)| path.as_str()).collect())
    }

    /// Check the new text of a model that was edited, which is among the `inputs`.
    ///
    /// # Errors
    /// Says why it has to be parsed in full.
    pub fn allow(
        &self,
        path: &str,
        text: &str,
        inputs: &InputsApart,
        spaces_count: bool,
    ) -> Result<()> {
        let is_as_read = inputs.models.get(path) == Some(&hex_of(text.as_bytes()));
        ensure!(is_as_read, "somebody edits {path} at this moment");
        let text = trimmed(text);
        let mut models = self.nodes.values().filter_map(|node| node.editable.as_ref());
        let before = models.find(|model| model.path == path);
        let before = before.with_context(|| format!("{path} is of no model"))?;
        ensure!(!text.is_empty(), "{path} is empty");
        // Most of those that read it, without a parse; `agree` finds all.
        ensure!(!text.contains("graph"), "{path} reads the graph");
        ensure!(before.calls == calls(text), "a config() in {path} changed");
        ensure!(before.body != body(text, spaces_count), "dbt does not see what changed in {path}");
        Ok(())
    }

    /// Check a manifest that dbt wrote after it started from the file. `edited` has the texts of the
    /// models that were edited since, by their paths.
    ///
    /// # Errors
    /// Says what differs that an edited body does not change.
    pub fn agree(&self, manifest: &str, edited: &BTreeMap<String, String>) -> Result<()> {
        let parts = ParsedProject::of(manifest).context("it is no manifest")?;
        ensure!(parts.rest == self.rest, "more than nodes changed");
        ensure!(parts.nodes.len() == self.nodes.len(), "nodes came or went");
        let mut count = 0;
        for (id, part) in &parts.nodes {
            let Some(before) = self.nodes.get(id) else { bail!("{id} is new") };
            let model = before.editable.as_ref();
            let Some((model, text)) =
                model.and_then(|model| Some((model, edited.get(&model.path)?)))
            else {
                ensure!(part.whole == before.whole, "{id} was not edited, and changed");
                continue;
            };
            count += 1;
            ensure!(part.file.as_ref() == Some(&model.path), "{id} has another file");
            ensure!(part.code == trimmed(text), "{id} is not as in its file");
            ensure!(part.frame == model.frame, "more of {id} changed than its body");
        }
        ensure!(count == edited.len(), "an edited model is missing");
        let was_edited = |id: &str| {
            let model = self.nodes.get(id).and_then(|node| node.editable.as_ref());
            model.is_some_and(|model| edited.contains_key(&model.path))
        };
        check_graph(&Manifest::read(manifest)?, &parts, was_edited)
    }
}

/// A text without the white space around it, as Python's `str.strip` has it.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter))
}

/// The digest by which dbt tells bodies apart: before 1.12 every space counts.
fn body(text: &str, spaces_count: bool) -> String {
    if spaces_count {
        return hex_of(text.as_bytes());
    }
    let mut words = Pieces::new();
    text.split_whitespace().for_each(|word| words.add(word.as_bytes()));
    words.hex()
}

/// The digest of every `config` in a text, each with the parentheses that follow it.
fn calls(text: &str) -> String {
    let (mut pieces, mut rest) = (Pieces::new(), text.as_bytes());
    while let Some(at) = memmem::find(rest, CONFIG) {
        rest = rest.split_at(at).1;
        let (call, after) = rest.split_at(call_length(rest));
        pieces.add(call);
        rest = after;
    }
    pieces.hex()
}

const CONFIG: &[u8] = b"config";

/// The length of the call that a text begins with, up to the parenthesis that closes it.
fn call_length(text: &[u8]) -> usize {
    let (mut depth, mut quote) = (0_i32, None);
    for (at, byte) in text.iter().enumerate().skip(CONFIG.len()) {
        match (quote, byte) {
            (Some(open), byte) => quote = Some(open).filter(|open| *open != byte),
            (None, b'\'' | b'"') if depth > 0 => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth -= 1,
            (None, _) => {}
        }
        if depth < 0 || (depth == 0 && !byte.is_ascii_whitespace()) {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
