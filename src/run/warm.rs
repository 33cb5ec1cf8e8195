//! dbt's parse of an earlier container: kept after a run, and given to the next dbt that parses.

use super::artifacts;
use super::open::Opened;
use super::start::Started;
use crate::dbt::command::Flag;
use crate::dbt::manifest::{ParsedProject, invocation_id_of};
use crate::dbt::project::ProjectFile;
use crate::decide::warm::{ParseNotes, check_kept, editable};
use crate::os::{clock, project};
use crate::say;
use crate::store::Locked;
use anyhow::{Context, Result, ensure};
use memchr::memmem;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// The file with dbt's parse of the project (dbt v1).
pub(super) const PARTIAL_PARSE: &str = "partial_parse.msgpack";

/// A partial-parse file that dbt was given.
pub(super) struct GivenParse {
    notes: ParseNotes,
    /// The texts of the models that were edited since, by their paths in the project.
    edited: BTreeMap<String, String>,
}

impl GivenParse {
    /// Whether the manifest that dbt then wrote is that of a full parse. Says so where it may not be.
    pub(super) fn is_sound(&self, manifest: &str) -> bool {
        let agreed = self.notes.agree(manifest, &self.edited);
        agreed.inspect_err(say::parsing_in_full).is_ok()
    }
}

/// Put the partial-parse file of an earlier container into the target path, where dbt looks for it, if
/// there is none, and if nothing but bodies of models has changed since.
pub(super) fn give(opened: &Opened<'_>) -> Option<GivenParse> {
    let target = &opened.session.project.target_path;
    if !is_allowed(opened) || target.join(PARTIAL_PARSE).exists() {
        return None;
    }
    let notes = opened.access.store().parse_notes()?;
    match try_give(opened, notes, target) {
        Ok(given) => {
            say::starting_warm(given.edited.len());
            Some(given)
        }
        Err(why) => {
            say::not_warm(&why);
            None
        }
    }
}

fn try_give(opened: &Opened<'_>, notes: ParseNotes, target: &Path) -> Result<GivenParse> {
    let inputs = opened.inputs_apart(&notes.paths())?;
    let spaces_count = opened.session.engine.spaces_count();
    let mut edited = BTreeMap::new();
    for path in notes.edited(&inputs, clock::now())? {
        let text = fs::read_to_string(opened.session.project.root.join(path))?;
        notes.allow(path, &text, &inputs, spaces_count)?;
        edited.insert(path.to_owned(), text);
    }
    let bytes = opened.access.store().kept_parse(&notes).context("the file is not whole")?;
    fs::create_dir_all(target)?;
    let path = target.join(PARTIAL_PARSE);
    let written = File::options().write(true).create_new(true).mode(0o600).open(&path);
    if let Err(why) = written.and_then(|mut file| file.write_all(&bytes)) {
        let _ = fs::remove_file(&path);
        return Err(why.into());
    }
    Ok(GivenParse { notes, edited })
}

/// Whether this dbt may start from a partial-parse file of ours. What the user says of partial
/// parsing, by an option, a variable or a flag, stands as it is.
fn is_allowed(opened: &Opened<'_>) -> bool {
    let session = opened.session;
    let environment = match &opened.inputs {
        Ok(contents) => contents.seen_by_dbt(&session.config.environment),
        Err(_) => return false,
    };
    let is_the_users = |name: &String| name.starts_with("PARTIAL_PARSE");
    let is_flag = |file: &ProjectFile| file.flags.contains_key("partial_parse");
    let profiles = session.project.profiles_dir.join("profiles.yml");
    let texts = [profiles, session.project.root.join("dbt_project.yml")];
    let is_written = |path: &Path| {
        session.project.text_of(path).is_none_or(|text| text.contains("partial_parse"))
    };
    let is_private = session.config.state_mode.is_none_or(|mode| mode.of_file() & 0o077 == 0);
    session.config.warm
        && is_private
        && session.engine.starts_warm()
        && session.command.subcommand() != Some("retry")
        && !session.command.flags(&environment).keys().any(is_the_users)
        && !texts.iter().any(|path| is_written(path))
        && !project::user_settings(&environment).as_ref().is_some_and(is_flag)
}

/// Keep dbt's parse for the next container. Nothing depends on it: what keeps it from being kept is
/// only told at the level `debug`. `text` is the manifest of a parse ahead of the run, if there was
/// one.
pub(crate) fn keep(started: &Started<'_>, text: Option<Arc<String>>) {
    let Some(state) = started.opened.access.held() else { return };
    if !is_allowed(&started.opened) {
        return state.forget_parse();
    }
    if let Err(why) = try_keep(started, state, text) {
        say::parse_not_kept(&why);
    }
}

fn try_keep(started: &Started<'_>, state: &Locked, text: Option<Arc<String>>) -> Result<()> {
    let opened = &started.opened;
    let target = &opened.session.project.target_path;
    let old = state.parse_notes();
    if let Some(old) = &old
        && old.is_of(&opened.inputs_apart(&old.paths())?)
    {
        return Ok(());
    }
    let bytes = fs::read(target.join(PARTIAL_PARSE))?;
    let is_of_file = |text: &Arc<String>| {
        let id = invocation_id_of(text);
        id.is_some_and(|id| memmem::find(&bytes, id.as_bytes()).is_some())
    };
    let command = &opened.session.command;
    // A run with such an option may have parsed as for no other.
    let is_plain = !command.refreshes()
        && command.unreal_option().is_none()
        && command.flag(Flag::Defer) != Some(true);
    let left = || artifacts::manifest(target).map(Arc::new).filter(|_| is_plain);
    let text = text.filter(is_of_file).or_else(|| left().filter(is_of_file));
    let text = text.context("it is of no manifest that is known")?;
    let parts = ParsedProject::of(&text).context("it is no manifest")?;
    check_kept(&text, &parts)?;
    ensure!(!opened.has_momentary_values()?, "a value in YAML asks for the time or the command");
    let inputs = opened.inputs_apart(&editable(&parts))?;
    let spaces_count = opened.session.engine.spaces_count();
    let notes = ParseNotes::of(parts, inputs, &bytes, clock::now(), spaces_count);
    state.keep_parse(&notes, &bytes, 2 * text.len() as u64)
}
