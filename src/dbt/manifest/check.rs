//! Checks whether a text is a manifest that can serve as a baseline.
//!
//! The check reads the text once and keeps nothing of it, so that it needs the same memory for any
//! project. The rule for schema versions is here too.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `manifest/v4.json` of dbt-core 1.0: the oldest version that dbt-core 1.8 to 1.12 loads with
/// `--state`.
const OLDEST: u32 = 4;
/// `manifest/v12.json`, which dbt-core 1.8 to 1.12 and dbt 2.0 write; the newest version.
const NEWEST: u32 = 12;

/// Why a text cannot be used as a baseline. `Display` prints one clause that begins with
/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is not a manifest, or not a complete one.
    Damaged(String),
    /// The manifest has a newer schema version than this program supports.
    Newer(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Damaged(why) | Self::Newer(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Fault {}

/// The keys without which dbt-core does not load a manifest (`WritableManifest.from_dict`).
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "the fields are only parsed to check that they are present")]
struct RequiredKeys<'a> {
    #[serde(borrow)]
    metadata: SchemaMetadata<'a>,
    nodes: SkippedObjects,
    sources: SkippedObjects,
    macros: SkippedObjects,
    docs: SkippedObjects,
    exposures: SkippedObjects,
    metrics: SkippedObjects,
}

#[derive(serde::Deserialize)]
struct SchemaHeader<'a> {
    #[serde(borrow)]
    metadata: SchemaMetadata<'a>,
}

#[derive(serde::Deserialize)]
struct SchemaMetadata<'a> {
    #[serde(borrow)]
    dbt_schema_version: Cow<'a, str>,
}

/// Check that dbt and this program can use the text of a `manifest.json` as a baseline.
///
/// # Errors
/// [`Fault`] says why they cannot.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    if text.trim_ascii_start().is_empty() {
        return Err(Fault::Damaged("manifest.json is empty".into()));
    }
    if text.starts_with('\0') {
        let why = "manifest.json contains zero bytes instead of text, as after a power failure";
        return Err(Fault::Damaged(why.into()));
    }
    match serde_json::from_str::<RequiredKeys<'_>>(text) {
        Ok(shape) => schema_version(&shape.metadata.dbt_schema_version).map(drop),
        // The metadata name the schema version even if a newer schema has other keys.
        Err(error) => match serde_json::from_str::<SchemaHeader<'_>>(text) {
            Ok(header) => schema_version(&header.metadata.dbt_schema_version)
                .and_then(|_| Err(misshapen(&error))),
            Err(_) => Err(misshapen(&error)),
        },
    }
}

fn misshapen(error: &serde_json::Error) -> Fault {
    Fault::Damaged(match error.classify() {
        serde_json::error::Category::Eof => format!("manifest.json is truncated: {error}"),
        serde_json::error::Category::Data => {
            format!("manifest.json is not a manifest that dbt can load: {error}")
        }
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("manifest.json is not valid JSON: {error}")
        }
    })
}

/// The schema version that `metadata.dbt_schema_version` names: 12 for `…/manifest/v12.json`.
///
/// # Errors
/// `url` is not the address of a manifest schema, or the version is not supported.
pub(super) fn schema_version(url: &str) -> Result<u32, Fault> {
    let number = url.rsplit_once("/manifest/v").and_then(|(_, end)| end.strip_suffix(".json"));
    match number.and_then(|number| number.parse().ok()) {
        Some(version @ OLDEST..=NEWEST) => Ok(version),
        Some(newer) if newer > NEWEST => Err(Fault::Newer(format!(
            "manifest.json has schema version {newer}; this version of dbt-entrypoint reads versions {OLDEST} to {NEWEST}"
        ))),
        Some(older) => Err(Fault::Damaged(format!(
            "manifest.json has schema version {older}, which dbt versions before 1.0 wrote"
        ))),
        None => Err(Fault::Damaged(format!(
            "manifest.json is not a dbt manifest: its schema version is {url:?}"
        ))),
    }
}

/// A JSON object of objects: `{"any": {…}, …}`. Parsed and dropped.
struct SkippedObjects;

/// A JSON object: `{…}`. Parsed and dropped.
struct SkippedObject;

impl<'de> Deserialize<'de> for SkippedObjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SkipMembers::<SkippedObject>::NEW)?;
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for SkippedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SkipMembers::<IgnoredAny>::NEW)?;
        Ok(Self)
    }
}

/// Parses the members of an object, each as a `V`, and drops them.
struct SkipMembers<V>(std::marker::PhantomData<V>);

impl<V> SkipMembers<V> {
    const NEW: Self = Self(std::marker::PhantomData);
}

impl<'de, V: Deserialize<'de>> Visitor<'de> for SkipMembers<V> {
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
        let found = format!("{:?}", check(text));
        assert!(found.contains(kind) && found.contains(word), "{text} gave {found}");
    }

    #[test]
    fn exactly_the_schema_versions_4_to_12_are_accepted() {
        for version in 0..20 {
            let text = manifest(&V12.replace("12", &version.to_string()), "{}");
            match version {
                4..=12 => assert_eq!(check(&text), Ok(()), "v{version}"),
                13.. => expect(&text, "Newer", &version.to_string()),
                _ => expect(&text, "Damaged", "before 1.0"),
            }
        }
    }

    #[test]
    fn a_manifest_truncated_anywhere_is_damaged() {
        let whole = manifest(V12, r#"{"model.a": {"name": "ä\u00e9"}}"#);
        assert_eq!(check(&whole), Ok(()));
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(matches!(check(&whole[..end]), Err(Fault::Damaged(_))), "cut at {end}");
        }
    }

    #[test]
    fn a_newer_schema_version_is_recognized_even_if_its_keys_are_unknown() {
        expect(&manifest(&V12.replace("12", "13"), "[]"), "Newer", "13");
    }

    #[test]
    fn json_that_is_not_a_manifest_is_damaged() {
        expect("{}", "Damaged", "metadata");
        expect("[]", "Damaged", "can load");
        expect("null", "Damaged", "can load");
        expect("\0\0\0", "Damaged", "power failure");
        expect(" \n", "Damaged", "empty");
        expect(&(manifest(V12, "{}") + "x"), "Damaged", "not valid JSON");
        expect(&manifest(V12, "[]"), "Damaged", "expected an object");
        expect(&manifest(V12, r#"{"model.a": null}"#), "Damaged", "expected an object");
        expect(&manifest(V12, "{}").replace("macros", "makros"), "Damaged", "macros");
        let results = manifest("https://schemas.getdbt.com/dbt/run-results/v6.json", "{}");
        expect(&results, "Damaged", "run-results");
    }
}
