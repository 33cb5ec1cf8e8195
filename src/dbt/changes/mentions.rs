//! Macros that a piece of code names. dbt 1.x lists what a node or a macro calls; 2.0 alpha leaves
//! out macros of packages (`tools.cents()`) and those found by `adapter.dispatch('cents')`.
//!
//! A likeness is enough: a name too many costs a rebuild when that macro changes, one too few
//! leaves a change unseen.

use std::collections::BTreeMap;

/// Macros by the words that stand for them: calls by their names, dispatch by what follows
/// `duckdb__` or `default__`.
pub(super) struct MacroNames<'m> {
    called: BTreeMap<&'m str, Vec<&'m str>>,
    dispatched: BTreeMap<&'m str, Vec<&'m str>>,
}

impl<'m> MacroNames<'m> {
    /// From `unique_id`s, and the adapters whose overrides win, the most special first.
    pub(super) fn of(ids: impl Iterator<Item = &'m str>, adapters: &[&str]) -> Self {
        let mut names = Self { called: BTreeMap::new(), dispatched: BTreeMap::new() };
        for id in ids {
            let name = id.rsplit('.').next().unwrap_or(id);
            names.called.entry(name).or_default().push(id);
            if let Some((_, name)) = name.split_once("__") {
                names.dispatched.entry(name).or_default().push(id);
            }
        }
        names.dispatched.values_mut().for_each(|ids| keep_most_special(ids, adapters));
        names
    }

    /// The `unique_id`s of the macros that the code calls or dispatches to, in its order.
    pub(super) fn in_code(&self, code: &str) -> Vec<&'m str> {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut rest = code;
        let mut found = Vec::new();
        while let Some(start) = rest.find(is_word) {
            let (before, word) = rest.split_at(start);
            let end = word.find(|letter| !is_word(letter)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            let names = if before.ends_with(['\'', '"']) && after.starts_with(['\'', '"']) {
                self.dispatched.get(word)
            } else {
                self.called.get(word).filter(|_| after.trim_start().starts_with('('))
            };
            found.extend(names.into_iter().flatten());
            rest = after;
        }
        found
    }
}

/// Of overrides of one macro, those for the adapter, else for what it is built on, else the
/// default.
fn keep_most_special(ids: &mut Vec<&str>, adapters: &[&str]) {
    let is_for = |id: &str, adapter: &str| {
        let name = id.rsplit('.').next().unwrap_or(id);
        name.split_once("__").is_some_and(|(prefix, _)| prefix == adapter)
    };
    let mut all = adapters.iter().copied().chain(["default"]);
    let best = all.find(|adapter| ids.iter().any(|id| is_for(id, adapter)));
    ids.retain(|id| best.is_some_and(|adapter| is_for(id, adapter)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 4] = [
        "macro.shop.cents",
        "macro.shop.default__round_up",
        "macro.tools.duckdb__round_up",
        "macro.tools.postgres__only_there",
    ];

    fn named(code: &str) -> Vec<&'static str> {
        MacroNames::of(IDS.into_iter(), &["duckdb"]).in_code(code)
    }

    #[test]
    fn calls_of_packages_and_dispatch_are_found() {
        assert_eq!(named("{{ shop.cents ('x') }}"), ["macro.shop.cents"]);
        assert_eq!(
            named("{{ adapter.dispatch('round_up', 'tools')() }}"),
            ["macro.tools.duckdb__round_up"]
        );
    }

    #[test]
    fn what_is_no_call_is_no_name() {
        let code = "-- cents\nselect cents, percents(1), 'cents' from {{ x('only_there') }}";
        assert_eq!(named(code), Vec::<&str>::new());
    }
}
