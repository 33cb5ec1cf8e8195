//! `status`: the doctor. It reads, waits for nobody, and never fails on what it finds.

use super::Answer;
use super::progress;
use crate::cli::{Config, OutputFormat};
use crate::count::counted;
use crate::dbt::manifest::Manifest;
use crate::dbt::profile::Identity;
use crate::decide::event::failures;
use crate::decide::origin::Origin;
use crate::decide::orphans::left_behind;
use crate::decide::progress::Progress;
use crate::decide::record;
use crate::decide::start::Found;
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::os::clock;
use crate::run;
use crate::say;
use crate::store::{Holder, Place, Store, Stored};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many nodes are named before the rest is counted.
const NAMED: usize = 20;

#[derive(Debug, Serialize)]
struct Status {
    state_dir: String,
    mount: String,
    /// Whether the mount outlives the container; null where that cannot be told.
    lasting: Option<bool>,
    /// `nothing`, `baseline`, `damaged`, `newer` or `unreadable`.
    holds: &'static str,
    /// What is wrong, if anything is.
    damage: Option<String>,
    identity: Option<Identity>,
    nodes: usize,
    dbt_version: Option<String>,
    written_by: Option<String>,
    written_at: Option<u64>,
    /// How the baseline came about; unknown in records of earlier versions.
    origin: Option<Origin>,
    complete: bool,
    pending: BTreeMap<String, String>,
    altered: BTreeMap<String, String>,
    /// How many relations of ours no node is built into any more.
    orphans: usize,
    /// When the warehouse was last asked what it holds.
    verified_at: Option<u64>,
    /// A run was killed or could not be recorded, and the next start takes it up.
    interrupted: bool,
    /// Why it could not be recorded, if it was not killed.
    unsaved: Option<String>,
    at_work: Option<Holder>,
    /// What failed in the run that is at work, or that was killed and is not recorded yet.
    failed: BTreeMap<String, String>,
    /// How far that run has come.
    progress: Option<Progress>,
    last_run: Option<Summary>,
    earlier_baselines: usize,
    bytes: u64,
}

pub(super) fn status(config: &Config, form: OutputFormat) -> Result<Answer, Failure> {
    let store = run::store(config)?;
    let status = look(&store, &store.place(&config.environment));
    Ok(Answer::of(form, &status, || words(&status)))
}

fn look(store: &Store, place: &Place) -> Status {
    let (mount, lasting) = mounted(place);
    let at_work = store.holder();
    let log = progress::log(store, at_work.as_ref());
    let log_at_work = log.as_ref().filter(|_| at_work.is_some());
    let mut status = Status {
        state_dir: store.to_string(),
        mount,
        lasting,
        holds: "nothing",
        damage: None,
        identity: None,
        nodes: 0,
        dbt_version: None,
        written_by: None,
        written_at: None,
        origin: None,
        complete: false,
        pending: BTreeMap::new(),
        altered: BTreeMap::new(),
        orphans: 0,
        verified_at: None,
        interrupted: store.has_unfinished_run(),
        unsaved: unsaved(store),
        failed: log.as_ref().map(failures).unwrap_or_default(),
        progress: log_at_work.and_then(|log| progress::of_run(store, log)),
        at_work,
        last_run: store.last_run(),
        earlier_baselines: store.earlier().map_or(0, |entries| entries.len()),
        bytes: store.bytes(),
    };
    match store.look() {
        Ok(stored) => status.take(stored),
        Err(_) if *place == Place::Missing => {}
        Err(error) => (status.holds, status.damage) = ("unreadable", Some(format!("{error:#}"))),
    }
    status
}

fn unsaved(store: &Store) -> Option<String> {
    let notes = store.journal().notes().or_else(|| store.doubts().into_iter().next()?)?;
    Some(notes.unsaved?.why)
}

impl Status {
    fn take(&mut self, stored: Stored) {
        (self.holds, self.damage) = match stored.found {
            Found::Empty => ("nothing", None),
            Found::Baseline(_) => ("baseline", None),
            Found::Damaged(why) => ("damaged", Some(why)),
            Found::Newer(why) => ("newer", Some(why)),
        };
        if let Some(manifest) =
            stored.manifest.as_deref().and_then(|text| Manifest::read(text).ok())
        {
            self.nodes = manifest.graph().count_built();
            self.dbt_version = Some(manifest.dbt_version().to_owned());
            self.identity = Some(Identity {
                project: manifest.project_name().map(str::to_owned),
                adapter: manifest.adapter_type().map(str::to_owned),
                ..Identity::default()
            });
        }
        if let Some(record) = stored.record {
            self.pending = record::pending(&record.nodes);
            self.altered = record::altered(&record.nodes);
            self.orphans = left_behind(&record.left);
            self.verified_at = record.verified_at;
            self.written_by = Some(record.tool);
            self.written_at = Some(record.written_at);
            self.origin = record.origin;
            self.identity = Some(record.identity);
        }
        self.complete = self.holds == "baseline" && self.pending.is_empty() && !self.interrupted;
    }
}

fn mounted(place: &Place) -> (String, Option<bool>) {
    match place {
        Place::Missing => ("there is no such directory".into(), Some(false)),
        Place::NotADirectory => ("it is not a directory".into(), Some(false)),
        Place::NotMounted => (
            "inside the container's own file system: it is forgotten with the container".into(),
            Some(false),
        ),
        Place::Ephemeral(kind) => (format!("in memory ({kind}): it is forgotten"), Some(false)),
        Place::ReadOnly => ("mounted read-only: no run can be recorded".into(), Some(true)),
        Place::Unwritable { why, .. } => (why.clone(), None),
        Place::Lasting { warning: Some(warning) } => (warning.clone(), Some(true)),
        Place::Lasting { warning: None } => ("it outlives the container".into(), Some(true)),
    }
}

fn words(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, words: String| {
        let _ = writeln!(text, "{name:<10} {words}");
    };
    line("volume", format!("{}: {}", status.state_dir, status.mount));
    line("holds", holds(status));
    if let Some(identity) = &status.identity {
        line("for", place_of(identity));
    }
    if status.holds == "baseline" {
        let by = status.written_by.as_ref().map_or_else(
            || "by dbt itself, without a record of ours".to_owned(),
            |tool| format!("by dbt-entrypoint {tool}"),
        );
        let when = status.written_at.map_or_else(String::new, |at| format!("{}, ", clock::utc(at)));
        line("since", format!("{when}{by}, dbt {}", status.dbt_version.as_deref().unwrap_or("?")));
    }
    if let Some(origin) = &status.origin {
        line("made", made(origin));
    }
    let run = status.last_run.as_ref();
    let parts = [
        ("failed", say::failures(&mut failed(status), NAMED)),
        ("interrupted", run.map(|run| say::interrupted(run, NAMED)).unwrap_or_default()),
        ("pending", say::waiting(&status.pending, run, NAMED)),
        ("altered", say::waiting(&status.altered, None, NAMED)),
    ];
    for (name, lines) in parts {
        lines.into_iter().for_each(|words| line(name, words));
    }
    if status.orphans > 0 {
        let count = counted(status.orphans, "relations");
        line("left", format!("{count} that no node is built into; dbt-entrypoint orphans"));
    }
    if let Some(at) = status.verified_at {
        line("verified", clock::utc(at));
    }
    if status.interrupted && status.at_work.is_none() {
        match &status.unsaved {
            Some(why) => line("unsaved", format!("the last run could not be recorded: {why}")),
            None => line(
                "interrupted",
                "the last run was killed; the next start takes up what it built".into(),
            ),
        }
    }
    if let Some(holder) = &status.at_work {
        line("at work", holder.to_string());
    }
    for (name, words) in status.progress.iter().flat_map(|found| progress::lines(found, NAMED)) {
        line(name, words);
    }
    line("last run", last_run(status.last_run.as_ref()));
    if let Some(why) = status.last_run.as_ref().and_then(|run| run.doubt.as_deref()) {
        line("not spared", format!("every run starts dbt: {why}"));
    }
    line(
        "room",
        format!(
            "{}, {}",
            size(status.bytes),
            counted(status.earlier_baselines, "earlier baselines")
        ),
    );
    text
}

/// What failed in the run that is not recorded, and otherwise in the last one.
fn failed(status: &Status) -> Box<dyn Iterator<Item = (&String, &String)> + '_> {
    match &status.last_run {
        Some(run) if status.failed.is_empty() => Box::new(run.failed_by_itself()),
        _ => Box::new(status.failed.iter()),
    }
}

fn made(origin: &Origin) -> String {
    let at = clock::utc(origin.at);
    let restored = origin.restored_at.map(clock::utc);
    let restored = restored.map_or_else(String::new, |at| format!(", restored {at}"));
    format!("{at}, {}{restored}", say::origin(origin))
}

fn holds(status: &Status) -> String {
    match (&status.damage, status.holds) {
        (Some(why), "newer") => format!("a baseline of a later version: {why}"),
        (Some(why), _) => format!(
            "no baseline that can be used: {why}\n           dbt-entrypoint rollback restores the one before, if there is one"
        ),
        (None, "nothing") => "nothing yet: the first run builds everything".into(),
        (None, _) if status.complete => {
            format!("a complete baseline of {}", counted(status.nodes, "nodes"))
        }
        (None, _) if status.pending.is_empty() => format!(
            "a baseline of {}, without what the run built that is not recorded yet",
            counted(status.nodes, "nodes")
        ),
        (None, _) => format!(
            "a baseline of {}; still to be built: {}, with whatever is downstream",
            counted(status.nodes, "nodes"),
            status.pending.len()
        ),
    }
}

fn place_of(identity: &Identity) -> String {
    let or = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".into());
    let location: Vec<String> =
        identity.location.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let target =
        identity.target.as_ref().map_or_else(String::new, |target| format!(", target {target}"));
    format!(
        "project {}, {}{target} {}",
        or(&identity.project),
        or(&identity.adapter),
        location.join(" ")
    )
    .trim_end()
    .to_owned()
}

fn last_run(run: Option<&Summary>) -> String {
    run.map_or_else(
        || "none is recorded".to_owned(),
        |run| {
            let why = run.why.as_deref().and_then(|why| why.lines().next());
            let why = why.map_or_else(String::new, |why| format!("\n           {why}"));
            format!("{}: {}{why}", clock::utc(run.started_at), run.line())
        },
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
