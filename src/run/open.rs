//! The state, admitted and read.

use super::driver::Driver;
use super::stage::Stage;
use super::unchanged::Watch;
use crate::cli::Config;
use crate::dbt::manifest::Manifest;
use crate::dbt::profile::Identity;
use crate::decide::baseline::{self, Baseline};
use crate::decide::origin::Origin;
use crate::decide::start::{self, Found};
use crate::decide::summary::Summary;
use crate::exit::{Failure, Refusal};
use crate::os::inputs::Contents;
use crate::os::private::PrivateDir;
use crate::os::supervise::Supervisor;
use crate::os::{clock, gate, paths, random, revision};
use crate::say;
use crate::session::Session;
use crate::store::{Locked, Store, Stored};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The state that the options name. Nothing is opened.
///
/// # Errors
/// 78 where its path is relative and there is no working directory.
pub(crate) fn store(config: &Config) -> Result<Store, Failure> {
    let store = Store::at(&config.state_dir).map_err(Failure::refused)?;
    Ok(store.with_mode(config.state_mode))
}

/// What the last run did, if the volume tells.
pub(crate) fn last_run(config: &Config) -> Option<Summary> {
    store(config).ok()?.last_run()
}

/// Admit the state and take its lock. `what` is shown to whoever has to wait.
///
/// # Errors
/// 78 where there is no volume that lasts, 73 where it cannot be written, 75 where another process
/// did not let go of it, 128+n where a signal ended the wait.
pub(crate) fn hold(
    config: &Config,
    what: &str,
    supervisor: &mut Supervisor,
) -> Result<Locked, Failure> {
    let store = store(config)?;
    store.admit(&config.environment, config.allow_ephemeral)?;
    store.judge_lock(config.needs_shared_lock)?;
    store.lock(what, config.lock_timeout, &mut |time| supervisor.wait(time))
}

/// dbt writes its own `manifest.json` into its target path: over the baseline, if the two are one.
fn apart(store: &Store, target: &Path) -> Result<(), Failure> {
    let (state, artifacts) = (paths::resolved(store.path()), paths::resolved(target));
    if !state.starts_with(&artifacts) && !artifacts.starts_with(&state) {
        return Ok(());
    }
    Err(Failure::refused(
        Refusal::new(format!(
            "the state directory {store} and dbt's target path {} lie in each other",
            target.display()
        ))
        .meaning("dbt writes its artifacts there, and cleans up there; the baseline would be lost, so nothing was run")
        .remedy("dbt-entrypoint --state-dir DIR …     (a volume of its own for the state)")
        .remedy("dbt-entrypoint … --target-path DIR     (or set DBT_TARGET_PATH)"),
    ))
}

/// What a command may do to the state.
pub(crate) enum Access {
    /// Anything: nobody else does, until this is dropped. Where the volume cannot take logs, they go
    /// into the directory.
    Held(Locked, Option<PrivateDir>),
    /// Nothing. What a run would write there stays in memory or goes into this directory.
    Looking(Store, PrivateDir),
}

impl Access {
    /// Take the state for a command that writes it.
    ///
    /// # Errors
    /// As [`hold`].
    pub(crate) fn hold(driver: &mut Driver<'_>, what: &str) -> Result<Self, Failure> {
        let session = driver.session();
        let Session { config, project, .. } = session;
        session.warehouse_lasts()?;
        apart(&store(config)?, &project.target_path)?;
        gate::clear(&project.target_path);
        let locked = hold(config, what, driver.supervisor())?;
        driver.lend(locked.for_dbt()?);
        let private = || PrivateDir::make(&config.environment).map_err(Failure::refused);
        let logs = (!locked.takes_logs()).then(private).transpose()?;
        Ok(Self::Held(locked, logs))
    }

    /// The state for a command that only looks at it; dbt then writes into `private`.
    ///
    /// # Errors
    /// 78 where there is no volume that lasts.
    pub(crate) fn look(session: &Session, private: PrivateDir) -> Result<Self, Failure> {
        let config = &session.config;
        let store = store(config)?;
        session.warehouse_lasts()?;
        apart(&store, &session.asked.target_path)?;
        store.admit_to_look(&config.environment, config.allow_ephemeral)?;
        if let Some(holder) = store.holder() {
            say::in_use(&store, &holder);
        }
        Ok(Self::Looking(store, private))
    }

    /// What can be read.
    pub(crate) fn store(&self) -> &Store {
        match self {
            Self::Held(locked, _) => locked,
            Self::Looking(store, _) => store,
        }
    }

    /// What can be written, if anything.
    pub(crate) fn held(&self) -> Option<&Locked> {
        match self {
            Self::Held(locked, _) => Some(locked),
            Self::Looking(..) => None,
        }
    }

    /// Whether dbt's log can be on the volume.
    pub(super) fn takes_logs(&self) -> bool {
        matches!(self, Self::Held(_, None))
    }

    /// A directory for logs of dbt that nobody needs afterwards.
    pub(super) fn log_dir(&self) -> PathBuf {
        match self {
            Self::Held(locked, None) => locked.run().parse_log_dir(),
            Self::Held(_, Some(private)) | Self::Looking(_, private) => {
                private.path().join("parse")
            }
        }
    }
}

/// The state as it was found, and what dbt would read.
pub(crate) struct Opened<'s> {
    pub(super) session: &'s Session,
    pub(super) access: &'s Access,
    pub(super) found: Found,
    pub(super) baseline: Baseline,
    /// What dbt would read, as it was before anything was started.
    pub(super) inputs: anyhow::Result<Arc<Contents>>,
    /// The nodes that `dbt compile` has shown to be as they were built, with what was compared of
    /// them.
    pub(super) settled: BTreeMap<String, String>,
    /// The commit of the project, once it was looked for.
    commit: OnceCell<Option<String>>,
}

impl<'s> Opened<'s> {
    /// Read the state, and meanwhile what dbt would read: both take milliseconds of a processor.
    ///
    /// # Errors
    /// 78 where the state directory cannot be read, 70 where the kernel has no random numbers.
    pub(crate) fn read(session: &'s Session, access: &'s Access) -> Result<Self, Failure> {
        say::how_dbt_is_driven(&session.engine, &session.turned_off);
        let stage = Stage::begin("open");
        let store = access.store();
        let (stored, inputs) = Watch::read_while(session, store, || store.glance());
        let Stored { found, manifest, record, digest } = stored.map_err(Failure::refused)?;
        let salt = random::salt().map_err(Failure::internal)?;
        let baseline = Baseline::from_parts(manifest, digest, record, salt);
        let (inputs, settled) = (inputs.map(Arc::new), BTreeMap::new());
        let commit = OnceCell::new();
        let mut opened = Self { session, access, found, baseline, inputs, settled, commit };
        opened.identify();
        stage.done(opened.found.kind());
        Ok(opened)
    }

    /// A baseline without a record still says for which project and adapter it was made.
    fn identify(&mut self) {
        if let (Found::Baseline(None), Some(text)) = (&self.found, &self.baseline.manifest) {
            let identity =
                Manifest::read(text).ok().map(|manifest| baseline::identity_in(&manifest));
            self.found = Found::Baseline(identity);
        }
    }

    /// Whether the state is this project's, or nobody's: then a refusal may be noted there.
    pub(crate) fn is_ours(&self) -> bool {
        match &self.found {
            Found::Newer(_) => false,
            Found::Baseline(Some(there)) => start::foreign(there, self.identity()).is_none(),
            Found::Empty | Found::Damaged(_) | Found::Baseline(None) => true,
        }
    }

    pub(super) fn identity(&self) -> &'s Identity {
        &self.session.project.identity
    }

    /// What this command makes of the project, before it is known what it builds.
    pub(super) fn origin(&self, command: &str) -> Origin {
        let commit = self.note_commit().map(str::to_owned);
        Origin { commit, ..Origin::of_verb(command, clock::now()) }
    }

    /// The commit that the project is checked out at, as it was when this was first called.
    pub(super) fn note_commit(&self) -> Option<&str> {
        let Session { project, config, .. } = self.session;
        self.commit.get_or_init(|| revision::of(&project.root, &config.environment)).as_deref()
    }

    /// Read the text of the baseline, where it has not been read.
    ///
    /// # Errors
    /// 78 where somebody changed it who does not hold the lock, or it cannot be read.
    pub(super) fn read_baseline(&mut self) -> Result<(), Failure> {
        if let (None, Some(digest)) = (&self.baseline.manifest, &self.baseline.digest) {
            let text = self.access.store().manifest(digest).map_err(Failure::refused)?;
            self.baseline.manifest = Some(Arc::new(text));
        }
        Ok(())
    }
}
