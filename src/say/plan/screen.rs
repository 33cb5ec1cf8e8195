//! A plan for a terminal: what is built first, then why, in groups that fit a screen.

use super::groups::{PlanGroup, counts, deed, groups, mark, total};
use super::{PlanView, orphans, settled};
use crate::count::counted;
use crate::decide::plan::{Cause, Plan, Step};
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::fmt::Write;

/// How many groups of a cause are shown, how many nodes of a group have a line, and how many lines of
/// names follow where names are enough.
const GROUPS: usize = 5;
const LINES: usize = 6;
const LINES_OF_NAMES: usize = 2;

/// The width of a column of names at most, in characters.
const NAME: usize = 40;

struct Page<'v> {
    text: String,
    view: &'v PlanView,
}

/// The plan as text. `pending` are the nodes that have to be built but not by this command.
pub(super) fn screen(plan: &Plan, pending: &[String], view: &PlanView) -> String {
    let mut page = Page { text: String::new(), view };
    let counts = counts(plan);
    if !counts.is_empty() {
        page.line(&page.bold(&counts));
    }
    page.line(&total(plan));
    let groups = groups(plan);
    page.groups(&groups);
    page.removed(plan);
    if !pending.is_empty() {
        page.line("\nwaiting: they have to be built, but this command does not build them");
        page.names("    ", pending.iter().map(String::as_str), pending.len());
    }
    if let Some(words) = settled(plan) {
        page.line(&format!("\n{words}"));
        page.names("    ", plan.settled.iter().map(String::as_str), plan.settled.len());
    }
    if let Some(words) = orphans(plan) {
        page.line(&format!("\n{words}"));
    }
    page.notes(plan);
    page.text
}

impl Page<'_> {
    fn line(&mut self, words: &str) {
        let _ = writeln!(self.text, "{words}");
    }

    fn coloured(&self, code: &str, words: &str) -> String {
        if self.view.colour { format!("\x1b[{code}m{words}\x1b[0m") } else { words.to_owned() }
    }

    fn bold(&self, words: &str) -> String {
        self.coloured("1", words)
    }

    fn marked(&self, mark: char) -> String {
        let code = match mark {
            '+' => "32",
            '-' => "31",
            _ => "33",
        };
        self.coloured(code, &mark.to_string())
    }

    /// At most `limit` of so many; all of them where all are to be shown.
    fn limit(&self, limit: usize, count: usize) -> usize {
        // A line that says "and 1 more" takes as much room as the one more.
        if self.view.all || count <= limit + 1 { count } else { limit }
    }

    fn groups(&mut self, groups: &[PlanGroup<'_>]) {
        for of_a_cause in groups.chunk_by(|one, next| one.cause == next.cause) {
            let shown = self.limit(GROUPS, of_a_cause.len());
            for group in of_a_cause.iter().take(shown) {
                self.group(group);
            }
            let rest = of_a_cause.iter().skip(shown).map(|group| group.steps.len()).sum::<usize>();
            if rest > 0 {
                self.line(&format!(
                    "\nand {} of {} (--all)",
                    counted(of_a_cause.len() - shown, "more groups"),
                    counted(rest, "nodes")
                ));
            }
        }
    }

    fn group(&mut self, group: &PlanGroup<'_>) {
        let title = self.bold(&format!("{} ({})", group.title, group.steps.len()));
        self.line(&format!("\n{title}"));
        if group.cause == Cause::Downstream && !self.view.all {
            let (made, changed): (Vec<&Step>, Vec<&Step>) =
                group.steps.iter().copied().partition(|step| mark(step) == '+');
            for (steps, mark) in [(made, '+'), (changed, '~')] {
                let indent = format!("  {} ", self.marked(mark));
                self.names(&indent, steps.iter().map(|step| step.name.as_str()), steps.len());
            }
            return;
        }
        let shown = self.limit(LINES, group.steps.len());
        let width =
            group.steps.iter().take(shown).map(|step| step.name.chars().count()).max().unwrap_or(0);
        for step in group.steps.iter().take(shown) {
            self.step(step, width.min(NAME));
        }
        if shown < group.steps.len() {
            let rest = group.steps.iter().skip(shown).map(|step| step.name.as_str());
            self.names("    and ", rest, group.steps.len() - shown);
        }
    }

    /// A line for one node; two where one is too narrow.
    fn step(&mut self, step: &Step, width: usize) {
        let Step { name, path, .. } = step;
        let deed = deed(step);
        let mark = self.marked(mark(step));
        if 4 + width.max(name.chars().count()) + path.len() + deed.chars().count() + 4
            <= self.view.width
        {
            self.line(&format!("  {mark} {name:<width$}  {path}  {deed}"));
        } else {
            self.line(&format!("  {mark} {name}  {deed}\n      {path}"));
        }
    }

    /// Names in lines of the width of the terminal, as many as fit the room for them.
    fn names<'n>(&mut self, first: &str, names: impl Iterator<Item = &'n str>, count: usize) {
        let (mut line, mut width, mut lines) = (first.to_owned(), 4, 1);
        for (at, name) in names.enumerate() {
            let last = at + 1 == count;
            let word = if last { name.to_owned() } else { format!("{name}, ") };
            let room = if lines == LINES_OF_NAMES && !self.view.all { 14 } else { 0 };
            if width > 4 && width + word.chars().count() + room > self.view.width {
                if room > 0 {
                    self.line(&format!("{line}and {} more", count - at));
                    return;
                }
                self.line(line.trim_end());
                (line, width, lines) = ("    ".to_owned(), 4, lines + 1);
            }
            width += word.chars().count();
            line += &word;
        }
        if count > 0 {
            self.line(&line);
        }
    }

    fn removed(&mut self, plan: &Plan) {
        if plan.removed.is_empty() {
            return;
        }
        let title = self.bold(&format!("removed ({})", plan.removed.len()));
        self.line(&format!("\n{title}: dbt drops nothing"));
        let shown = self.limit(LINES, plan.removed.len());
        let mark = self.marked('-');
        for removed in plan.removed.iter().take(shown) {
            let stays = match &removed.taken_by {
                Some(other) => format!("{other} is built into its relation"),
                None => format!("its relation stays: {}", removed.relation),
            };
            self.line(&format!("  {mark} {}: {stays}", removed.id));
        }
        if shown < plan.removed.len() {
            self.line(&format!("    and {} more (--all)", plan.removed.len() - shown));
        }
    }

    fn notes(&mut self, plan: &Plan) {
        let altered: Vec<&str> =
            plan.steps.iter().filter(|step| step.altered).map(|step| step.name.as_str()).collect();
        if !altered.is_empty() {
            self.line(&format!(
                "\n{} of them keep rows of earlier code; to rebuild one: run --full-refresh --select NODE;\n  to rebuild all that changed: --refresh-changed KINDS",
                altered.len()
            ));
            self.names("    ", altered.iter().copied(), altered.len());
        }
        if plan.steps.is_empty() {
            return;
        }
        self.line("");
        let mut words: BTreeSet<(&str, &str)> =
            plan.meanings.iter().map(|(word, meaning)| (*word, *meaning)).into_tree();
        if plan.steps.iter().any(|step| step.cause == Cause::Doubt) {
            words.insert(("in doubt", "something differs that it may not even read"));
        }
        for (word, meaning) in words {
            self.line(&format!("{word}: {meaning}"));
        }
        self.line(&format!("plan {}", plan.hash));
    }
}
