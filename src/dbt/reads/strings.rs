//! The strings of a JSON value.

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The strings within a JSON value that may read something, e.g. of `unrendered_config`.
/// A text that is not JSON has none.
#[must_use]
pub(super) fn strings(json: &str) -> Vec<String> {
    serde_json::from_str::<Strings>(json).unwrap_or_default().0
}

#[derive(Default)]
struct Strings(Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringsVisitor)
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Strings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Strings, E> {
        Ok(Strings(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }))
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Strings, E> {
        Ok(Strings::default())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Strings, E> {
        Ok(Strings::default())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Strings, E> {
        Ok(Strings::default())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Strings, E> {
        Ok(Strings::default())
    }
    fn visit_unit<E: de::Error>(self) -> Result<Strings, E> {
        Ok(Strings::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strings, A::Error> {
        let mut all = Vec::new();
        while let Some(Strings(found)) = items.next_element()? {
            all.extend(found);
        }
        Ok(Strings(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strings, A::Error> {
        let mut all = Vec::new();
        while let Some((_, Strings(found))) = entries.next_entry::<de::IgnoredAny, _>()? {
            all.extend(found);
        }
        Ok(Strings(all))
    }
}
