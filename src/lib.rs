//! Stands where `dbt` stood in a container, and rebuilds only what changed.
//!
//! ```text
//! argv + environment ─ cli ─▶ Config
//! Config ─ os::volume ─▶ Volume            what is on the mount: facts, damage included
//! Config + Volume ─ decide::plan ─▶ Plan   what to do, and why: a pure value
//! Plan ─ os::supervise ─▶ Outcome          dbt as a child: signals, reaping, exit
//! Volume + Outcome + dbt's artifacts ─ decide::baseline ─▶ next Baseline   pure
//! Baseline ─ os::commit ─▶ the volume      write, fsync, rename, fsync directory
//! ─▶ report, exit code
//! ```

pub mod exit;
pub mod dbt;
pub mod decide;
pub mod os;
