//! Each dbt that the tests have is known by its installation, before it is started.

use crate::support::dbt;
use dbt_entrypoint::dbt::engine::Version;
use dbt_entrypoint::environment::Environment;
use dbt_entrypoint::os::installation::Installation;
use std::process::Command;

/// Every environment of `tests/setup.sh` that has a dbt, with the beginning of its version.
const ALL: [(&str, &str); 10] = [
    ("1.8", "1.8."),
    ("1.9", "1.9."),
    ("1.10", "1.10."),
    ("1.11", "1.11."),
    ("1.12", "1.12."),
    ("1.13", "1.13.0b1"),
    ("v2", "2.0.0a4"),
    ("v2rc", "2.0.0rc196"),
    ("clickhouse", "1.9."),
    ("postgres", "1.11."),
];

#[test]
fn every_dbt_is_known_by_its_installation() {
    for (name, version) in ALL {
        let Some(program) = dbt(name) else { continue };
        let found = Installation::look(program.clone(), &Environment::new());
        let engine = found.engine();
        let known = engine.version().expect("a version").to_string();
        assert!(known.starts_with(version), "{name}: {engine}");
        let is_v2 = name.starts_with("v2");
        assert!(engine.is_tested() && engine.is_native() == is_v2, "{name}: {engine}");
        assert_eq!(engine.waits_at_gate(), !is_v2, "{name}: {engine}");
        if is_v2 {
            let said = Command::new(program).arg("--version").output().expect("dbt starts");
            let said = String::from_utf8(said.stdout).expect("text");
            let said = said.split_whitespace().find_map(Version::parse);
            assert_eq!(said, engine.version());
        }
    }
}
