//! Versions of dbt, and their order.

use std::fmt;

/// A version of dbt; earlier ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub(super) release: [u32; 3],
    pub(super) stage: ReleaseStage,
    /// Of the stage: 4 in `2.0.0a4`.
    pub(super) number: u32,
}

/// How far a version has come, in the order of PEP 440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReleaseStage {
    Dev,
    Alpha,
    Beta,
    Candidate,
    Final,
}

impl Version {
    /// Understands PEP 440 (`1.12.0b1`, `2.0.0a4`, `2.0.0.dev30`), as Python distributions are
    /// named, and Semantic Versioning (`2.0.0-alpha.4`, `2.0.0-preview.196`), as dbt v2 calls
    /// itself. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split('+').next()?;
        let end = text.find(|letter: char| letter != '.' && !letter.is_ascii_digit());
        let (numbers, rest) = text.split_at(end.unwrap_or(text.len()));
        let numbers: Option<Vec<u32>> =
            numbers.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect();
        let release = match *numbers? {
            [major, minor] => [major, minor, 0],
            [major, minor, patch, ..] => [major, minor, patch],
            _ => return None,
        };
        let (stage, number) = stage(rest)?;
        Some(Self { release, stage, number })
    }

    pub(super) fn minor(self) -> [u32; 2] {
        let [major, minor, _] = self.release;
        [major, minor]
    }

    pub(super) fn is_v1(self) -> bool {
        self.minor() < [2, 0]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.release;
        write!(f, "{major}.{minor}.{patch}")?;
        match self.stage {
            ReleaseStage::Dev => write!(f, ".dev{}", self.number),
            ReleaseStage::Alpha => write!(f, "a{}", self.number),
            ReleaseStage::Beta => write!(f, "b{}", self.number),
            ReleaseStage::Candidate => write!(f, "rc{}", self.number),
            ReleaseStage::Final => Ok(()),
        }
    }
}

/// The stage that is written behind the release, such as `a4`, `-alpha.4` or `.dev30`.
fn stage(written: &str) -> Option<(ReleaseStage, u32)> {
    let is_separator = |letter| matches!(letter, '.' | '-' | '_');
    let written = written.trim_start_matches(is_separator).to_ascii_lowercase();
    let end = written.find(|letter: char| !letter.is_ascii_alphabetic());
    let (name, rest) = written.split_at(end.unwrap_or(written.len()));
    let digits = rest.trim_start_matches(is_separator);
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let number = digits.get(..end)?.parse().unwrap_or(0);
    match name {
        "dev" => Some((ReleaseStage::Dev, number)),
        "a" | "alpha" => Some((ReleaseStage::Alpha, number)),
        "b" | "beta" => Some((ReleaseStage::Beta, number)),
        "c" | "rc" | "pre" | "preview" => Some((ReleaseStage::Candidate, number)),
        // A post-release differs from its release in packaging alone.
        "post" => Some((ReleaseStage::Final, 0)),
        "" if rest.is_empty() => Some((ReleaseStage::Final, 0)),
        _ => None,
    }
}
