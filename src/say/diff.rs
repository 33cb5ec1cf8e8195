//! The lines of a text that were edited, as `diff -u` shows them.

use std::fmt::Write;

/// How many lines around an edit are shown.
const CONTEXT: usize = 3;

/// Beyond so many pairs of lines, what differs is shown as a whole: the time grows with their number.
const PAIRS: usize = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Old(&'t str),
    New(&'t str),
}

/// The lines that differ, each with its mark, and a few lines around them. Empty if none differs.
pub(crate) fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let lines = edits(&old, &new);
    let is_edit = |line: Option<&Line<'_>>| line.is_some_and(|line| !matches!(line, Line::Same(_)));
    let mut text = String::new();
    let (mut number, mut in_hunk) = (1, false);
    for (at, line) in lines.iter().enumerate() {
        let near = at.saturating_sub(CONTEXT)..=at + CONTEXT;
        let shown = near.into_iter().any(|near| is_edit(lines.get(near)));
        if shown && !in_hunk {
            let _ = writeln!(text, "@@ line {number} @@");
        }
        in_hunk = shown;
        let (mark, words) = match line {
            Line::Same(words) => (' ', words),
            Line::Old(words) => ('-', words),
            Line::New(words) => ('+', words),
        };
        number += usize::from(mark != '-');
        if shown {
            let _ = writeln!(text, "{mark}{words}");
        }
    }
    text
}

/// All lines of both texts: those that stay, and as few others as possible.
fn edits<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(new).take_while(same).count();
    let (start, old) = old.split_at(head);
    let new = new.get(head..).unwrap_or_default();
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, end) = old.split_at(old.len() - tail);
    let new = new.get(..new.len() - tail).unwrap_or_default();
    let mut lines: Vec<Line<'_>> = start.iter().map(|line| Line::Same(line)).collect();
    if old.len() * new.len() > PAIRS {
        lines.extend(old.iter().map(|line| Line::Old(line)));
        lines.extend(new.iter().map(|line| Line::New(line)));
    } else {
        lines.append(&mut shortest(old, new));
    }
    lines.extend(end.iter().map(|line| Line::Same(line)));
    lines
}

/// By the longest common subsequence.
fn shortest<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let longest = match one == other {
                true => at(&common, i + 1, j + 1) + 1,
                false => at(&common, i + 1, j).max(at(&common, i, j + 1)),
            };
            common.get_mut(i * width + j).into_iter().for_each(|place| *place = longest);
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(one), Some(other)) if one == other => {
                lines.push(Line::Same(one));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other)
                if other.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) =>
            {
                lines.push(Line::Old(one));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::New(other));
                j += 1;
            }
            (Some(_) | None, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_stands_between_three_lines_on_either_side() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\nselect a\nfrom t\n";
        let new = "1\n2\n3\n4\n5\n6\n7\n8\n9\nselect a, b\nfrom t\nwhere b\n";
        let expected = "@@ line 7 @@\n 7\n 8\n 9\n-select a\n+select a, b\n from t\n+where b\n";
        assert_eq!(diff(old, new), expected);
        assert_eq!(diff(old, old), "");
        assert_eq!(diff("", "a\n"), "@@ line 1 @@\n+a\n");
        assert_eq!(diff("a\n", ""), "@@ line 1 @@\n-a\n");
    }

    #[test]
    fn edits_that_are_far_apart_stand_apart() {
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n2\n", "\ntwo\n").replace("\n18\n", "\n");
        let expected = "@@ line 1 @@\n 1\n-2\n+two\n 3\n 4\n 5\n\
                        @@ line 15 @@\n 15\n 16\n 17\n-18\n 19\n 20\n";
        assert_eq!(diff(&old, &new), expected);
    }
}
