//! The hook after a change of the baseline: lineage and documentation want the manifest too.
//!
//! A mark stands on the volume from before the change until the hook has succeeded, so that
//! what failed or was killed is made up for by the next run.

use super::Job;
use crate::exit::Failure;
use crate::os::program;
use crate::os::supervise::{Child, Policy, Stdout, Variables};
use crate::store::Locked;
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

impl Job<'_> {
    /// Run the hook if it is owed. Its failure is told, and changes nothing else.
    pub(crate) fn publish(&mut self) {
        let owed = self.held().is_some_and(Locked::is_publish_owed);
        let Some(hook) = self.config.publish.as_ref().filter(|_| owed) else { return };
        let published = |job: &Self| job.held().map_or(Ok(()), Locked::published);
        match self.run_hook(hook).and_then(|()| published(self)) {
            Ok(()) => log::info!("published: {}", hook.display()),
            Err(error) => log::error!(
                "--publish {}: {error:#}; the baseline is saved, and the next run publishes again",
                hook.display()
            ),
        }
    }

    fn run_hook(&mut self, hook: &OsStr) -> Result<()> {
        if self.supervisor.stop_requested().is_some() {
            bail!("we are being stopped");
        }
        let mut words = words(hook)?;
        let name = words.remove(0);
        let mut environment = self.config.environment.clone();
        let manifest = self.store().manifest_path().into_os_string();
        environment.insert("DBT_ENTRYPOINT_MANIFEST".into(), manifest);
        let told = |failure: Failure| anyhow::anyhow!("{failure}");
        let child = Child {
            program: program::find(&name, &environment).map_err(told)?,
            name,
            args: words,
            environment: Variables::These(&environment),
            stdout: Stdout::ToStderr,
            policy: Policy::dbt(self.config.stop_signal, self.config.stop_grace),
        };
        match self.supervisor.run(child).map_err(told)?.end.exit_code() {
            0 => Ok(()),
            code => bail!("it ended with {code}"),
        }
    }
}

/// Split at spaces, but not within single or double quotes; there is no shell.
fn words(hook: &OsStr) -> Result<Vec<OsString>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let (mut quote, mut within) = (None, false);
    for &byte in hook.as_bytes() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => {
                if !within {
                    words.push(Vec::new());
                }
                (quote, within) = (Some(byte), true);
            }
            (None, _) if byte.is_ascii_whitespace() => within = false,
            _ => {
                if !within {
                    words.push(Vec::new());
                }
                within = true;
                words.last_mut().context("a word")?.push(byte);
            }
        }
    }
    if quote.is_some() {
        bail!("a quotation mark is not closed");
    }
    if words.is_empty() {
        bail!("it names no command");
    }
    Ok(words.into_iter().map(OsString::from_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_split_at_spaces_outside_quotes() {
        let split = |hook: &str| words(OsStr::new(hook)).map_err(|error| error.to_string());
        let expected = ["sh", "-c", "a 'b' c", "", "d"].map(OsString::from).to_vec();
        assert_eq!(split("sh  -c \"a 'b' c\" '' d"), Ok(expected));
        assert_eq!(split("x'y z'"), Ok(vec!["xy z".into()]));
        assert!(split(" ").is_err() && split("'a").is_err());
    }
}
