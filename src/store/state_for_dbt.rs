//! What a dbt that waits is answered: the state that it compares with.

use super::Store;
use super::explained::explained;
use crate::os::random;
use anyhow::Result;
use std::fs;
use std::path::PathBuf;

/// Below the control directory, one directory for each answer.
const ANSWERS: &str = "run/answer";

/// The directory that a waiting dbt is given as `--state`. No other dbt is ever given its name:
/// one that a killed run left behind finds no answer to the question of another. Removed when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct StateForDbt {
    store: Store,
    name: String,
}

impl StateForDbt {
    /// A new one of this store, which is all that is left there.
    ///
    /// # Errors
    /// Where there are no random numbers: a container without `/dev`.
    pub(super) fn of(store: &Store) -> Result<Self> {
        let answer = Self { store: store.clone(), name: random::salt()? };
        answer.clear();
        Ok(answer)
    }

    /// Its path, which does not exist before [`StateForDbt::put`].
    pub(crate) fn path(&self) -> PathBuf {
        self.store.path_of(ANSWERS).join(&self.name)
    }

    /// Make it, with this text as its `run_results.json`.
    ///
    /// # Errors
    /// With what to do.
    pub(crate) fn put(&self, run_results: &str) -> Result<()> {
        let below = format!("{ANSWERS}/{}/run_results.json", self.name);
        self.store.write_file(&below, run_results.as_bytes())
    }

    /// Remove every answer, those of killed runs included.
    fn clear(&self) {
        match fs::remove_dir_all(self.store.path_of(ANSWERS)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                log::debug!("{}", explained(error.into(), self.store.path()));
            }
            _ => {}
        }
    }
}

impl Drop for StateForDbt {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_gone_when_it_is_dropped_and_so_are_those_of_killed_runs() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let killed = StateForDbt::of(&store).unwrap();
        killed.put("{}").unwrap();
        let (path, _) = (killed.path(), std::mem::ManuallyDrop::new(killed));
        let answer = StateForDbt::of(&store).unwrap();
        assert!(!path.exists() && answer.path() != path);
        answer.put("{\"results\": []}").unwrap();
        let text = fs::read_to_string(answer.path().join("run_results.json")).unwrap();
        assert_eq!(text, "{\"results\": []}");
        let path = answer.path();
        drop(answer);
        assert!(!path.exists());
    }
}
