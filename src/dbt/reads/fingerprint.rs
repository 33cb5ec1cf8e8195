//! What stands for a value on the volume: a keyed digest of 128 bits, never the value.

use super::volatile::is_volatile;
use super::{Facet, Facets, Vars};
use crate::digest::hex;
use crate::environment::Environment;
use crate::trees::IntoTree;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The fingerprints of the values as they are now, by `env_var:NAME`, `var:NAME`, and for names
/// that are computed by `env_var:START*` and `var:START*`.
///
/// `package` is the node's, for `vars:` scoped by package. The default in the code does not
/// count: it changes only with the code. Unset differs from empty.
#[must_use]
pub fn fingerprints(
    facets: &Facets,
    package: &str,
    salt: &str,
    vars: &Vars,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let values = KnownValues { package, salt, vars, environment };
    let all = with_nested(facets, package, vars);
    let value = |facet| (key(facet), values.fingerprint(facet));
    let types = all.iter().filter_map(|facet| values.types(facet));
    all.iter().map(value).chain(types).into_tree()
}

/// The value of a var may itself be a template (dbt renders it where it is used).
fn with_nested(facets: &Facets, package: &str, vars: &Vars) -> Facets {
    let mut all = Facets::new();
    let mut open: Vec<Facet> = facets.iter().cloned().collect();
    while let Some(facet) = open.pop() {
        // A var may name itself.
        if all.contains(&facet) {
            continue;
        }
        match &facet {
            Facet::Var(var) => open.extend(vars.facets_within(package, var)),
            Facet::Vars(start) => open.extend(vars.facets_within_all(package, start)),
            Facet::EnvVarsOf(name) => {
                open.extend(vars.names(package, name, Facet::EnvVar, Facet::EnvVars));
                continue;
            }
            Facet::VarsOf(name) => {
                open.extend(vars.names(package, name, Facet::Var, Facet::Vars));
                continue;
            }
            Facet::EnvVar(_) | Facet::EnvVars(_) => {}
            // See `Objects`.
            Facet::Object(_) | Facet::Source(_) => continue,
        }
        all.insert(facet);
    }
    all
}

/// The name of a fingerprint.
pub(super) fn key(facet: &Facet) -> String {
    match facet {
        Facet::EnvVar(name) => format!("env_var:{name}"),
        Facet::EnvVars(start) => format!("env_var:{start}*"),
        Facet::Var(name) => format!("var:{name}"),
        Facet::Vars(start) => format!("var:{start}*"),
        Facet::Object(path) => format!("context:{path}"),
        // Stand for others.
        Facet::EnvVarsOf(_) | Facet::VarsOf(_) | Facet::Source(_) => String::new(),
    }
}

struct KnownValues<'a> {
    package: &'a str,
    salt: &'a str,
    vars: &'a Vars,
    environment: &'a Environment,
}

impl KnownValues<'_> {
    /// Of the types within the value of a var, and of its order. Not a part of the value's own
    /// fingerprint, which older records have without them.
    fn types(&self, facet: &Facet) -> Option<(String, String)> {
        let spellings = match facet {
            Facet::Var(name) => self.vars.spelling(self.package, name).into_iter().collect(),
            Facet::Vars(start) => self.vars.spellings(self.package, start),
            Facet::EnvVar(_)
            | Facet::EnvVars(_)
            | Facet::EnvVarsOf(_)
            | Facet::VarsOf(_)
            | Facet::Object(_)
            | Facet::Source(_) => Vec::new(),
        };
        let key = key(facet).replacen("var:", "var_type:", 1);
        let mut message = Message::default();
        message.add(Some(key.as_bytes()));
        spellings.iter().for_each(|spelling| message.add(Some(spelling.as_bytes())));
        (!spellings.is_empty()).then(|| (key, keyed_digest(self.salt.as_bytes(), &message.0)))
    }

    fn fingerprint(&self, facet: &Facet) -> String {
        let mut message = Message::default();
        message.add(Some(key(facet).as_bytes()));
        match facet {
            Facet::EnvVar(name) => {
                let value = self.environment.get(OsStr::new(name));
                message.add(value.map(|value| value.as_bytes()));
            }
            Facet::EnvVars(start) => {
                let counts = |(name, value): &(&OsString, &OsString)| {
                    name.as_bytes().starts_with(start.as_bytes())
                        && !is_volatile(name, value, start)
                };
                for (name, value) in self.environment.iter().filter(counts) {
                    message.add(Some(name.as_bytes()));
                    message.add(Some(value.as_bytes()));
                }
            }
            Facet::Var(name) => {
                let value = self.vars.value(self.package, name);
                message.add(value.as_deref().map(str::as_bytes));
            }
            Facet::Vars(start) => {
                message.add(Some(self.vars.all(self.package, start).as_bytes()));
            }
            Facet::EnvVarsOf(_) | Facet::VarsOf(_) | Facet::Object(_) | Facet::Source(_) => {}
        }
        keyed_digest(self.salt.as_bytes(), &message.0)
    }
}

/// Fields with their lengths, so that no two messages of different fields are equal.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn add(&mut self, field: Option<&[u8]>) {
        match field {
            None => self.0.push(0),
            Some(bytes) => {
                self.0.push(1);
                self.0.extend((bytes.len() as u64).to_be_bytes());
                self.0.extend(bytes);
            }
        }
    }
}

/// Of these texts.
pub(super) fn keyed(salt: &str, texts: &[&str]) -> String {
    let mut message = Message::default();
    texts.iter().for_each(|text| message.add(Some(text.as_bytes())));
    keyed_digest(salt.as_bytes(), &message.0)
}

/// The first 16 bytes of HMAC-SHA256 (RFC 2104) in hexadecimal.
pub(crate) fn keyed_digest(key: &[u8], message: &[u8]) -> String {
    // HMAC takes a key of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(message);
    hex(mac.finalize().into_bytes().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::NameOf;
    use super::*;
    use serde_json::json;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn facets(all: &[Facet]) -> Facets {
        all.iter().cloned().collect()
    }

    const NOTHING: [&str; 0] = [];

    /// The keys whose fingerprints differ.
    fn differing(
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let keys = before.keys().filter(|key| before.get(*key) != after.get(*key));
        keys.cloned().collect()
    }

    fn env(name: &str) -> Facet {
        Facet::EnvVar(name.to_owned())
    }

    fn any_env() -> Facet {
        Facet::EnvVars(String::new())
    }

    fn any_var() -> Facet {
        Facet::Vars(String::new())
    }

    fn var(name: &str) -> Facet {
        Facet::Var(name.to_owned())
    }

    fn of_env(pairs: &[(&str, &str)], all: &[Facet]) -> BTreeMap<String, String> {
        fingerprints(&facets(all), "p", "salt", &Vars::default(), &environment(pairs))
    }

    fn of_vars(vars: serde_json::Value, all: &[Facet], env: &[(&str, &str)]) -> Vec<String> {
        let before = Vars::of_root("p", json!({}), vars);
        let after = Vars::of_root("p", json!({"a": 2}), json!({}));
        let environment = environment(env);
        let print = |vars| fingerprints(&facets(all), "p", "salt", vars, &environment);
        differing(&print(&before), &print(&after))
    }

    #[test]
    fn the_keyed_digest_is_hmac_sha256() {
        // RFC 4231, test cases 2 and 6.
        assert_eq!(
            keyed_digest(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c7"
        );
        assert_eq!(
            keyed_digest(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f"
        );
    }

    #[test]
    fn the_type_and_the_order_of_a_var_count_and_an_older_record_lacks_them() {
        let yaml = |text: &str| {
            let parsed = crate::dbt::project::cli_vars(text).unwrap();
            let spelled = crate::dbt::project::spelled_cli_vars(text).unwrap();
            let of = |vars| Vars::new(vars, "p", BTreeMap::new());
            let vars = of(parsed).spelled(of(spelled));
            let all = facets(&[var("a"), var("unset"), any_var()]);
            fingerprints(&all, "p", "salt", &vars, &environment(&[]))
        };
        let [date, text] = ["a: 2026-08-03", "a: '2026-08-03'"].map(yaml);
        assert_eq!(differing(&date, &text), ["var_type:*", "var_type:a"]);
        let [one, other] = ["a: {x: y, z: y}", "a: {z: y, x: y}"].map(yaml);
        assert_eq!(differing(&one, &other), ["var_type:*", "var_type:a"]);
        assert_eq!(
            yaml("a: text").into_keys().collect::<Vec<_>>(),
            ["var:*", "var:a", "var:unset"]
        );
    }

    /// Records on volumes hold these digests: other bytes would make every node look changed.
    #[test]
    fn the_bytes_of_a_fingerprint_never_change() {
        let vars = Vars::of_root("p", json!({"a": {"b": [1, "x"]}}), json!({}));
        let all = [env("A"), env("UNSET"), any_env(), var("a"), any_var()];
        let environment = environment(&[("A", "1"), ("HOSTNAME", "h")]);
        let found = fingerprints(&facets(&all), "p", "salt", &vars, &environment);
        let expected = [
            ("env_var:A", "671a790f3c79e907c536f7a906064b7b"),
            ("env_var:UNSET", "764218df0878d95bc5384b239d2847e8"),
            ("env_var:*", "747a317b28ffcfe8533854a53b1bfc53"),
            ("var:a", "aa89484fd2e3d0f58a618d4ca8b2b538"),
            ("var:*", "002febe1dcb15c2e95216b149380e9c2"),
        ];
        let expected = expected.map(|(key, digest)| (key.to_owned(), digest.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[test]
    fn a_value_that_changed_is_a_reason_and_unset_is_not_empty() {
        let prints = [
            of_env(&[], &[env("A")]),
            of_env(&[("A", "")], &[env("A")]),
            of_env(&[("A", "1")], &[env("A")]),
        ];
        for (at, before) in prints.iter().enumerate() {
            for (other, after) in prints.iter().enumerate() {
                let changed = if at == other { vec![] } else { vec!["env_var:A".to_owned()] };
                assert_eq!(differing(before, after), changed, "{at} {other}");
            }
        }
    }

    #[test]
    fn another_variable_another_salt_and_no_value_leak_nothing() {
        let one = of_env(&[("A", "secret"), ("B", "secret")], &[env("A"), env("B")]);
        assert_ne!(one["env_var:A"], one["env_var:B"]);
        let salted = fingerprints(
            &facets(&[env("A")]),
            "p",
            "other",
            &Vars::default(),
            &environment(&[("A", "secret")]),
        );
        assert_ne!(one["env_var:A"], salted["env_var:A"]);
        assert!(!format!("{one:?}").contains("secret"));
        assert_eq!(one["env_var:A"].len(), 32);
    }

    #[test]
    fn a_computed_name_stands_for_all_that_lasts() {
        let any = |pairs| of_env(pairs, &[any_env()]);
        let before = any(&[("A", "1"), ("HOSTNAME", "a"), ("X_PORT_80_TCP_ADDR", "1")]);
        let same = any(&[("A", "1"), ("HOSTNAME", "b"), ("KUBERNETES_PORT", "2")]);
        assert_eq!(differing(&before, &same), NOTHING);
        for other in [any(&[("A", "2")]), any(&[("A", "1"), ("DB_PORT", "2")]), any(&[])] {
            assert_eq!(differing(&before, &other), ["env_var:*"]);
        }
        assert_eq!(of_vars(json!({"a": 1}), &[any_var()], &[]), ["var:*"]);
        assert_eq!(of_vars(json!({"a": 2}), &[any_var()], &[]), NOTHING);
    }

    #[test]
    fn a_var_is_compared_by_its_value_wherever_it_is_set() {
        assert_eq!(of_vars(json!({"a": 2}), &[var("a")], &[]), NOTHING);
        assert_eq!(of_vars(json!({"a": "2"}), &[var("a")], &[]), ["var:a"]);
        assert_eq!(of_vars(json!({"a": null}), &[var("a")], &[]), ["var:a"]);
        assert_eq!(of_vars(json!({"b": 1}), &[var("c")], &[]), NOTHING);
    }

    #[test]
    fn a_var_that_reads_a_variable_makes_the_node_depend_on_it() {
        let vars = Vars::of_root("p", json!({}), json!({"a": "{{ env_var('X') }}{{ var('a') }}"}));
        let print = |value: &str| {
            fingerprints(&facets(&[var("a")]), "p", "s", &vars, &environment(&[("X", value)]))
        };
        assert_eq!(differing(&print("1"), &print("2")), ["env_var:X"]);
    }

    #[test]
    fn the_beginning_of_a_name_stands_for_what_begins_so() {
        let of = |pairs| of_env(pairs, &[Facet::EnvVars("MB_".to_owned())]);
        let before = of(&[("MB_A", "1"), ("A", "1"), ("MB_SERVICE_HOST", "1")]);
        assert_eq!(differing(&before, &of(&[("MB_A", "1"), ("A", "2"), ("MB", "3")])), NOTHING);
        for other in [of(&[("MB_A", "2")]), of(&[("MB_A", "1"), ("MB_B", "")]), of(&[])] {
            assert_eq!(differing(&before, &other), ["env_var:MB_*"]);
        }
        let begin = Facet::Vars("a".to_owned());
        assert_eq!(of_vars(json!({"a": 2, "b": 1}), std::slice::from_ref(&begin), &[]), NOTHING);
        assert_eq!(of_vars(json!({"a": 2, "ab": 1}), &[begin], &[]), ["var:a*"]);
    }

    #[test]
    fn names_are_taken_from_the_value_of_a_var() {
        let name = NameOf { before: "X_".into(), var: "l".into(), after: String::new() };
        let keys = |value: serde_json::Value| {
            let vars = Vars::of_root("p", json!({}), json!({ "l": value }));
            let all = facets(&[Facet::EnvVarsOf(name.clone()), Facet::VarsOf(name.clone())]);
            let found = fingerprints(&all, "p", "s", &vars, &environment(&[]));
            found.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(keys(json!(["A"])), ["env_var:X_A", "var:X_A"]);
        assert_eq!(keys(json!({"A": 1})), ["env_var:X_A", "var:X_A"]);
        assert_eq!(keys(json!("A")), ["env_var:X_A", "var:X_A"]);
        assert_eq!(keys(json!([["A"]])), ["env_var:X_*", "var:X_*"]);
        assert_eq!(keys(json!("{{ env_var('A') }}")), ["env_var:X_*", "var:X_*"]);
        assert_eq!(keys(json!(null)), NOTHING);
    }
}
