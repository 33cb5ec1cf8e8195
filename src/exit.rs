//! Exit codes, and what we say when we end with one of our own.
//!
//! This is the only place that knows a code. dbt's own codes (0, 1, 2) and death by signal
//! (128+n) pass through. Everything that only we can say has a code of `sysexits.h` that dbt
//! never uses, except the answers of our verbs, which follow [`CHANGES`].

use nix::sys::signal::Signal;
use std::fmt;

/// `plan` found something to build, or `verify` something missing.
pub const CHANGES: u8 = 10;

/// `plan` found nothing to build, and tests to run.
const TESTS: u8 = 11;

const USAGE: u8 = 64;
const INTERNAL: u8 = 70;
const UNWRITABLE: u8 = 73;
const NOT_SAVED: u8 = 74;
const TRY_AGAIN: u8 = 75;
const OVER_BUDGET: u8 = 77;
const REFUSED: u8 = 78;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNAL: u8 = 128;

/// Every exit code, its meaning in one line, and whether trying again may help, for `--help` and the
/// documents.
pub const CODES: [(&str, &str, &str); 15] = [
    ("0", "success; also if there was nothing to build", "–"),
    ("1", "dbt: a node or a test failed; what was built is recorded", "after a fix"),
    ("2", "dbt: it could not run, or was interrupted; what was built is recorded", "after a fix"),
    (
        "10",
        "`plan`: there is something to build; `verify`: something is missing; `orphans`: there are some",
        "–",
    ),
    ("11", "`plan` only: nothing to build, but tests that failed or changed have to run", "–"),
    ("64", "wrong usage: an option, a variable or a value", "no"),
    ("70", "a bug in dbt-entrypoint; please report it", "–"),
    ("73", "the state directory cannot be written, or is full; nothing was run", "no"),
    (
        "74",
        "dbt succeeded, but the baseline could not be saved, or is not what it should be",
        "yes",
    ),
    (
        "75",
        "another run held the state for longer than `--lock-timeout`, or the mount has ended",
        "yes",
    ),
    ("77", "the plan exceeds the rebuild budget; nothing was run", "no"),
    (
        "78",
        "refused: state missing, damaged or foreign, or no usable project; nothing was run",
        "no",
    ),
    ("126", "dbt cannot be executed", "no"),
    ("127", "dbt was not found", "no"),
    ("128+n", "ended by signal n", "yes"),
];

/// The exit code of a process that a signal ended.
#[must_use]
pub fn of_signal(signal: i32) -> u8 {
    SIGNAL.saturating_add(u8::try_from(signal).unwrap_or(0))
}

/// The answer of `plan` to so many nodes to build, and so many tests to run.
#[must_use]
pub fn of_plan(nodes: usize, tests: usize) -> u8 {
    match (nodes, tests) {
        (0, 0) => 0,
        (0, _) => TESTS,
        _ => CHANGES,
    }
}

/// How a run ended, in one word or two. A run that built nothing and ended with a code of ours
/// was refused.
#[must_use]
pub fn verdict(code: u8, built_nothing: bool) -> &'static str {
    match code {
        0 => "succeeded",
        NOT_SAVED => "not saved",
        UNWRITABLE..=REFUSED if built_nothing => "refused",
        code if code > SIGNAL => "stopped",
        _ => "failed",
    }
}

/// What was found, what it means, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    found: String,
    meaning: Option<String>,
    remedies: Vec<String>,
}

impl Refusal {
    /// What was found, in one sentence without a full stop.
    pub fn new(found: impl Into<String>) -> Self {
        Self { found: found.into(), meaning: None, remedies: Vec::new() }
    }

    /// What that means for the warehouse or the run.
    #[must_use]
    pub fn meaning(self, meaning: impl Into<String>) -> Self {
        Self { meaning: Some(meaning.into()), ..self }
    }

    /// A command to type or a step to take; the best comes first.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedies.push(remedy.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found)?;
        self.meaning.iter().try_for_each(|meaning| write!(f, "\n  {meaning}"))?;
        if !self.remedies.is_empty() {
            f.write_str("\n  what to do:")?;
        }
        self.remedies.iter().try_for_each(|remedy| write!(f, "\n    {remedy}"))
    }
}

impl std::error::Error for Refusal {}

impl From<String> for Refusal {
    fn from(found: String) -> Self {
        Self::new(found)
    }
}

impl From<&str> for Refusal {
    fn from(found: &str) -> Self {
        Self::new(found)
    }
}

/// A refusal that went up as an error keeps its meaning and its remedies; the contexts that were
/// added on the way stand before what was found.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        let inner = error.chain().find_map(|cause| cause.downcast_ref::<Self>());
        let Some(inner) = inner.cloned() else { return Self::new(format!("{error:#}")) };
        let contexts: Vec<String> = error
            .chain()
            .take_while(|cause| !cause.is::<Self>())
            .map(ToString::to_string)
            .chain([inner.found.clone()])
            .collect();
        Self { found: contexts.join(": "), ..inner }
    }
}

/// Why we end without dbt's own exit code.
#[derive(Debug)]
pub enum Failure {
    /// A code of ours with what was found.
    Own(u8, Refusal),
    /// A signal asked us to stop before there was a child to pass it to.
    Stopped(Signal),
}

impl Failure {
    /// 64: the command line or a variable of ours is wrong.
    pub fn usage(refusal: impl Into<Refusal>) -> Self {
        Self::Own(USAGE, refusal.into())
    }

    /// 70: a bug of ours, or a system call that failed where it never should.
    pub fn internal(refusal: impl Into<Refusal>) -> Self {
        Self::Own(INTERNAL, refusal.into())
    }

    /// 73: the state directory cannot be written (permission, read-only, full).
    pub fn unwritable(refusal: impl Into<Refusal>) -> Self {
        Self::Own(UNWRITABLE, refusal.into())
    }

    /// 74: dbt succeeded, but the baseline could not be saved.
    pub fn not_saved(refusal: impl Into<Refusal>) -> Self {
        Self::Own(NOT_SAVED, refusal.into())
    }

    /// 75: another process held the lock for longer than `--lock-timeout`, or began meanwhile; or the
    /// program that serves the mount has ended.
    pub fn try_again(refusal: impl Into<Refusal>) -> Self {
        Self::Own(TRY_AGAIN, refusal.into())
    }

    /// 77: the plan exceeds the rebuild budget; nothing was run.
    pub fn over_budget(refusal: impl Into<Refusal>) -> Self {
        Self::Own(OVER_BUDGET, refusal.into())
    }

    /// 78: state missing, damaged or foreign, or a configuration that cannot be used.
    pub fn refused(refusal: impl Into<Refusal>) -> Self {
        Self::Own(REFUSED, refusal.into())
    }

    /// 126: the program was found but cannot be executed.
    pub fn not_executable(refusal: impl Into<Refusal>) -> Self {
        Self::Own(NOT_EXECUTABLE, refusal.into())
    }

    /// 127: the program was not found.
    pub fn not_found(refusal: impl Into<Refusal>) -> Self {
        Self::Own(NOT_FOUND, refusal.into())
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Own(code, _) => *code,
            Self::Stopped(signal) => of_signal(*signal as i32),
        }
    }
}

/// A bug is never returned but ends the process where it is found: the exit code of the panic hook.
#[must_use]
pub fn of_a_bug() -> u8 {
    INTERNAL
}

/// The exit code of an ended run, and the reason where the code is not dbt's.
#[must_use]
pub fn code_and_reason(ended: &Result<u8, Failure>) -> (u8, Option<String>) {
    match ended {
        Ok(code) => (*code, None),
        Err(failure) => (failure.code(), Some(failure.to_string())),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(_, refusal) => refusal.fmt(f),
            Self::Stopped(signal) => write!(f, "stopped by {signal} before anything was started"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_refusal_says_what_was_found_what_it_means_and_what_to_do() {
        let refusal = Refusal::new("found").meaning("meaning").remedy("one").remedy("two");
        let text = "found\n  meaning\n  what to do:\n    one\n    two";
        assert_eq!(refusal.to_string(), text);
        assert_eq!(Refusal::new("found").to_string(), "found");
    }

    #[test]
    fn a_refusal_keeps_its_remedies_below_any_number_of_contexts() {
        let refusal = Refusal::new("found").remedy("one");
        let error = anyhow::Error::from(refusal).context("inner").context("outer");
        let expected = Refusal::new("outer: inner: found").remedy("one");
        assert_eq!(Refusal::from(error), expected);
        let plain: anyhow::Result<()> = Err(anyhow::anyhow!("root")).context("outer");
        assert_eq!(Refusal::from(plain.unwrap_err()), Refusal::new("outer: root"));
    }

    #[test]
    fn every_code_that_a_failure_can_have_is_in_the_table() {
        let failures = [
            Failure::usage(""),
            Failure::internal(""),
            Failure::unwritable(""),
            Failure::not_saved(""),
            Failure::try_again(""),
            Failure::over_budget(""),
            Failure::refused(""),
            Failure::not_executable(""),
            Failure::not_found(""),
        ];
        for code in failures.iter().map(Failure::code).chain([CHANGES, of_a_bug()]) {
            assert!(CODES.iter().any(|(known, ..)| *known == code.to_string()), "{code}");
        }
        assert_eq!(Failure::Stopped(Signal::SIGTERM).code(), 143);
    }

    #[test]
    fn the_verdict_follows_from_the_exit_code() {
        let codes = [0, 1, 2, 70, 73, 74, 75, 77, 78, 137, 143];
        let [ok, failed, refused, stopped] = ["succeeded", "failed", "refused", "stopped"];
        let expected = [
            ok,
            failed,
            failed,
            failed,
            refused,
            "not saved",
            refused,
            refused,
            refused,
            stopped,
            stopped,
        ];
        assert_eq!(codes.map(|code| verdict(code, true)), expected);
        assert_eq!(verdict(73, false), failed);
    }
}
