//! Whether a text is a manifest that dbt and we can use as a baseline.
//!
//! The text is read once and nothing is kept: memory does not grow with the project.

use crate::decide::start::Found;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `manifest/vN.json` of dbt-core 1.0, the oldest that dbt-core 1.8 to 1.12 read.
const OLDEST: u32 = 4;
/// What dbt-core 1.8 to 1.12 and 2.0 write.
const NEWEST: u32 = 12;

/// Keys without which dbt-core (`WritableManifest.from_dict`) refuses to load the file.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read only to see that they are there")]
struct Shape<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    nodes: Objects,
    sources: Objects,
    macros: Objects,
    docs: Objects,
    exposures: Objects,
    metrics: Objects,
}

#[derive(serde::Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(serde::Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    dbt_schema_version: Cow<'a, str>,
}

/// What is wrong with the text of a manifest.json: `Damaged`, `Newer`, or nothing.
pub(crate) fn fault(text: &str) -> Option<Found> {
    if text.trim_ascii_start().is_empty() {
        return Some(Found::Damaged("manifest.json is empty".into()));
    }
    if text.starts_with('\0') {
        return Some(Found::Damaged(
            "manifest.json holds zeros instead of text, as a power cut leaves behind".into(),
        ));
    }
    match serde_json::from_str::<Shape<'_>>(text) {
        Ok(shape) => version_fault(&shape.metadata.dbt_schema_version),
        // A format that is too new for its shape to be known says so in its header.
        Err(error) => match serde_json::from_str::<Header<'_>>(text) {
            Ok(header) => version_fault(&header.metadata.dbt_schema_version)
                .or_else(|| Some(Found::Damaged(words(&error)))),
            Err(_) => Some(Found::Damaged(words(&error))),
        },
    }
}

fn words(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => format!("manifest.json is truncated: {error}"),
        serde_json::error::Category::Data => {
            format!("manifest.json is not a manifest that dbt could load: {error}")
        }
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("manifest.json is not valid JSON: {error}")
        }
    }
}

fn version_fault(url: &str) -> Option<Found> {
    let version = url
        .split_once("/manifest/v")
        .and_then(|(_, rest)| rest.strip_suffix(".json"))
        .and_then(|number| number.parse::<u32>().ok());
    match version {
        Some(OLDEST..=NEWEST) => None,
        Some(newer) if newer > NEWEST => Some(Found::Newer(format!(
            "manifest.json has schema version {newer}; this version of dbt-entrypoint knows {OLDEST} to {NEWEST}"
        ))),
        Some(older) => Some(Found::Damaged(format!(
            "manifest.json has schema version {older}, written by a dbt older than 1.0"
        ))),
        None => Some(Found::Damaged(format!(
            "manifest.json is not a manifest of dbt: its schema version is {url:?}"
        ))),
    }
}

/// `{"any": {…}, …}`, forgotten as it is read.
struct Objects;

/// `{…}`, forgotten as it is read.
struct Object;

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Forget::<Object>::NEW)?;
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Forget::<IgnoredAny>::NEW)?;
        Ok(Self)
    }
}

struct Forget<V>(std::marker::PhantomData<V>);

impl<V> Forget<V> {
    const NEW: Self = Self(std::marker::PhantomData);
}

impl<'de, V: Deserialize<'de>> Visitor<'de> for Forget<V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, V>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(version: &str, nodes: &str) -> String {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "{version}"}}, "nodes": {nodes}, "sources": {{}},
               "macros": {{}}, "docs": {{}}, "exposures": {{}}, "metrics": {{}}, "later": [1]}}"#
        )
    }

    const V12: &str = "https://schemas.getdbt.com/dbt/manifest/v12.json";

    fn expect(text: &str, kind: &str, word: &str) {
        let found = format!("{:?}", fault(text));
        assert!(found.contains(kind) && found.contains(word), "{text} gave {found}");
    }

    #[test]
    fn every_schema_version_from_4_to_12_is_sound_and_no_other() {
        for version in 0..20 {
            let text = manifest(&V12.replace("12", &version.to_string()), "{}");
            match version {
                4..=12 => assert_eq!(fault(&text), None, "v{version}"),
                13.. => expect(&text, "Newer", &version.to_string()),
                _ => expect(&text, "Damaged", "older than 1.0"),
            }
        }
    }

    #[test]
    fn a_manifest_cut_off_anywhere_is_damaged() {
        let whole = manifest(V12, r#"{"model.a": {"name": "ä\u00e9"}}"#);
        assert_eq!(fault(&whole), None);
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(matches!(fault(&whole[..end]), Some(Found::Damaged(_))), "cut at {end}");
        }
    }

    #[test]
    fn a_newer_format_is_named_even_when_its_shape_is_unknown() {
        expect(&manifest(&V12.replace("12", "13"), "[]"), "Newer", "13");
    }

    #[test]
    fn json_that_is_no_manifest_is_damaged() {
        expect("{}", "Damaged", "metadata");
        expect("[]", "Damaged", "could load");
        expect("null", "Damaged", "could load");
        expect("\0\0\0", "Damaged", "power cut");
        expect(" \n", "Damaged", "empty");
        expect(&(manifest(V12, "{}") + "x"), "Damaged", "not valid JSON");
        expect(&manifest(V12, "[]"), "Damaged", "expected an object");
        expect(&manifest(V12, r#"{"model.a": null}"#), "Damaged", "expected an object");
        expect(&manifest(V12, "{}").replace("macros", "makros"), "Damaged", "macros");
        let results = manifest("https://schemas.getdbt.com/dbt/run-results/v6.json", "{}");
        expect(&results, "Damaged", "run-results");
    }
}
