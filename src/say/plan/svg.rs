//! The graph of a plan as an SVG that needs nothing else: columns of boxes, parents to the left.

use super::draw::{colour, edges, why};
use super::groups::{counts, deed, total, word};
use crate::decide::plan::{Cause, Plan};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Sizes in pixels. A character of the font is at most `CHAR` wide.
const CHAR: usize = 7;
const ROW: usize = 26;
const BOX: usize = 20;
const GAP: usize = 60;
const TOP: usize = 64;
const MARGIN: usize = 12;

/// The most boxes in a column. What stands beside more of them is drawn over several columns.
const HIGHEST: usize = 40;

/// The longest text in a box, in characters.
const LONGEST: usize = 36;

const CAUSES: [Cause; 7] = [
    Cause::New,
    Cause::Edited,
    Cause::Values,
    Cause::Unfinished,
    Cause::Doubt,
    Cause::Selected,
    Cause::Downstream,
];

/// Where a box is: its left edge, its top and its width.
type BoxPlace = (usize, usize, usize);

pub(crate) fn svg(plan: &Plan) -> String {
    let edges = edges(plan);
    let columns = columns(plan.steps.len(), &edges);
    let columns: Vec<&[usize]> = columns.iter().flat_map(|column| column.chunks(HIGHEST)).collect();
    let labels: Vec<String> = plan.steps.iter().map(|step| shortened(&step.name)).collect();
    let mut places: BTreeMap<usize, BoxPlace> = BTreeMap::new();
    let (mut x, mut bottom) = (MARGIN, TOP);
    for column in &columns {
        let chars =
            column.iter().filter_map(|at| labels.get(*at)).map(|label| label.chars().count());
        let width = CHAR * chars.max().unwrap_or(0) + 14;
        for (row, at) in column.iter().enumerate() {
            places.insert(*at, (x, TOP + row * ROW, width));
        }
        bottom = bottom.max(TOP + column.len() * ROW);
        x += width + GAP;
    }
    let total = total(plan).lines().collect::<Vec<_>>().join("; ");
    let width = (x + MARGIN).max(760).max(CHAR * total.len() + 2 * MARGIN);
    let mut text = frame(plan, &total, width, bottom + MARGIN);
    for (parent, child) in edges {
        let (Some(from), Some(to)) = (places.get(&parent), places.get(&child)) else { continue };
        text += &curve(*from, *to);
    }
    for (at, step) in plan.steps.iter().enumerate() {
        let Some((x, y, width)) = places.get(&at) else { continue };
        let (label, title) = (labels.get(at).map_or("", String::as_str), tooltip(step));
        let _ = writeln!(
            text,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"4\" fill=\"{}\" stroke=\"#666\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            escaped(&title),
            colour(step.cause),
            x + 7,
            y + 14,
            escaped(label),
        );
    }
    text + "</svg>\n"
}

/// The size, the summary in one line, and what the colours mean.
fn frame(plan: &Plan, total: &str, width: usize, height: usize) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"18\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{MARGIN}\" y=\"34\">{}</text>\n",
        escaped(&counts(plan)),
        escaped(total),
    );
    let mut x = MARGIN;
    for cause in CAUSES.into_iter().filter(|cause| plan.steps.iter().any(|s| s.cause == *cause)) {
        let word = word(cause);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"42\" width=\"10\" height=\"10\" fill=\"{}\" stroke=\"#666\"/><text x=\"{}\" y=\"51\">{word}</text>",
            colour(cause),
            x + 14,
        );
        x += 14 + CHAR * word.len() + 16;
    }
    text
}

/// The steps by columns: a step stands right of all that it reads. Within a column by the height of
/// what they read.
fn columns(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut parents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (parent, child) in edges {
        parents.entry(*child).or_default().push(*parent);
    }
    let none = Vec::new();
    let mut depths: Vec<usize> = Vec::with_capacity(count);
    for at in 0..count {
        let above =
            parents.get(&at).unwrap_or(&none).iter().filter_map(|parent| depths.get(*parent));
        depths.push(above.max().map_or(0, |depth| depth + 1));
    }
    let mut columns = vec![Vec::new(); depths.iter().max().map_or(0, |depth| depth + 1)];
    for (at, depth) in depths.iter().enumerate() {
        columns.get_mut(*depth).into_iter().for_each(|column: &mut Vec<usize>| column.push(at));
    }
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    for column in &mut columns {
        let height = |at: &usize| {
            let above: Vec<usize> = parents
                .get(at)
                .unwrap_or(&none)
                .iter()
                .filter_map(|id| rows.get(id))
                .copied()
                .collect();
            100 * above.iter().sum::<usize>() / above.len().max(1)
        };
        column.sort_by_cached_key(height);
        for (row, at) in column.iter().enumerate() {
            rows.insert(*at, row);
        }
    }
    columns
}

fn curve((x, y, width): BoxPlace, (to_x, to_y, _): BoxPlace) -> String {
    let (from, y, to_y) = (x + width, y + BOX / 2, to_y + BOX / 2);
    let (out, into) = (from + GAP / 2, to_x.saturating_sub(GAP / 2));
    format!(
        "<path d=\"M{from} {y}C{out} {y} {into} {to_y} {to_x} {to_y}\" fill=\"none\" stroke=\"#999\"/>\n"
    )
}

fn tooltip(step: &crate::decide::plan::Step) -> String {
    let reason = match why(step) {
        "" => &step.reason,
        own => own,
    };
    format!("{}\n{reason}\n{}\n{}", step.name, deed(step), step.path)
}

fn shortened(name: &str) -> String {
    match name.chars().count() > LONGEST {
        true => name.chars().take(LONGEST - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
