//! What stands for a value on the volume: a keyed digest of 128 bits, never the value.

use super::{Name, Names, Vars};
use crate::dbt::changes::Reason;
use crate::digest::hex;
use crate::environment::Environment;
use crate::trees::IntoTree;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The fingerprints of the values as they are now, by `env_var:NAME`, `var:NAME`,
/// `env_var:*` and `var:*`.
///
/// `package` is the node's, for `vars:` scoped by package. The default in the code does not
/// count: it changes only with the code. Unset differs from empty.
#[must_use]
pub fn fingerprints(
    names: &Names,
    package: &str,
    salt: &str,
    vars: &Vars,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let values = Values { package, salt, vars, environment };
    with_nested(names, package, vars)
        .iter()
        .map(|name| (key(name), values.fingerprint(name)))
        .into_tree()
}

/// The value of a var may itself be a template (dbt renders it where it is used).
fn with_nested(names: &Names, package: &str, vars: &Vars) -> BTreeSet<Name> {
    let mut all = BTreeSet::new();
    let mut open: Vec<Name> = names.0.iter().cloned().collect();
    while let Some(name) = open.pop() {
        // A var may name itself.
        if all.contains(&name) {
            continue;
        }
        match &name {
            Name::Var(var) => open.extend(vars.names_within(package, var).0),
            Name::AnyVar => open.extend(vars.names_within_all(package).0),
            Name::Env(_) | Name::AnyEnv => {}
        }
        all.insert(name);
    }
    all
}

fn key(name: &Name) -> String {
    match name {
        Name::Env(name) => format!("env_var:{name}"),
        Name::AnyEnv => "env_var:*".to_owned(),
        Name::Var(name) => format!("var:{name}"),
        Name::AnyVar => "var:*".to_owned(),
    }
}

struct Values<'a> {
    package: &'a str,
    salt: &'a str,
    vars: &'a Vars,
    environment: &'a Environment,
}

impl Values<'_> {
    fn fingerprint(&self, name: &Name) -> String {
        let mut message = Message::default();
        message.add(Some(key(name).as_bytes()));
        match name {
            Name::Env(name) => {
                let value = self.environment.get(OsStr::new(name));
                message.add(value.map(|value| value.as_bytes()));
            }
            Name::AnyEnv => {
                let lasting = self.environment.iter().filter(|(name, _)| !is_volatile(name));
                for (name, value) in lasting {
                    message.add(Some(name.as_bytes()));
                    message.add(Some(value.as_bytes()));
                }
            }
            Name::Var(name) => {
                let value = self.vars.value(self.package, name);
                message.add(value.as_deref().map(str::as_bytes));
            }
            Name::AnyVar => message.add(Some(self.vars.all(self.package).as_bytes())),
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

/// The first 16 bytes of HMAC-SHA256 (RFC 2104) in hexadecimal.
fn keyed_digest(key: &[u8], message: &[u8]) -> String {
    // HMAC takes a key of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(message);
    hex(mac.finalize().into_bytes().get(..16).unwrap_or_default())
}

/// Variables that differ from container to container, or from call to call, and that no
/// project can mean when it computes a name.
fn is_volatile(name: &OsStr) -> bool {
    const EXACT: [&str; 13] = [
        "HOSTNAME",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        "TERM",
        "COLUMNS",
        "LINES",
        "SSH_CLIENT",
        "SSH_CONNECTION",
        "SSH_TTY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
    ];
    const PREFIXES: [&str; 3] = ["KUBERNETES_", "DBT_ENTRYPOINT_", "DBT_INVOCATION"];
    // What Kubernetes and Docker links say of a service. (`X_PORT` is left in: it is also
    // what people call a setting.)
    const SUFFIXES: [&str; 2] = ["_SERVICE_HOST", "_SERVICE_PORT"];
    let Some(name) = name.to_str() else { return false };
    EXACT.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || name.contains("_SERVICE_PORT_")
        || is_port_of_a_service(name)
}

/// `X_PORT_5432_TCP`, `X_PORT_5432_TCP_ADDR`…
fn is_port_of_a_service(name: &str) -> bool {
    name.split_once("_PORT_").is_some_and(|(_, port)| {
        let behind = port.trim_start_matches(|c: char| c.is_ascii_digit());
        behind.len() < port.len() && (behind.starts_with("_TCP") || behind.starts_with("_UDP"))
    })
}

/// The values that changed.
///
/// A name on one side only is no change of a value: the code that reads it is new or gone,
/// which is a change of its own, or another version of ours found more names.
#[must_use]
pub fn differing(
    recorded: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<Reason> {
    let changed = |(key, before): (&String, &String)| {
        now.get(key).filter(|value| *value != before).map(|_| reason(key))
    };
    let reasons: BTreeSet<Reason> = recorded.iter().filter_map(changed).into_tree();
    reasons.into_iter().collect()
}

fn reason(key: &str) -> Reason {
    match key.split_once(':') {
        Some(("seed", _)) => Reason::SeedContent,
        Some((_, "*")) | None => Reason::Computed,
        Some(("env_var", name)) => Reason::Env(name.to_owned()),
        Some((_, name)) => Reason::Var(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn names(all: &[Name]) -> Names {
        Names(all.iter().cloned().collect())
    }

    fn env(name: &str) -> Name {
        Name::Env(name.to_owned())
    }

    fn var(name: &str) -> Name {
        Name::Var(name.to_owned())
    }

    fn of_env(pairs: &[(&str, &str)], all: &[Name]) -> BTreeMap<String, String> {
        fingerprints(&names(all), "p", "salt", &Vars::default(), &environment(pairs))
    }

    fn of_vars(vars: serde_json::Value, all: &[Name], env: &[(&str, &str)]) -> Vec<Reason> {
        let before = Vars::of_root("p", json!({}), vars);
        let after = Vars::of_root("p", json!({"a": 2}), json!({}));
        let environment = environment(env);
        let print = |vars| fingerprints(&names(all), "p", "salt", vars, &environment);
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
    fn a_value_that_changed_is_a_reason_and_unset_is_not_empty() {
        let prints = [
            of_env(&[], &[env("A")]),
            of_env(&[("A", "")], &[env("A")]),
            of_env(&[("A", "1")], &[env("A")]),
        ];
        for (at, before) in prints.iter().enumerate() {
            for (other, after) in prints.iter().enumerate() {
                let changed = if at == other { vec![] } else { vec![Reason::Env("A".into())] };
                assert_eq!(differing(before, after), changed, "{at} {other}");
            }
        }
    }

    #[test]
    fn another_variable_another_salt_and_no_value_leak_nothing() {
        let one = of_env(&[("A", "secret"), ("B", "secret")], &[env("A"), env("B")]);
        assert_ne!(one["env_var:A"], one["env_var:B"]);
        let salted = fingerprints(
            &names(&[env("A")]),
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
    fn a_name_on_one_side_only_is_no_change_of_a_value() {
        let (less, more) = (of_env(&[("A", "1")], &[env("A")]), of_env(&[], &[env("B")]));
        assert_eq!(differing(&less, &more), []);
    }

    #[test]
    fn a_computed_name_stands_for_all_that_lasts() {
        let any = |pairs| of_env(pairs, &[Name::AnyEnv]);
        let before = any(&[("A", "1"), ("HOSTNAME", "a"), ("X_PORT_80_TCP_ADDR", "1")]);
        let same = any(&[("A", "1"), ("HOSTNAME", "b"), ("KUBERNETES_PORT", "2")]);
        assert_eq!(differing(&before, &same), []);
        for other in [any(&[("A", "2")]), any(&[("A", "1"), ("DB_PORT", "2")]), any(&[])] {
            assert_eq!(differing(&before, &other), [Reason::Computed]);
        }
        assert_eq!(of_vars(json!({"a": 1}), &[Name::AnyVar], &[]), [Reason::Computed]);
        assert_eq!(of_vars(json!({"a": 2}), &[Name::AnyVar], &[]), []);
    }

    #[test]
    fn a_var_is_compared_by_its_value_wherever_it_is_set() {
        assert_eq!(of_vars(json!({"a": 2}), &[var("a")], &[]), []);
        assert_eq!(of_vars(json!({"a": "2"}), &[var("a")], &[]), [Reason::Var("a".into())]);
        assert_eq!(of_vars(json!({"a": null}), &[var("a")], &[]), [Reason::Var("a".into())]);
        assert_eq!(of_vars(json!({"b": 1}), &[var("c")], &[]), []);
    }

    #[test]
    fn a_var_that_reads_a_variable_makes_the_node_depend_on_it() {
        let vars = Vars::of_root("p", json!({}), json!({"a": "{{ env_var('X') }}{{ var('a') }}"}));
        let print = |value: &str| {
            fingerprints(&names(&[var("a")]), "p", "s", &vars, &environment(&[("X", value)]))
        };
        assert_eq!(differing(&print("1"), &print("2")), [Reason::Env("X".into())]);
    }
}
