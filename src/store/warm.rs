//! `.dbt-entrypoint/warm`: the partial-parse file of dbt's last parse, and what it is of.
//!
//! The file holds values of environment variables that the project reads, so it is kept only where
//! nobody but the owner can read it. Nothing depends on it: the notes name its digest, and whatever
//! does not fit is not used.

use super::dir::Dir;
use super::temporary::Way;
use super::{CONTROL, Locked, MANIFEST, NUMBER, Store, commit};
use crate::decide::warm::ParseNotes;
use crate::digest::hex_of;
use anyhow::{Result, anyhow, ensure};
use nix::sys::statvfs::{Statvfs, statvfs};

const PARSE: &str = "warm/partial_parse.msgpack";
const NOTES: &str = "warm/notes.json";

/// Room for what a run writes beside its baseline: its notes, its journal, the history.
const SPARE: u64 = 1 << 20;

impl Store {
    /// What is known of the partial-parse file that is kept.
    pub(crate) fn parse_notes(&self) -> Option<ParseNotes> {
        self.read_json(NOTES)
    }

    /// The file that these notes are of, if it is whole.
    pub(crate) fn kept_parse(&self, notes: &ParseNotes) -> Option<Vec<u8>> {
        self.read_file(PARSE).filter(|bytes| hex_of(bytes) == notes.file)
    }

    pub(super) fn has_parse(&self) -> bool {
        self.has_file(PARSE)
    }
}

impl Locked {
    /// Keep a partial-parse file, where that leaves room for so many bytes. The notes come last: a
    /// file without its own is not used.
    ///
    /// # Errors
    /// Says why it is not kept.
    pub(crate) fn keep_parse(&self, notes: &ParseNotes, bytes: &[u8], room: u64) -> Result<()> {
        self.turn.allows_commit()?;
        // The options of a mount may give all files one mode; so ask for that of one that is there.
        let ours = Dir::open(self.path())?.enter(CONTROL)?;
        ensure!(ours.mode_of(NUMBER)? & 0o077 == 0, "others can read the files of the volume");
        let way = self.rehearsed().map_err(|failure| anyhow!("{failure}"))?.way;
        ensure!(way == Way::Allocated, "no room can be reserved on this volume");
        let room = commit::reserve(self.path(), room + 2 * SPARE, way);
        let _room = room.map_err(|failure| anyhow!("{failure}"))?;
        self.write_note(PARSE, bytes)?;
        self.write_note(NOTES, &serde_json::to_vec(notes)?)
    }

    /// Remove what is kept where a run may need the room.
    pub(super) fn make_room(&self) {
        let manifest = || Some(self.path().join(MANIFEST).metadata().ok()?.len());
        let needed = SPARE + 2 * manifest().unwrap_or_default();
        let has_room = |free: &Statvfs| free.blocks_available() * free.fragment_size() >= needed;
        if self.has_parse() && !statvfs(self.path()).as_ref().is_ok_and(has_room) {
            self.forget_parse();
        }
    }

    /// Remove what is kept.
    pub(crate) fn forget_parse(&self) {
        for name in [NOTES, PARSE] {
            if let Err(error) = self.remove_file(name) {
                log::debug!("{error:#}");
            }
        }
    }
}
