//! The state volume without dbt, for the tests that kill it, cut its power and mount odd
//! things: `volume look DIR`, `volume commit DIR NODE [wait]`, `volume lock DIR SECONDS`.
//!
//! `commit` makes a manifest with one node the baseline; with `wait`, it prints `reserved` and
//! reads a line in between, where dbt would run. `lock` prints `locked` and holds the lock
//! until its standard input ends. The exit codes are those of dbt-entrypoint.

use dbt_entrypoint::dbt::profile::Identity;
use dbt_entrypoint::decide::record::{FORMAT, Record};
use dbt_entrypoint::decide::retention::Retention;
use dbt_entrypoint::environment::of_this_process;
use dbt_entrypoint::exit::Failure;
use dbt_entrypoint::store::{Commit, Locked, Store};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn main() -> ExitCode {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["look", dir] => look(Path::new(dir)),
        ["commit", dir, node, wait @ ..] => commit_one(Path::new(dir), node, wait),
        ["lock", dir, seconds] => hold(Path::new(dir), seconds),
        _ => Err(Failure::usage(anyhow::anyhow!("look DIR | commit DIR NODE [wait] | lock DIR S"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::error!("{failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// A closed standard output changes nothing.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn look(dir: &Path) -> Result<(), Failure> {
    let store = Store::at(dir).map_err(Failure::refused)?;
    say(&format!("{:?}", store.place(&of_this_process())));
    let stored = store.look().map_err(Failure::refused)?;
    say(&format!("{:?} {:?}", stored.found, stored.record.map(|record| record.tool)));
    Ok(())
}

fn commit_one(dir: &Path, node: &str, wait: &[&str]) -> Result<(), Failure> {
    let locked = locked(dir, "volume commit", Duration::ZERO, &mut |_| None)?;
    let reservation = locked.reserve(1 << 16)?;
    if wait == ["wait"] {
        say("reserved");
        let _ = io::stdin().read_line(&mut String::new());
    }
    let text = format!(
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}},
        "nodes": {{"{node}": {{"raw_code": "{}"}}}}, "sources": {{}}, "macros": {{}}, "docs": {{}},
        "exposures": {{}}, "metrics": {{}}}}"#,
        "select 1 ".repeat(5000)
    );
    let (identity, nodes, left) = (Identity::default(), BTreeMap::new(), BTreeMap::new());
    // The record tells the node too, so that a manifest with the wrong record is noticed.
    let (tool, salt) = (node.to_owned(), "00".to_owned());
    let record = Record {
        format: FORMAT,
        tool,
        written_at: 0,
        identity,
        salt,
        nodes,
        left,
        dropped: BTreeMap::new(),
        settled: None,
        verified_at: None,
        populating: false,
        origin: None,
    };
    let next = Commit {
        manifest: &mut |out: &mut dyn Write| out.write_all(text.as_bytes()),
        record: &record,
        retention: Retention::default(),
        replaces: None,
        is_change: true,
        owes_publish: false,
    };
    locked.commit(reservation, next)?;
    Ok(())
}

fn locked(
    dir: &Path,
    what: &str,
    timeout: Duration,
    wait: &mut dyn FnMut(Duration) -> Option<Signal>,
) -> Result<Locked, Failure> {
    Store::at(dir).map_err(Failure::refused)?.lock(what, timeout, wait)
}

fn hold(dir: &Path, seconds: &str) -> Result<(), Failure> {
    let signals = signals().map_err(|error| Failure::internal(error.to_string()))?;
    let timeout = Duration::from_secs_f64(seconds.parse().unwrap_or(0.0));
    let mut wait = |pause| signals.recv_timeout(pause).ok();
    let _locked = locked(dir, "volume lock", timeout, &mut wait)?;
    say("locked");
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    Ok(())
}

fn signals() -> io::Result<Receiver<Signal>> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for signal in signals.forever().filter_map(|signal| Signal::try_from(signal).ok()) {
            let _ = sender.send(signal);
        }
    });
    Ok(receiver)
}
