//! The command that needs no dbt: every input is as it was, and nothing is left to build.
//!
//! The inputs are read before dbt starts, and once more when it has read them or has ended: what
//! changed in between vouches for nothing.

use super::artifacts;
use super::open::Opened;
use super::start::Started;
use crate::dbt::command::{Command, Opt};
use crate::dbt::manifest::Manifest;
use crate::dbt::reads::{is_momentary, is_momentary_yaml};
use crate::decide::settle::{self, Completion, CurrentInputs, Verdict};
use crate::decide::start::Approach;
use crate::decide::warm::InputsApart;
use crate::exit::Failure;
use crate::os::inputs::{self, Contents, Places};
use crate::os::installation::Installation;
use crate::say;
use crate::session::Session;
use crate::store::Store;
use crate::trees::IntoTree;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a dbt command reads, from where.
pub(super) struct Watch<'a> {
    session: &'a Session,
    store: &'a Store,
    here: PathBuf,
    words: Vec<OsString>,
}

impl<'a> Watch<'a> {
    /// # Errors
    /// The command depends on more than can be watched.
    fn of(session: &'a Session, store: &'a Store) -> Result<Self> {
        let command = &session.asked.command;
        refuse_unwatchable(command)?;
        let here = Path::new(".").canonicalize().context("the working directory")?;
        Ok(Self { session, store, here, words: command.as_parse() })
    }

    /// `lately` is an installation that was looked at again, for a second look at everything.
    fn places<'p>(&'p self, lately: Option<&'p Installation>, salt: &'p str) -> Places<'p> {
        let Session { project, config, installation, asked, .. } = self.session;
        Places {
            here: &self.here,
            project,
            written: [&asked.target_path, &asked.log_path],
            state: self.store.path(),
            installation: lately.unwrap_or(installation),
            environment: &config.environment,
            words: &self.words,
            salt,
            is_first_look: lately.is_none(),
        }
    }

    /// Do some work, and read meanwhile what dbt would read.
    pub(super) fn read_while<T>(
        session: &'a Session,
        store: &'a Store,
        work: impl FnOnce() -> T,
    ) -> (T, Result<Contents>) {
        match Self::of(session, store) {
            Ok(watch) => inputs::read_while(&watch.places(None, ""), work),
            Err(why) => (work(), Err(why)),
        }
    }
}

fn refuse_unwatchable(command: &Command) -> Result<()> {
    if let Some(flag) = command.unreal_option() {
        bail!("with {flag}, dbt does not build what it builds otherwise");
    }
    if command.refreshes() {
        bail!("--full-refresh asks for a build whatever has changed");
    }
    if command.value(Opt::DeferState).is_some() {
        bail!("--defer-state names files of another place");
    }
    Ok(())
}

/// The digests of the inputs before dbt was started; none where they cannot be established, or
/// did not stay so.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    inputs: Option<CurrentInputs>,
    /// Why they cannot be established, although the command itself would allow it.
    pub(super) doubt: Option<String>,
}

/// The same, once it is known that nothing moved while dbt read.
#[derive(Debug, Clone, Default)]
pub(super) struct Confirmed(Option<CurrentInputs>);

impl Seen {
    /// The digests, by kind, of what may change while dbt runs: not its command line, nor its
    /// environment.
    pub(super) fn files(&self) -> Option<BTreeMap<String, String>> {
        let all = self.inputs.as_ref()?.inputs.iter();
        let files = all.filter(|(kind, _)| !["command", "environment"].contains(&kind.as_str()));
        Some(files.map(|(kind, digest)| (kind.clone(), digest.clone())).into_tree())
    }
}

impl Confirmed {
    /// Whether nothing moved.
    pub(super) fn is_given(&self) -> bool {
        self.0.is_some()
    }
}

impl Opened<'_> {
    /// The digests of what was read before anything was started.
    pub(super) fn seen(&self, approach: Approach) -> Seen {
        let command = match approach {
            Approach::AsGiven => None,
            Approach::Everything | Approach::Changed | Approach::Narrowed => {
                Some(self.command_key())
            }
        };
        match self.digests() {
            Ok(inputs) => Seen { inputs: Some(CurrentInputs { inputs, command }), doubt: None },
            Err(why) => {
                let is_watchable = refuse_unwatchable(&self.session.command).is_ok();
                let is_doubtful = is_watchable && command.is_some() && self.baseline.exists();
                say::inputs_unknown(&why, is_doubtful);
                Seen { inputs: None, doubt: is_doubtful.then(|| format!("{why:#}")) }
            }
        }
    }

    /// The same for every command: what is asserted leaves nothing to build. Nothing where dbt
    /// would parse something else than a build.
    pub(super) fn seen_for_all(&self) -> Seen {
        let command = Some(settle::ANY_COMMAND.to_owned());
        let inputs = self.digests().ok().map(|inputs| CurrentInputs { inputs, command });
        Seen { inputs, doubt: None }
    }

    /// Whether dbt would read the same files as when these were digested ([`Seen::files`]).
    pub(super) fn still_reads(&self, then: &BTreeMap<String, String>) -> bool {
        let now =
            self.digests().inspect_err(|why| say::inputs_unknown(why, false)).unwrap_or_default();
        let now = now.into_iter().filter(|(kind, _)| then.contains_key(kind)).into_tree();
        if now != *then {
            say::changed_since_killed(&settle::changed_kinds(then, &now));
        }
        now == *then
    }

    fn digests(&self) -> Result<BTreeMap<String, String>> {
        let contents = self.inputs.as_ref().map_err(|why| anyhow!("{why:#}"))?;
        let watch = Watch::of(self.session, self.access.store())?;
        Ok(contents.digests(&watch.places(None, &self.baseline.salt)))
    }

    /// What was read before anything was started, with these files apart from all others.
    pub(super) fn inputs_apart(&self, paths: &BTreeSet<String>) -> Result<InputsApart> {
        let contents = self.inputs.as_ref().map_err(|why| anyhow!("{why:#}"))?;
        let watch = Watch::of(self.session, self.access.store())?;
        Ok(contents.apart(&watch.places(None, &self.baseline.salt), paths))
    }

    fn command_key(&self) -> String {
        let Session { asked, config, .. } = self.session;
        let mut words = asked.command.words().to_vec();
        words.push(format!("only-changed {}", config.only_changed).into());
        inputs::words(&self.baseline.salt, &words)
    }

    /// Read the inputs again. What moved since vouches for nothing.
    pub(super) fn confirm(&self, seen: &Seen) -> Confirmed {
        let Some(looked) = &seen.inputs else { return Confirmed(None) };
        match self.look_again() {
            Ok((now, _)) if now == looked.inputs => Confirmed(Some(looked.clone())),
            Ok((now, _)) => {
                say::inputs_changed(&settle::changed_kinds(&looked.inputs, &now));
                Confirmed(None)
            }
            Err(why) => {
                say::inputs_unknown(&why, false);
                Confirmed(None)
            }
        }
    }

    /// What dbt would read by now, with the digests.
    fn look_again(&self) -> Result<(BTreeMap<String, String>, Contents)> {
        let Session { installation, config, .. } = self.session;
        let lately = Installation::look(installation.program().to_owned(), &config.environment);
        let watch = Watch::of(self.session, self.access.store())?;
        let places = watch.places(Some(&lately), &self.baseline.salt);
        let contents = inputs::look(&places)?;
        Ok((contents.digests(&places), contents))
    }

    /// Whether a value in the YAML of the project, its packages and its profile, or in the words of
    /// the command, may be another one in each parse.
    ///
    /// # Errors
    /// That cannot be told, or the project is not as it was before anything was started.
    pub(super) fn has_momentary_values(&self) -> Result<bool> {
        let (now, contents) = self.look_again()?;
        ensure!(now == self.digests()?, "something changed meanwhile");
        let mut words = self.session.command.as_parse().into_iter();
        Ok(words.any(|word| is_momentary(&word.to_string_lossy()))
            || contents.any_yaml(is_momentary_yaml)?)
    }

    /// Note in the baseline with which inputs this command leaves nothing to build.
    pub(super) fn settle(&mut self, confirmed: &Confirmed, ending: &Completion) {
        let command = &self.session.command;
        let waiting = settle::pending_for(&self.baseline.nodes, |kind| command.builds(kind));
        let looked = confirmed.0.as_ref();
        self.baseline.settled = looked.and_then(|looked| {
            settle::settled_after(self.baseline.settled.as_ref(), looked, ending, waiting)
        });
    }

    /// Whether dbt could not find anything to build.
    pub(super) fn is_unchanged(&self, seen: &Seen, approach: Approach) -> bool {
        let Some(looked) = seen.inputs.as_ref().filter(|_| approach.is_compared()) else {
            return false;
        };
        let Self { session, baseline, .. } = self;
        let builds = |kind: &str| session.command.builds(kind);
        match settle::verdict(baseline.settled.as_ref(), looked, &baseline.nodes, builds) {
            Verdict::Skip => !session.config.always_start,
            Verdict::Start(reason) => {
                say::why_dbt_starts(&reason);
                false
            }
        }
    }
}

impl Started<'_> {
    /// Without dbt: how many nodes the project has that can be built, and those that have to be built
    /// but not by this command.
    ///
    /// # Errors
    /// 78 where the baseline cannot be read.
    pub(crate) fn without_dbt(&mut self) -> Result<(usize, Vec<String>), Failure> {
        self.opened.read_baseline()?;
        let text = self.opened.baseline.manifest.as_deref().map_or("", String::as_str);
        let graph = Manifest::read(text).map_err(Failure::refused)?.graph();
        let waiting =
            settle::pending_for(&self.opened.baseline.nodes, |kind| !kind.ends_with("test"));
        let absent = waiting.iter().filter(|id| graph.role(id).is_none()).count();
        Ok((graph.count_built() + absent, waiting.into_iter().collect()))
    }

    /// End without dbt; what waits for another command is reported all the same.
    pub(crate) fn finish_without_dbt(&self) -> u8 {
        say::dbt_not_needed();
        artifacts::leave_empty_results(self.opened.session);
        let command = &self.opened.session.command;
        let nodes = &self.opened.baseline.nodes;
        let waiting = settle::pending_for(nodes, |kind| !kind.ends_with("test"));
        let why = |id: &String| nodes.get(id).and_then(|node| node.pending.clone());
        let waiting = waiting.iter().map(|id| (id, why(id).unwrap_or_else(|| "half made".into())));
        let is_built = |id: &str| id.split('.').next().is_some_and(|kind| command.builds(kind));
        say::left_for_later(&waiting.collect::<Vec<_>>(), is_built, command.subcommand());
        0
    }
}
