//! The same file without some of its nodes: everything else byte for byte.

use super::{Manifest, Text};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

/// The objects of the file that hold nodes.
#[derive(Deserialize)]
struct Sections<'a> {
    #[serde(borrow)]
    nodes: &'a RawValue,
    #[serde(borrow, default)]
    unit_tests: Option<&'a RawValue>,
    #[serde(borrow, default)]
    functions: Option<&'a RawValue>,
}

/// An object's members in the order of the file.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl Manifest<'_> {
    /// Write the file without these `unique_id`s under `nodes`, `unit_tests` and `functions`.
    ///
    /// What refers to them (`parent_map`, `depends_on`) stays: dbt tolerates it in a state
    /// manifest (1.9 to 2.0 alpha), and takes an absent node for a new one.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_without(&self, absent: &BTreeSet<String>, out: &mut dyn Write) -> io::Result<()> {
        let mut written = 0;
        for hole in holes(self.text, absent)? {
            out.write_all(slice(self.text, written..hole.start))?;
            written = hole.end;
        }
        out.write_all(slice(self.text, written..self.text.len()))
    }
}

/// The ranges of the text to leave out, ascending.
fn holes(text: &str, absent: &BTreeSet<String>) -> io::Result<Vec<Range<usize>>> {
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let sections: Sections<'_> = serde_json::from_str(text)?;
    let mut holes = Vec::new();
    let named = [Some(sections.nodes), sections.unit_tests, sections.functions];
    for section in named.into_iter().flatten() {
        let Members(members) = serde_json::from_str(section.get())?;
        members_holes(text, section, &members, absent, &mut holes);
    }
    holes.sort_by_key(|hole| hole.start);
    Ok(holes)
}

/// A member reaches from the end of the one before it, so that its comma goes with it; when
/// the first ones go, the comma before the first that stays goes as well.
fn members_holes(
    text: &str,
    section: &RawValue,
    members: &[(Text<'_>, &RawValue)],
    absent: &BTreeSet<String>,
    holes: &mut Vec<Range<usize>>,
) {
    let mut end = offset(text, section.get()) + 1;
    let mut first_stays = true;
    for (at, (id, value)) in members.iter().enumerate() {
        let start = end;
        end = offset(text, value.get()) + value.get().len();
        if absent.contains(&**id) {
            holes.push(start..end);
            first_stays &= at > 0;
        } else if !first_stays {
            let comma = slice(text, start..end).iter().position(|byte| *byte == b',');
            holes.extend(comma.map(|comma| start + comma..start + comma + 1));
            first_stays = true;
        }
    }
}

/// Where `part`, a slice of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

fn slice(text: &str, range: Range<usize>) -> &[u8] {
    text.as_bytes().get(range).unwrap_or_default()
}
