//! Writes a manifest without some of its nodes, and everything else byte for byte.
//!
//! The baseline is dbt's own manifest minus the nodes that still have to be built. Cutting them out
//! of the text keeps every field that this program does not know.

use super::{Manifest, ManifestFile};
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

impl Manifest<'_> {
    /// Write the manifest without the nodes `absent`, which are looked up under `nodes`,
    /// `unit_tests` and `functions`.
    ///
    /// References to them (`parent_map`, `depends_on`) stay. dbt 1.9 to 2.0 alpha tolerates that
    /// in a state manifest, and treats an absent node as new.
    ///
    /// # Errors
    /// Writing to `out` failed.
    pub fn write_without(&self, absent: &BTreeSet<String>, out: &mut dyn Write) -> io::Result<()> {
        let mut written = 0;
        for range in self.omitted(absent)? {
            out.write_all(slice(self.text, written..range.start).as_bytes())?;
            written = range.end;
        }
        out.write_all(slice(self.text, written..self.text.len()).as_bytes())
    }

    /// The byte ranges of the text to leave out, in ascending order.
    fn omitted(&self, absent: &BTreeSet<String>) -> io::Result<Vec<Range<usize>>> {
        let ManifestFile { nodes, unit_tests, functions, .. } = &self.file;
        let sections = [nodes, unit_tests, functions];
        let names = sections.iter().flat_map(|section| {
            absent.iter().filter_map(|id| Some(section.get_key_value(&**id)?.0.raw))
        });
        let members = names.map(|name| member(self.text, name));
        let mut omitted = joined(members.collect::<io::Result<_>>()?);
        let commas: Vec<_> =
            omitted.iter().filter_map(|range| comma_after(self.text, range)).collect();
        omitted.extend(commas);
        omitted.sort_unstable_by_key(|range| range.start);
        Ok(omitted)
    }
}

/// The range of an object's member: from the end of the member before it, so that the comma
/// between them is included. `name` is a slice of `text`.
fn member(text: &str, name: &str) -> io::Result<Range<usize>> {
    let start = name.as_ptr().addr() - text.as_ptr().addr();
    let before = slice(text, 0..start).trim_end();
    let before = before.strip_suffix(',').map_or(before, str::trim_end);
    let value = slice(text, start + name.len()..text.len()).trim_start();
    let value = value.strip_prefix(':').unwrap_or(value);
    let mut values = serde_json::Deserializer::from_str(value).into_iter::<IgnoredAny>();
    values.next().transpose()?;
    Ok(before.len()..text.len() - value.len() + values.byte_offset())
}

/// The same ranges in ascending order, adjacent ones joined.
fn joined(mut members: Vec<Range<usize>>) -> Vec<Range<usize>> {
    members.sort_unstable_by_key(|member| member.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(members.len());
    for member in members {
        match joined.last_mut() {
            Some(last) if last.end == member.start => last.end = member.end,
            _ => joined.push(member),
        }
    }
    joined
}

/// The comma after a range that begins at the start of an object: without the first members, the
/// comma before the first remaining one has to go too.
fn comma_after(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let rest = slice(text, range.end..text.len()).trim_start();
    let first = slice(text, 0..range.start).ends_with('{');
    let at = text.len() - rest.len();
    (first && rest.starts_with(',')).then_some(at..at + 1)
}

fn slice(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}
