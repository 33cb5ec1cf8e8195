//! The code of macros, read as far as it matters whose it is.
//!
//! dbt and an adapter bring some 500 macros, of which few call anything that a project can
//! override without dbt listing it. Only those are taken apart.

use super::execution::parsed_part;
use super::namespace::{Namespace, OnlyCalls};
use super::scan::{self, Scan};
use crate::dbt::manifest::Macro;
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// Words in dbt's own code that need a closer look.
pub(super) struct Overrides<'n, 'm> {
    namespace: &'n Namespace<'m>,
    /// The names of the project's macros and its packages', those that `adapter.dispatch` knows
    /// them by, and functions that read something.
    words: BTreeSet<&'n str>,
    /// For each first byte the lengths of these words, as bits: most words need no look-up.
    lengths: [u64; 256],
    when: When,
}

/// Which code of a project's macros counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// All of it.
    Ever,
    /// What dbt may come to while it parses.
    Parsed,
}

/// Functions that read something, whoever calls them.
const FUNCTIONS: [&str; 3] = ["env_var", "var", "get_incremental_strategy_macro"];

impl<'n, 'm> Overrides<'n, 'm> {
    pub(super) fn of(namespace: &'n Namespace<'m>, when: When) -> Self {
        let own = namespace.names_of_the_project();
        let dispatched = |name: &'n str| name.split_once("__").map(|(_, base)| base);
        let words: BTreeSet<&str> = own
            .flat_map(|name| [Some(name), dispatched(name)])
            .flatten()
            .chain(FUNCTIONS)
            .into_tree();
        let mut lengths = [0; 256];
        for word in &words {
            if let Some(known) = lengths.get_mut(first(word)) {
                *known |= bit(word);
            }
        }
        Self { namespace, words, lengths, when }
    }

    /// What a macro reads itself. What dbt's own code finds by computed names is known: strategies
    /// and materializations.
    pub(super) fn scan(&self, at: usize, found: &Macro<'_>, listed: &[usize]) -> Scan {
        let text = found.macro_sql();
        if !self.namespace.is_internal(at) {
            return match self.when {
                When::Ever => scan::template(&text, self.namespace),
                When::Parsed => scan::template(&parsed_part(&text), self.namespace),
            };
        }
        // 2.0 alpha does not list what `adapter.dispatch` finds.
        let unlisted = listed.is_empty() && text.contains("dispatch");
        if !unlisted && !words(&text).any(|word| self.matters(word)) {
            return Scan::default();
        }
        let mut scan = scan::template(&text, &OnlyCalls(self.namespace));
        scan.keep_calls();
        scan
    }

    fn matters(&self, word: &str) -> bool {
        let known = self.lengths.get(first(word)).is_some_and(|lengths| lengths & bit(word) != 0);
        known && self.words.contains(word)
    }
}

fn first(word: &str) -> usize {
    word.bytes().next().map_or(0, usize::from)
}

fn bit(word: &str) -> u64 {
    1 << word.len().min(63)
}

/// Every run of letters, digits and underscores.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty())
}
