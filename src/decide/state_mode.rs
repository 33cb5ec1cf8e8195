//! `--state-mode`: who may read the state volume besides its owner.

use anyhow::{Result, bail};

/// The mode of the files on the volume that hold neither a salt nor a log of dbt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateMode(u32);

impl StateMode {
    /// Read a mode, such as `0640`.
    ///
    /// # Errors
    /// It is not octal, it would let everybody write, or it would lock out the owner.
    pub fn read(text: &str) -> Result<Self> {
        let is_octal = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal && text.len() >= 3);
        let Some(mode) = mode.filter(|mode| *mode <= 0o777) else {
            bail!("{text:?} is not an octal mode such as 0640");
        };
        if mode & 0o600 != 0o600 {
            bail!("with {text}, the owner could not read and write the state");
        }
        if mode & 0o022 != 0 {
            bail!("with {text}, others than the owner could write the state");
        }
        if mode & 0o111 != 0 {
            bail!(
                "with {text}, files could be executed; directories get their x bits by themselves"
            );
        }
        Ok(Self(mode))
    }

    /// The mode of a file.
    #[must_use]
    pub fn of_file(self) -> u32 {
        self.0
    }

    /// The bits that a directory needs so that whoever may read its files can reach them.
    #[must_use]
    pub fn of_directory(self) -> u32 {
        self.0 | (self.0 & 0o444) >> 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_can_be_entered_by_those_who_may_read() {
        for (text, file, directory) in
            [("0640", 0o640, 0o750), ("600", 0o600, 0o700), ("0644", 0o644, 0o755)]
        {
            let mode = StateMode::read(text).unwrap();
            assert_eq!((mode.of_file(), mode.of_directory()), (file, directory), "{text}");
        }
    }

    #[test]
    fn a_mode_that_opens_the_state_or_locks_its_owner_out_is_refused() {
        for (text, words) in [
            ("0642", "others than the owner could write"),
            ("0660", "others than the owner could write"),
            ("0666", "others than the owner could write"),
            ("0440", "the owner could not"),
            ("0240", "the owner could not"),
            ("0750", "files could be executed"),
            ("4640", "is not an octal mode"),
            ("0680", "is not an octal mode"),
            ("+640", "is not an octal mode"),
            ("64", "is not an octal mode"),
            ("u=rw", "is not an octal mode"),
        ] {
            let error = StateMode::read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
