//! Random edits: whenever dbt would be spared, dbt itself finds nothing that changed.
//!
//! `SKIP_EDITS` is the number of edits (60; hundreds for a long run), `SKIP_SEED` where they
//! start. dbt is asked at every unexpected sparing, and at most so often at expected ones.

use super::populated;
use crate::support::{Shop, variable};
use dbt_entrypoint::dbt::command::Command;
use dbt_entrypoint::decide::settle::{CurrentInputs, Verdict, verdict};
use dbt_entrypoint::os::inputs::{self, Places};
use dbt_entrypoint::os::installation::Installation;
use dbt_entrypoint::os::project::{Asked, locate_from};
use dbt_entrypoint::store::Store;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// How often dbt is asked where we do not expect a surprise; at every twentieth edit of a long run.
const ASKED: u64 = 3;

/// Files to be edited; the text that is put at their end means something to dbt.
const FILES: [(&str, &str); 13] = [
    ("models/marts/orders.sql", "-- edited"),
    ("models/marts/daily_revenue.sql", "{# edited #}"),
    ("models/staging/stg_orders.sql", "-- edited"),
    ("models/marts/new.sql", "select 1 as one"),
    ("models/new.yml", "models: [{name: customers, config: {materialized: view}}]"),
    ("macros/cents_to_amount.sql", "{% macro more() %}1{% endmacro %}"),
    ("macros/generate_schema_name.sql", "{% macro generate_schema_name(a, b) %}x{% endmacro %}"),
    ("seeds/raw_orders.csv", "99,1,2026-01-09,completed"),
    (
        "snapshots/s.sql",
        "{% snapshot s %}{{ config(unique_key='id', strategy='check', check_cols='all', target_schema='main') }}select 1 as id{% endsnapshot %}",
    ),
    ("tests/more.sql", "select 1 where false"),
    ("dbt_project.yml", "snapshots: {+enabled: true}"),
    ("selectors.yml", "selectors: []"),
    ("packages.yml", "packages: []"),
];

/// Files that mean nothing to dbt, or that it writes itself.
const NOISE: [&str; 4] = ["target/noise.json", "logs/dbt.log", ".git/index", "models/x.pyc"];

struct World {
    shop: Shop,
    originals: BTreeMap<&'static str, Option<Vec<u8>>>,
    edited: BTreeMap<&'static str, String>,
    random: u64,
}

impl World {
    /// xorshift64.
    fn draw(&mut self, below: u64) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % below).expect("a small number")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.shop.project().join(file)
    }

    /// One edit, in words.
    fn edit(&mut self) -> String {
        match self.draw(6) {
            0 | 1 => self.append(),
            2 => self.revert(),
            3 => self.rewrite(),
            4 => self.make_noise(),
            _ => self.set_a_variable(),
        }
    }

    fn append(&mut self) -> String {
        let (file, text) = FILES[self.draw(FILES.len() as u64)];
        let now = fs::read_to_string(self.path(file)).unwrap_or_default();
        self.shop.write(file, &format!("{now}{text}\n"));
        self.edited.insert(file, "appended".to_owned());
        format!("{file} has {text:?} appended")
    }

    fn revert(&mut self) -> String {
        for (file, text) in &self.originals {
            match text {
                Some(text) => fs::write(self.path(file), text).expect("a writable project"),
                None => drop(fs::remove_file(self.path(file))),
            }
        }
        self.edited.clear();
        self.shop.env_remove("SHOP_LOYAL_ORDERS");
        "all is as it was".to_owned()
    }

    /// Another time and inode for the same content.
    fn rewrite(&mut self) -> String {
        let (file, _) = FILES[self.draw(3)];
        let text = fs::read(self.path(file)).expect("a file");
        fs::remove_file(self.path(file)).expect("a writable project");
        fs::write(self.path(file), text).expect("a writable project");
        format!("{file} is written anew")
    }

    fn make_noise(&mut self) -> String {
        let file = NOISE[self.draw(NOISE.len() as u64)];
        let text = self.random.to_string();
        self.shop.write(file, &text);
        format!("{file} has {text}")
    }

    fn set_a_variable(&mut self) -> String {
        let value = self.draw(9).to_string();
        if self.draw(2) == 0 {
            self.shop.env("NOT_NAMED", &value);
            return format!("NOT_NAMED={value}");
        }
        self.shop.env("SHOP_LOYAL_ORDERS", &value);
        self.edited.insert("SHOP_LOYAL_ORDERS", value.clone());
        format!("SHOP_LOYAL_ORDERS={value}")
    }

    /// What the program would decide for `dbt run`.
    fn is_spared(&self) -> bool {
        let environment = self.shop.environment();
        let command = Command::parse(vec!["build".into()], environment);
        let here = self.shop.project().canonicalize().expect("a project");
        let store = Store::at(&self.shop.state()).expect("a path");
        let record = store.look().expect("a volume").record.expect("a record");
        let settled = record.settled.as_ref().expect("a complete run");
        let Ok(project) = locate_from(&here, &Asked::default(), environment) else { return false };
        let places = Places {
            here: &here,
            project: &project,
            written: [&project.target_path, &project.log_path],
            state: &self.shop.state(),
            installation: &Installation::look(self.shop.dbt().to_owned(), environment),
            environment,
            words: &command.as_parse(),
            salt: &record.salt,
            is_first_look: false,
        };
        let Ok(inputs) = inputs::look(&places) else { return false };
        let inputs = inputs.digests(&places);
        let looked = CurrentInputs { inputs, command: settled.commands.keys().next().cloned() };
        verdict(Some(settled), &looked, &record.nodes, |kind| command.builds(kind)) == Verdict::Skip
    }

    /// What dbt, parsing afresh, would build.
    fn selected(&self) -> Vec<String> {
        let state = self.shop.state();
        let words =
            ["ls", "-s", "state:modified+", "--no-partial-parse", "--quiet", "--output=json"];
        let mut all: Vec<&str> = words.to_vec();
        all.extend(["--output-keys=unique_id", "--state", state.to_str().expect("a path")]);
        all.extend(["--resource-type=model", "--resource-type=seed", "--resource-type=snapshot"]);
        let done = self.shop.bare_dbt(&all);
        done.expect_code(0);
        done.stdout.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()
    }
}

fn number(name: &str, default: u64) -> u64 {
    variable(name).map_or(default, |text| text.to_string_lossy().parse().expect("a number"))
}

#[test]
fn whenever_dbt_would_be_spared_dbt_itself_selects_nothing() {
    let Some(shop) = populated() else { return };
    let original = |file: &str| fs::read(shop.project().join(file)).ok();
    let originals = FILES.iter().map(|(file, _)| (*file, original(file))).collect();
    let random = number("SKIP_SEED", 0x5eed);
    let mut world = World { shop, originals, edited: BTreeMap::new(), random };
    assert!(world.is_spared(), "a complete run vouches for nothing");
    let edits = number("SKIP_EDITS", 60);
    let (mut asked, mut spared, mut history) = (0, 0, Vec::new());
    for _ in 0..edits {
        history.push(world.edit());
        let is_spared = world.is_spared();
        assert!(is_spared || !world.edited.is_empty(), "dbt is started for nothing: {history:#?}");
        if !is_spared {
            continue;
        }
        spared += 1;
        if !world.edited.is_empty() || asked < ASKED.max(edits / 20) {
            asked += 1;
            assert_eq!(world.selected(), Vec::<String>::new(), "{history:#?}");
        }
    }
    assert!(spared > 3, "the edits tried nothing: {history:#?}");
}
