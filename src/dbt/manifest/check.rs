//! Whether a text is a manifest that can be a baseline: the rule for schema versions, and a check
//! that reads the text once and keeps nothing, so that its memory does not grow with the project.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `manifest/v4.json`, of dbt-core 1.0: the oldest that dbt-core 1.8 to 1.12 load with `--state`.
const OLDEST: u32 = 4;
/// `manifest/v12.json`, which dbt-core 1.8 to 1.12 and dbt 2.0 write.
const NEWEST: u32 = 12;

/// Why a text cannot be used as a manifest. `Display` is one sentence that begins with
/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not a manifest, or not a whole one.
    Damaged(String),
    /// Its schema version is newer than those that we know.
    Newer(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Damaged(why) | Self::Newer(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Fault {}

/// The keys without which dbt-core (`WritableManifest.from_dict`) does not load the file.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read only to see that they are there")]
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

/// Check that dbt and we can use the text of a `manifest.json` as a baseline.
///
/// # Errors
/// [`Fault`] says what is wrong with it.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    if text.trim_ascii_start().is_empty() {
        return Err(Fault::Damaged("manifest.json is empty".into()));
    }
    if text.starts_with('\0') {
        let why = "manifest.json contains zero bytes instead of text, as after a power failure";
        return Err(Fault::Damaged(why.into()));
    }
    match serde_json::from_str::<RequiredKeys<'_>>(text) {
        Ok(shape) => version(&shape.metadata.dbt_schema_version).map(drop),
        // A schema so new that we do not know its shape still has its version in the header.
        Err(error) => match serde_json::from_str::<SchemaHeader<'_>>(text) {
            Ok(header) => {
                version(&header.metadata.dbt_schema_version).and_then(|_| Err(misshapen(&error)))
            }
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

/// The number in `metadata.dbt_schema_version`: 12 for `…/manifest/v12.json`.
///
/// # Errors
/// [`Fault`] where it is not the address of a manifest's schema, or the version is not supported.
pub(super) fn version(url: &str) -> Result<u32, Fault> {
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

/// `{"any": {…}, …}`, forgotten as it is read.
struct SkippedObjects;

/// `{…}`, forgotten as it is read.
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
    fn every_schema_version_from_4_to_12_is_sound_and_no_other() {
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
    fn a_manifest_cut_off_anywhere_is_damaged() {
        let whole = manifest(V12, r#"{"model.a": {"name": "ä\u00e9"}}"#);
        assert_eq!(check(&whole), Ok(()));
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(matches!(check(&whole[..end]), Err(Fault::Damaged(_))), "cut at {end}");
        }
    }

    #[test]
    fn a_newer_format_is_named_even_when_its_shape_is_unknown() {
        expect(&manifest(&V12.replace("12", "13"), "[]"), "Newer", "13");
    }

    #[test]
    fn json_that_is_no_manifest_is_damaged() {
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
