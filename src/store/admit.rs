//! Whether a state directory may hold state at all: before the lock, before anything is read.

use super::place::Place;
use super::{ONE_AT_A_TIME, Store, explained};
use crate::environment::Environment;
use crate::exit::{Failure, Refusal};
use crate::os::{locks, mount};

const NOT_RECORDED: &str = "what is built could not be recorded, so nothing was run";

/// The last remedy of all that a missing or wrong mount leaves.
const WITHOUT_STATE: &str =
    "dbt-entrypoint --no-state …     (run dbt alone: it builds everything that it selects)";

impl Store {
    /// Refuse a directory that does not outlive the container, or that cannot be written;
    /// `allow_ephemeral` accepts the former.
    ///
    /// # Errors
    /// 78 where there is no lasting directory, 73 where it cannot be written, with what to do.
    pub(crate) fn admit(
        &self,
        environment: &Environment,
        allow_ephemeral: bool,
    ) -> Result<(), Failure> {
        self.admit_place(self.place(environment), allow_ephemeral)
    }

    /// The same for whoever only reads: it may be read-only.
    ///
    /// # Errors
    /// 78 where there is no lasting directory, with what to do.
    pub(crate) fn admit_to_look(
        &self,
        environment: &Environment,
        allow_ephemeral: bool,
    ) -> Result<(), Failure> {
        let place = self.place(environment);
        match matches!(place, Place::ReadOnly | Place::Unwritable { .. }) {
            true => Ok(()),
            false => self.admit_place(place, allow_ephemeral),
        }
    }

    /// Say that the lock keeps out nobody on another node, where that is so; refuse the volume where
    /// it has to.
    ///
    /// # Errors
    /// 78, with what to do.
    pub(crate) fn judge_lock(&self, is_needed: bool) -> Result<(), Failure> {
        let Some(mount) = mount::of(self.path()) else {
            return match is_needed {
                true => Err(Failure::refused(self.local_lock("cannot be found"))),
                false => Ok(()),
            };
        };
        match locks::local_because(&mount) {
            None => {}
            Some(why) if is_needed => {
                return Err(Failure::refused(self.local_lock(&format!("is {why}"))));
            }
            Some(why) => log::warn!(
                "{self} is {why}: a run on another node does not wait for this one; {ONE_AT_A_TIME}"
            ),
        }
        Ok(())
    }

    fn local_lock(&self, what: &str) -> Refusal {
        Refusal::new(format!("the mount of {self} {what}: its lock is not known to hold on other nodes"))
            .meaning("--shared-lock required (DBT_ENTRYPOINT_SHARED_LOCK) asks for one that does; nothing was run")
            .remedy("mount a volume whose server keeps the locks, such as NFS 4 or CephFS")
            .remedy(format!("dbt-entrypoint --shared-lock warn …     ({ONE_AT_A_TIME})"))
    }

    fn admit_place(&self, place: Place, allow_ephemeral: bool) -> Result<(), Failure> {
        match place {
            Place::Lasting { warning } => {
                warning.iter().for_each(|warning| log::warn!("{self}: {warning}"));
                Ok(())
            }
            Place::NotMounted | Place::Ephemeral(_) if allow_ephemeral => Ok(()),
            Place::Missing => Err(Failure::refused(self.missing())),
            Place::NotADirectory => Err(Failure::refused(self.not_a_directory())),
            Place::NotMounted => {
                Err(Failure::refused(self.forgets("is inside the container's own file system")))
            }
            Place::Ephemeral(kind) => {
                Err(Failure::refused(self.forgets(&format!("is in memory ({kind})"))))
            }
            Place::ReadOnly => Err(Failure::unwritable(self.read_only())),
            Place::Unwritable { why, remedies, is_gone } => {
                let refusal = Refusal::new(why).meaning(NOT_RECORDED);
                let refusal = remedies.into_iter().fold(refusal, Refusal::remedy);
                Err(if is_gone {
                    Failure::try_again(refusal)
                } else {
                    Failure::unwritable(refusal)
                })
            }
        }
    }

    fn missing(&self) -> Refusal {
        Refusal::new(format!("the state directory {self} does not exist"))
            .meaning("without it every run would build everything; nothing was run")
            .remedy(self.mount_a_volume())
            .remedy("dbt-entrypoint --state-dir DIR …     (the volume is mounted elsewhere)")
            .remedy(WITHOUT_STATE)
    }

    fn not_a_directory(&self) -> Refusal {
        Refusal::new(format!("the state directory {self} is not a directory"))
            .meaning("the baseline needs a directory of its own; nothing was run")
            .remedy(self.mount_a_volume())
            .remedy("dbt-entrypoint --state-dir DIR …     (the volume is mounted elsewhere)")
    }

    fn forgets(&self, how: &str) -> Refusal {
        Refusal::new(format!("the state directory {self} {how}, and is lost with the container"))
            .meaning("every run would build everything; nothing was run")
            .remedy(self.mount_a_volume())
            .remedy("dbt-entrypoint --allow-ephemeral …     (for a trial, or if the warehouse is lost with the container too)")
            .remedy(WITHOUT_STATE)
    }

    fn read_only(&self) -> Refusal {
        let refusal = Refusal::new(format!("the state directory {self} is mounted read-only"))
            .meaning(NOT_RECORDED);
        explained::writable(self.path()).into_iter().fold(refusal, Refusal::remedy)
    }

    fn mount_a_volume(&self) -> String {
        format!("docker run -v dbt-state:{self} …     (mount a volume there)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn store() -> Store {
        Store::at(Path::new("/state")).unwrap()
    }

    /// The exit code of the refusal, if it is one.
    fn code(place: Place, allow_ephemeral: bool) -> Option<u8> {
        store().admit_place(place, allow_ephemeral).err().map(|failure| failure.code())
    }

    fn every_place() -> Vec<(Place, Option<u8>, Option<u8>)> {
        let cannot =
            |is_gone| Place::Unwritable { why: "a".into(), remedies: vec!["b".into()], is_gone };
        let fragile = Place::Lasting { warning: Some("it is an emptyDir".into()) };
        vec![
            (Place::Missing, Some(78), Some(78)),
            (Place::NotADirectory, Some(78), Some(78)),
            (Place::NotMounted, Some(78), None),
            (Place::Ephemeral("tmpfs".into()), Some(78), None),
            (Place::ReadOnly, Some(73), Some(73)),
            (cannot(false), Some(73), Some(73)),
            (cannot(true), Some(75), Some(75)),
            (fragile, None, None),
            (Place::Lasting { warning: None }, None, None),
        ]
    }

    #[test]
    fn only_what_lasts_and_can_be_written_is_admitted_unless_a_loss_is_allowed() {
        for (place, strictly, ephemeral) in every_place() {
            let codes = (code(place.clone(), false), code(place.clone(), true));
            assert_eq!(codes, (strictly, ephemeral), "{place:?}");
        }
    }

    #[test]
    fn a_wrong_mount_is_never_answered_with_a_full_run_or_a_rollback() {
        for (place, _, _) in every_place() {
            let Err(failure) = store().admit_place(place, false) else { continue };
            let text = failure.to_string();
            assert!(text.contains("what to do"), "{text}");
            assert!(!text.contains("--full") && !text.contains("rollback"), "{text}");
        }
    }
}
