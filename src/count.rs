//! A number with its noun, for messages.

/// `0 nodes`, `1 node`, `2 nodes`: of one, without the `s` at the end. Words without an `s` at the end
/// stay as they are: `1 interrupted`.
pub(crate) fn counted(count: usize, nouns: &str) -> String {
    let noun = if count == 1 { nouns.strip_suffix('s').unwrap_or(nouns) } else { nouns };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_nothing_else_is() {
        let all = [0, 1, 2, 11].map(|count| counted(count, "nodes"));
        assert_eq!(all, ["0 nodes", "1 node", "2 nodes", "11 nodes"]);
        assert_eq!(counted(1, "more groups"), "1 more group");
    }
}
