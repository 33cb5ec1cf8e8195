//! Strings of a JSON file, borrowed from its text unless they contain escapes.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

/// A string of the file. It is a type of its own because serde borrows a plain `Cow<str>` field,
/// but neither an optional one nor the key of a map.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a JSON string; the empty string if `raw` is anything else.
#[must_use]
pub fn json_text<'a>(raw: &'a RawValue) -> Cow<'a, str> {
    serde_json::from_str::<Text<'a>>(raw.get()).map_or(Cow::Borrowed(""), |text| text.0)
}
