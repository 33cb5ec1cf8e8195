//! The command that needs no dbt: every input is as it was, and nothing waits.
//!
//! The inputs are read before dbt starts and once more when it has read them, or has ended: what
//! was changed in between vouches for nothing.

use super::Job;
use crate::cli::Config;
use crate::dbt::command::{Command, Flag, Opt};
use crate::decide::plan::Approach;
use crate::decide::record::Settled;
use crate::decide::skip::{self, Ending, Looked, Verdict};
use crate::environment::Environment;
use crate::exit::Failure;
use crate::graph::Graph;
use crate::os::inputs::{Contents, Places};
use crate::os::installation::Installation;
use crate::os::project::Project;
use crate::os::volume::{self, Stored};
use crate::os::{commit, inputs};
use crate::report;
use crate::trees::IntoTree;
use anyhow::{Context, Result, anyhow, bail};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What tells where dbt would read, besides the project and the volume.
pub(super) struct Watched<'a> {
    here: PathBuf,
    words: Vec<OsString>,
    installation: Cow<'a, Installation>,
    environment: &'a Environment,
}

impl<'a> Watched<'a> {
    /// # Errors
    /// Where what the command does depends on more than can be watched.
    pub(super) fn of(
        config: &'a Config,
        command: &Command,
        installation: Cow<'a, Installation>,
    ) -> Result<Self> {
        if let Some(flag) = command.unreal() {
            bail!("{flag} does not build the real thing");
        }
        if command.flag(Flag::FullRefresh) == Some(true) {
            bail!("--full-refresh is a wish of its own");
        }
        if command.value(Opt::DeferState).is_some() {
            bail!("--defer-state names files of another place");
        }
        let here = Path::new(".").canonicalize().context("the working directory")?;
        Ok(Self { here, words: command.as_parse(), installation, environment: &config.environment })
    }

    pub(super) fn places<'p>(
        &'p self,
        project: &'p Project,
        state: &'p Path,
        salt: &'p str,
    ) -> Places<'p> {
        let Self { here, words, installation, environment } = self;
        Places { here, project, state, installation, environment, words, salt }
    }
}

/// The volume, and meanwhile what dbt would read: both take milliseconds of one processor.
pub(super) fn look_at_both(
    config: &Config,
    command: &Command,
    dbt: &Installation,
    project: &Project,
    state: &Path,
) -> (Result<Stored>, Result<Contents>) {
    let watched = match Watched::of(config, command, Cow::Borrowed(dbt)) {
        Ok(watched) => watched,
        Err(why) => return (volume::glance(state), Err(why)),
    };
    inputs::read_while(&watched.places(project, state, ""), || volume::glance(state))
}

impl Job<'_> {
    /// Read what dbt would read, before anything is started; true if nothing need be.
    pub(super) fn look_at_inputs(&mut self, approach: &Approach) -> bool {
        let command = match approach {
            Approach::AsGiven => None,
            Approach::Everything | Approach::Changed | Approach::Narrowed => {
                Some(self.command_key())
            }
        };
        let inputs = match &self.contents {
            Some(Ok(contents)) => self.digests(contents),
            Some(Err(why)) => Err(anyhow!("{why:#}")),
            None => self.inputs_now(),
        };
        self.looked = match inputs {
            Ok(inputs) => Some(Looked { inputs, command }),
            Err(why) => {
                report::not_established(&why);
                None
            }
        };
        self.can_spare_dbt(approach)
    }

    fn command_key(&self) -> String {
        let mut words = self.command.words().to_vec();
        words.push(format!("only-changed {:?}", self.config.only_changed).into());
        inputs::words(&self.baseline.salt, &words)
    }

    fn digests(&self, contents: &Contents) -> Result<BTreeMap<String, String>> {
        let watched = Watched::of(self.config, self.command, Cow::Borrowed(self.dbt))?;
        contents.digests(&watched.places(&self.project, &self.state, &self.baseline.salt))
    }

    fn inputs_now(&self) -> Result<BTreeMap<String, String>> {
        let program = self.dbt.program().to_owned();
        let again = Installation::look(program, &self.config.environment);
        let watched = Watched::of(self.config, self.command, Cow::Owned(again))?;
        inputs::look(&watched.places(&self.project, &self.state, &self.baseline.salt))
    }

    /// Whether dbt could not find anything to build.
    fn can_spare_dbt(&self, approach: &Approach) -> bool {
        let compares = matches!(approach, Approach::Changed | Approach::Narrowed);
        let Some(looked) = self.looked.as_ref().filter(|_| compares) else { return false };
        let builds = |kind: &str| self.command.builds(kind);
        match skip::verdict(self.baseline.settled.as_ref(), looked, &self.baseline.nodes, builds) {
            Verdict::Spare => !self.config.always_start,
            Verdict::Start(reason) => {
                report::not_spared(&reason);
                false
            }
        }
    }

    /// dbt is not started; what waits for another command is told all the same.
    pub(super) fn spare(&self) -> u8 {
        report::spared();
        let others = |kind: &str| !self.command.builds(kind) && !kind.ends_with("test");
        let nodes = &self.baseline.nodes;
        let waiting = skip::pending(nodes, others);
        let why = |id: &String| nodes.get(id).and_then(|node| node.pending.as_deref());
        let waiting = waiting.iter().map(|id| (id.as_str(), why(id).unwrap_or("half made")));
        report::left_to_others(&waiting.into_tree(), self.command.subcommand());
        0
    }

    /// dbt has parsed the project and reads no more of it than seeds: what was changed until now
    /// vouches for nothing.
    pub(super) fn look_again(&mut self) {
        self.confirm();
        self.confirmed = self.looked.is_some();
    }

    /// Compare the inputs as they are with those of before anything was started.
    fn confirm(&mut self) {
        let Some(looked) = &self.looked else { return };
        match self.inputs_now() {
            Ok(again) if again == looked.inputs => return,
            Ok(again) => report::moved(&skip::differing(&looked.inputs, &again)),
            Err(why) => report::not_established(&why),
        }
        self.looked = None;
    }

    /// What the next record says of the inputs.
    pub(super) fn settled(&mut self, ending: &Ending) -> Option<Settled> {
        // Once for each run of dbt.
        if !std::mem::take(&mut self.confirmed) {
            self.confirm();
        }
        let looked = self.looked.as_ref()?;
        skip::settle(self.baseline.settled.as_ref(), looked, ending, self.waiting())
    }

    fn waiting(&self) -> BTreeSet<String> {
        skip::pending(&self.baseline.nodes, |kind| self.command.builds(kind))
    }

    /// The baseline stays as it is; only its record learns that this command found nothing.
    /// Nodes that are in the project no more are forgotten: nobody is to build them.
    pub(super) fn settle_in_place(&mut self, graph: &Graph) -> Result<(), Failure> {
        let before = self.baseline.nodes.len();
        self.baseline.nodes.retain(|id, _| graph.contains_key(id));
        let forgotten = self.baseline.nodes.len() < before;
        let settled = self.settled(&Ending::NothingToBuild);
        let Some(digest) = self.baseline.digest.clone() else { return Ok(()) };
        if settled.is_none() || (settled == self.baseline.settled && !forgotten) {
            return Ok(());
        }
        self.baseline.settled = settled;
        let record = self.baseline_record();
        let text =
            serde_json::to_vec(&record).map_err(|error| Failure::internal(error.to_string()))?;
        let name = format!("{}/{digest}.json", volume::RECORDS);
        // Nothing was built and nothing is lost: the next start merely looks as this one did.
        if let Err(error) = commit::write_file(&self.state, &name, &text) {
            log::warn!("the next start will start dbt again: {error:#}");
        }
        Ok(())
    }
}
