//! One process at a time on a volume.
//!
//! The lock is flock(2) on `.dbt-entrypoint/lock`: the kernel releases it when its holder
//! dies, however that happens. The content of the file is for messages only and decides nothing:
//! two containers can have the same host name and the same pid.

mod question;

use super::CONTROL;
use super::dir::{Dir, OpenedFile};
use super::explained::{errno_of, unusable};
use super::rehearsal::ANOTHER;
use crate::exit::{Failure, Refusal};
use crate::os::clock::now;
use anyhow::{Context, Result, bail};
use nix::Error as Errno;
use nix::sys::signal::Signal;
use question::{LockAnswer, LockQuestion};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

const NAME: &str = "lock";

/// Between two attempts: from this, doubling, to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often a long wait is mentioned again.
const REMINDER: Duration = Duration::from_secs(300);

/// The lock, until this is dropped or we die.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Another descriptor of the lock, which is held until both are closed: flock(2) belongs to the
    /// open file, whichever process has it.
    pub(super) fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Who holds the lock, as the lock file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Holder {
    /// Host name; the container's id, or the pod's name.
    pub(crate) host: String,
    /// In its own pid namespace: often 1.
    pub(crate) pid: u32,
    /// Seconds since the epoch (UTC).
    pub(crate) since: u64,
    /// What it runs, without values that could be secrets: `dbt run`.
    pub(crate) command: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.is_empty() {
            return write!(f, "a process whose name cannot be read in the lock file");
        }
        let minutes = now().saturating_sub(self.since) / 60;
        write!(f, "{:?} on host {:?} (pid {}", self.command, self.host, self.pid)?;
        write!(f, ", for {minutes} min)")
    }
}

/// What an attempt came to.
enum Try {
    /// The lock is ours.
    Ours(Lock),
    /// Another process has it.
    Held(Holder),
    /// A signal or the timeout ended an attempt that got no answer.
    GaveUp(Failure),
}

/// One attempt. `command` is shown to whoever has to wait: the subcommand, never values. `patience`
/// passes some time where the file system does not answer, or says why to give up.
///
/// # Errors
/// When `.dbt-entrypoint` or the file in it cannot be made, or the file system has no locks.
fn try_take(
    dir: &Path,
    command: &str,
    patience: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<Try> {
    let state = Dir::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    let ours = state
        .enter_or_create(CONTROL)
        .with_context(|| format!("cannot use {}", dir.join(CONTROL).display()))?;
    let path = ours.path().join(NAME);
    loop {
        let mut file =
            ours.open_or_create(NAME).with_context(|| format!("cannot open {}", path.display()))?;
        let question = LockQuestion::ask(&file, File::try_lock)?;
        let answer = loop {
            if let Some(answer) = question.answer(LONGEST_PAUSE) {
                break answer;
            }
            if let Err(failure) = patience() {
                return Ok(Try::GaveUp(failure));
            }
        };
        match answer {
            LockAnswer::Ours => {}
            LockAnswer::Held => return Ok(Try::Held(holder(&mut file))),
            LockAnswer::Failed(error) => bail!(no_locks(error, &path)),
        }
        if is_still_named(&file, &path) {
            introduce(&mut file, command);
            return Ok(Try::Ours(Lock { file }));
        }
    }
}

fn no_locks(error: io::Error, path: &Path) -> anyhow::Error {
    let errno = errno_of(&error);
    let found = format!("cannot lock {}", path.display());
    match errno {
        Some(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            Refusal::new(format!("{found}: {error}"))
                .meaning("this file system cannot lock files (NFS without its lock service, or mounted with `nolock`)")
                .remedy(ANOTHER)
                .remedy("mount it with local locks (`local_lock=flock`), if only one container at a time uses it")
                .into()
        }
        _ => anyhow::Error::from(error).context(found),
    }
}

/// Who holds the lock now, without changing anything. Whoever does not answer within this time is
/// taken for a holder.
pub(super) fn holder_of(dir: &Path) -> Option<Holder> {
    let ours = Dir::open(dir).ok()?.enter(CONTROL).ok()?;
    let Ok(OpenedFile::File(mut file)) = ours.read(NAME) else { return None };
    match LockQuestion::ask(&file, File::try_lock_shared).ok()?.answer(LONGEST_PAUSE) {
        Some(LockAnswer::Held) | None => Some(holder(&mut file)),
        Some(LockAnswer::Ours | LockAnswer::Failed(_)) => None,
    }
}

/// A lock on a file that somebody removed or replaced meanwhile excludes nobody.
fn is_still_named(file: &File, path: &Path) -> bool {
    let (Ok(here), Ok(there)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (here.dev(), here.ino()) == (there.dev(), there.ino())
}

/// Write who we are into the lock file, for messages alone: on a full disk the lock holds without.
fn introduce(file: &mut File, command: &str) {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let holder = Holder {
        host: host.to_string_lossy().into_owned(),
        pid: std::process::id(),
        since: now(),
        command: command.to_owned(),
    };
    let text = serde_json::to_vec(&holder).unwrap_or_default();
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text));
    if let Err(error) = written {
        log::debug!("the lock does not say who holds it: {error}");
    }
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let _ = file.take(4096).read_to_string(&mut text);
    serde_json::from_str(&text).unwrap_or_default()
}

/// Take the lock, waiting up to `timeout` for whoever has it.
///
/// `wait` passes the given time, or less, and returns the signal that asks us to stop.
///
/// # Errors
/// [`Failure::try_again`] after `timeout`, [`Failure::Stopped`] on a signal,
/// [`Failure::unwritable`] where no lock can be had at all.
pub(super) fn acquire(
    dir: &Path,
    command: &str,
    timeout: Duration,
    wait: &mut dyn FnMut(Duration) -> Option<Signal>,
) -> Result<Lock, Failure> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut said: Option<(Holder, Instant)> = None;
    loop {
        let mut is_told = false;
        let mut patience = || {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Failure::try_again(unanswered(dir, timeout)));
            }
            if !is_told {
                let (dir, left) = (dir.display(), left.as_secs());
                log::warn!(
                    "waiting up to {left} s for the file system of {dir}, which does not answer whether the lock is free"
                );
                is_told = true;
            }
            wait(FIRST_PAUSE.min(left)).map_or(Ok(()), |signal| Err(Failure::Stopped(signal)))
        };
        let attempt = try_take(dir, command, &mut patience);
        let holder = match attempt.map_err(|error| unusable(error, dir))? {
            Try::Ours(lock) => return Ok(lock),
            Try::GaveUp(failure) => return Err(failure),
            Try::Held(holder) => holder,
        };
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Failure::try_again(timed_out(dir, &holder, timeout)));
        }
        said = Some(mention(said, holder, dir, left));
        if let Some(signal) = wait(pause.min(left)) {
            return Err(Failure::Stopped(signal));
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Log whom we wait for: at first, when the holder changes, and at every [`REMINDER`].
fn mention(
    said: Option<(Holder, Instant)>,
    holder: Holder,
    dir: &Path,
    left: Duration,
) -> (Holder, Instant) {
    match said {
        Some((before, at)) if before == holder && at.elapsed() < REMINDER => (before, at),
        _ => {
            let (dir, left) = (dir.display(), left.as_secs());
            log::info!("waiting up to {left} s for the state volume {dir}, in use by {holder}");
            (holder, Instant::now())
        }
    }
}

fn unanswered(dir: &Path, timeout: Duration) -> Refusal {
    let (dir, seconds) = (dir.display(), timeout.as_secs_f64());
    Refusal::new(format!(
        "the file system of {dir} did not answer whether the lock is free for the whole --lock-timeout of {seconds} s"
    ))
    .meaning("its lock service is down or cannot be reached; nothing was run")
    .remedy("start the lock service of the server (NFS 3: rpc.statd), or mount with NFS 4, which needs none")
    .remedy("dbt-entrypoint --lock-timeout 7200 …     (wait longer)")
}

fn timed_out(dir: &Path, holder: &Holder, timeout: Duration) -> Refusal {
    let (dir, seconds) = (dir.display(), timeout.as_secs_f64());
    Refusal::new(format!(
        "the state volume {dir} was in use by {holder} for the whole --lock-timeout of {seconds} s"
    ))
    .meaning("it may still be building, and two runs at once would overwrite each other's tables; nothing was run")
    .remedy("dbt-entrypoint status     (shows who holds the volume, and since when)")
    .remedy("dbt-entrypoint --lock-timeout 7200 …     (wait longer)")
    .remedy("stop the other process: what it has built stays recorded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(dir: &Path, command: &str) -> Result<Result<Lock, Holder>> {
        Ok(match try_take(dir, command, &mut || Ok(()))? {
            Try::Ours(lock) => Ok(lock),
            Try::Held(holder) => Err(holder),
            Try::GaveUp(failure) => panic!("{failure}"),
        })
    }

    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let _first = take(dir.path(), "dbt run").unwrap().unwrap();
        let holder = take(dir.path(), "dbt build").unwrap().unwrap_err();
        assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "dbt run"));
        assert!(holder.since > 0 && !holder.host.is_empty(), "{holder}");
    }

    #[test]
    fn a_released_lock_can_be_taken_again_whatever_its_file_says() {
        let dir = tempfile::tempdir().unwrap();
        drop(take(dir.path(), "a name that is much longer than the next").unwrap().unwrap());
        let _second = take(dir.path(), "b").unwrap().unwrap();
        assert_eq!(take(dir.path(), "c").unwrap().unwrap_err().command, "b");
    }

    #[test]
    fn a_lock_is_free_as_soon_as_it_is_released() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..1000 {
            assert!(take(dir.path(), "a").unwrap().is_ok(), "{round}");
        }
    }

    #[test]
    fn a_holder_that_says_nothing_sensible_still_holds() {
        let dir = tempfile::tempdir().unwrap();
        let _first = take(dir.path(), "a").unwrap().unwrap();
        fs::write(dir.path().join(CONTROL).join(NAME), "no json").unwrap();
        let holder = take(dir.path(), "b").unwrap().unwrap_err();
        assert!(holder.to_string().contains("cannot be read"), "{holder}");
    }

    #[test]
    fn a_lock_is_not_taken_through_a_symbolic_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(CONTROL)).unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "theirs").unwrap();
        symlink(&target, dir.path().join(CONTROL).join(NAME)).unwrap();
        assert!(take(dir.path(), "a").is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
    }

    #[test]
    fn waiting_ends_with_the_timeout_or_with_a_signal() {
        let dir = tempfile::tempdir().unwrap();
        let _first = take(dir.path(), "dbt run").unwrap().unwrap();
        let timed_out = acquire(dir.path(), "b", Duration::ZERO, &mut |_| None).unwrap_err();
        assert_eq!(timed_out.code(), 75);
        assert!(timed_out.to_string().contains("\"dbt run\" on host"), "{timed_out}");
        let mut asked = 0;
        let mut wait = |_| {
            asked += 1;
            (asked == 3).then_some(Signal::SIGTERM)
        };
        let stopped = acquire(dir.path(), "b", REMINDER, &mut wait).unwrap_err();
        assert_eq!((stopped.code(), asked), (143, 3));
    }

    #[test]
    fn waiting_ends_with_the_lock_when_the_holder_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Some(take(dir.path(), "a").unwrap().unwrap());
        let mut wait = |_| {
            first = None;
            None
        };
        assert!(acquire(dir.path(), "b", REMINDER, &mut wait).is_ok());
    }
}
