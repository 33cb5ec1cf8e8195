//! Somebody drops, renames, replaces and restores relations at random behind the program's back. After
//! a look and a run, the warehouse holds what a build from scratch would put there.
//!
//! `VERIFY_SEED` and `VERIFY_ROUNDS` ask for other and longer histories.

use crate::support::clickhouse::Aspects;
use crate::support::shop::ALL;
use crate::support::{Done, Shop, variable};

/// A small generator of random numbers (xorshift), so that a seed tells the whole history.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("small")).expect("small")
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all.get(self.below(all.len())).expect("one of them")
    }
}

fn number(name: &str) -> Option<u64> {
    variable(name).and_then(|number| number.to_str()?.parse().ok())
}

/// A warehouse in which everything was built.
enum World {
    Shop(Shop),
    ClickHouse(Aspects),
}

impl World {
    fn run(&self, words: &[&str]) -> Done {
        match self {
            Self::Shop(shop) => shop.run(words),
            Self::ClickHouse(aspects) => aspects.run(words),
        }
    }

    fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Shop(_) => &ALL,
            Self::ClickHouse(_) => &[
                "xapi.course_names",
                "xapi.enrollments",
                "xapi.video_plays",
                "reports.course_activity",
                "reports.learners",
            ],
        }
    }

    /// `table`, `view` or `dictionary`; empty if it is not there.
    fn kind(&self, name: &str) -> String {
        let kind = match self {
            Self::Shop(shop) => shop.query(&format!(
                "select lower(replace(table_type, 'BASE ', '')) from information_schema.tables \
                 where table_name = '{name}'"
            )),
            Self::ClickHouse(aspects) => aspects.query(&format!(
                "select multiIf(engine = 'View', 'view', engine = 'Dictionary', 'dictionary', 'table') \
                 from system.tables where concat(database, '.', name) = '{name}'"
            )),
        };
        kind.trim().to_owned()
    }

    /// Every row of every relation of the project.
    fn content(&self) -> Vec<String> {
        let rows = |name: &&str| match self {
            Self::Shop(shop) => shop.query(&format!(
                "select '{name}', count(*), md5(string_agg(cast(t as varchar), ',' \
                 order by cast(t as varchar))) from {name} t"
            )),
            Self::ClickHouse(aspects) => {
                aspects.query(&format!("select '{name}', * from {name} order by all"))
            }
        };
        self.names().iter().map(rows).collect()
    }

    fn execute(&self, statements: &[String]) {
        match self {
            Self::Shop(shop) => drop(shop.query(&format!("{}; select 1", statements.join("; ")))),
            Self::ClickHouse(aspects) => {
                statements.iter().for_each(|statement| drop(aspects.query(statement)));
            }
        }
    }

    /// Statements that do something to this relation.
    fn tampering(&self, name: &str, kind: &str, what: usize) -> Vec<String> {
        let other = if kind == "view" { "table" } else { "view" };
        let (cascade, engine) = match self {
            Self::Shop(_) => (" cascade", ""),
            Self::ClickHouse(_) if other == "table" => ("", " engine = Memory"),
            Self::ClickHouse(_) => ("", ""),
        };
        let rename = |from: &str, to: &str| match self {
            Self::Shop(_) => format!("alter {kind} {from} rename to {to}"),
            Self::ClickHouse(_) => {
                let word = if kind == "dictionary" { "dictionary" } else { "table" };
                format!("rename {word} {from} to {to}")
            }
        };
        let aside = name
            .rsplit_once('.')
            .map_or_else(|| "aside".to_owned(), |(schema, _)| format!("{schema}.aside"));
        match what {
            // dbt-clickhouse cannot put a dictionary in the place of a table or a view.
            2 if kind == "dictionary" => vec![format!("drop {kind} {name}")],
            0 => vec![format!("drop {kind} {name}{cascade}")],
            1 => vec![rename(name, &aside), format!("drop {kind} {aside}{cascade}")],
            2 => vec![
                format!("drop {kind} {name}{cascade}"),
                format!("create {other} {name}{engine} as select 1 as one"),
            ],
            // Restored: it is gone for a while, and back with its content.
            _ => vec![rename(name, &aside), rename(&aside, name)],
        }
    }
}

#[expect(clippy::print_stdout, reason = "a failure is found again by its seed")]
fn heals(world: Option<World>, rounds: u64) {
    let Some(world) = world else { return };
    let first = if matches!(world, World::Shop(_)) { "build" } else { "run" };
    world.run(&[first]).expect_code(0);
    let expected = world.content();
    let (seed, rounds) =
        (number("VERIFY_SEED").unwrap_or(1), number("VERIFY_ROUNDS").unwrap_or(rounds));
    let mut random = Random(88_172_645_463_325_252 ^ seed);
    for round in 0..rounds {
        let mut done = Vec::new();
        for _ in 0..=random.below(4) {
            let name = random.one_of(world.names());
            let kind = world.kind(name);
            let what = random.below(4);
            if !kind.is_empty() {
                let statements = world.tampering(name, &kind, what);
                world.execute(&statements);
                done.extend(statements);
            }
        }
        println!("seed {seed}, round {round}: {done:#?}");
        let looked = world.run(&["--max-missing", "100%", "verify", "--record"]);
        assert!([0, 10].contains(&looked.code), "{looked:#?}");
        let built = world.run(&[first]);
        assert_eq!(built.code, 0, "{done:#?}: {looked:#?} {built:#?}");
        assert_eq!(world.content(), expected, "{done:#?}");
        world.run(&["verify"]).expect_code(0);
        world.run(&[first]).expect_built(&[]);
    }
}

fn shop(version: &str) -> Option<World> {
    Shop::with_warm_dbt(version).map(World::Shop)
}

#[test]
fn duckdb_heals() {
    heals(shop("1.11"), 3);
}

#[test]
fn duckdb_heals_with_older_and_newer_versions_of_dbt() {
    for version in ["1.9", "1.12", "1.13"] {
        heals(shop(version), 1);
    }
}

#[test]
fn duckdb_heals_with_dbt_v2() {
    for version in ["v2", "v2rc"] {
        heals(shop(version), 1);
    }
}

#[test]
fn postgresql_heals() {
    heals(shop("postgres"), 2);
}

#[test]
fn clickhouse_heals() {
    heals(Aspects::new().map(World::ClickHouse), 2);
}
