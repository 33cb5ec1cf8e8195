//! The right name for a misspelt one.

use strsim::damerau_levenshtein as slips;

/// The name that was probably meant: it differs by a letter or two, or by words that are missing
/// or too many (`--dbt-path` for `--dbt`). `None` where no name is that close.
pub(super) fn near<'a>(
    typed: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let words = normal(typed);
    slip(typed, names.clone())
        .or_else(|| names.clone().find(|name| covers(name, &words) || covers(&words, name)))
}

/// The name that differs by a letter or two.
pub(super) fn slip<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let is_close = |name: &&str| slips(name, &normal(typed)) <= (name.len() / 3).clamp(1, 2);
    nearest(typed, names).filter(is_close)
}

/// The closest name, however far it is.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = normal(typed);
    names.min_by_key(|name| slips(name, &typed))
}

fn normal(typed: &str) -> String {
    typed.to_ascii_lowercase().replace('_', "-")
}

/// Whether every word of `short` begins a word of `long`.
fn covers(long: &str, short: &str) -> bool {
    short.len() > 2
        && short.split('-').all(|word| long.split('-').any(|other| other.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["mode", "only-changed", "dbt", "log", "max-rebuild", "state-dir"];

    #[test]
    fn a_slip_or_a_missing_word_has_a_near_name_and_another_word_has_none() {
        for (typed, expected) in [
            ("only-chnaged", Some("only-changed")),
            ("Only_Changed", Some("only-changed")),
            ("mod", Some("mode")),
            ("dbt-path", Some("dbt")),
            ("max", Some("max-rebuild")),
            ("state-directory", Some("state-dir")),
            ("frobnicate", None),
            ("node-list", None),
            ("", None),
        ] {
            assert_eq!(near(typed, NAMES.into_iter()), expected, "{typed}");
        }
    }

    #[test]
    fn there_is_always_a_nearest() {
        assert_eq!(nearest("STATEDIR", NAMES.into_iter()), Some("state-dir"));
        assert_eq!(nearest("xyz", NAMES.into_iter()), Some("dbt"));
        assert_eq!(nearest("x", [].into_iter()), None);
    }
}
