//! One debug line for each stage of the pipeline: what was chosen, why, and how long it took.

use crate::say;
use std::time::Instant;

/// A stage that is under way.
pub(super) struct Stage {
    name: &'static str,
    began: Instant,
}

impl Stage {
    pub(super) fn begin(name: &'static str) -> Self {
        Self { name, began: Instant::now() }
    }

    /// It is done. `chosen` says with what, and why.
    pub(super) fn done(self, chosen: impl std::fmt::Display) {
        say::stage(self.name, &chosen, self.began.elapsed());
    }
}
