//! The nodes of one section of a manifest, each with its position in the text of the file.

use super::node::Node;
use super::text::{Text, json_text};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// The name of a member of a JSON object; for a node, its `unique_id`.
#[derive(Debug)]
pub(super) struct MemberName<'a> {
    text: Text<'a>,
    /// As written in the file, with its quotes. A slice of the file's text.
    pub(super) raw: &'a str,
}

impl<'de> Deserialize<'de> for MemberName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self { text: Text(json_text(raw)), raw: raw.get() })
    }
}

impl Deref for MemberName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Borrow<str> for MemberName<'_> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl PartialEq for MemberName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for MemberName<'_> {}

impl PartialOrd for MemberName<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MemberName<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// The nodes of a section by `unique_id`. They are boxed because a `BTreeMap` is about half empty
/// and moves its values.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(BTreeMap<MemberName<'a>, Box<Node<'a>>>);

impl<'a> Deref for Members<'a> {
    type Target = BTreeMap<MemberName<'a>, Box<Node<'a>>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueMembers)
    }
}

/// Refuses an object that has two members of the same name: cutting out a node finds only one.
struct UniqueMembers;

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, node)) = map.next_entry::<MemberName<'de>, Box<Node<'de>>>()? {
            if members.contains_key(&*name) {
                return Err(A::Error::custom(format!("{:?} occurs twice", &*name)));
            }
            members.insert(name, node);
        }
        Ok(Members(members))
    }
}
