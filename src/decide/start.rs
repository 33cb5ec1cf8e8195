//! Decides what a run starts from: first population, the baseline on the volume, or a refusal.
//!
//! Only an empty volume means first population. A damaged baseline, or one of another warehouse, is
//! refused with a remedy, because a full rebuild can take the warehouse down for hours and must be
//! the decision of an operator.

use crate::dbt::command::{Duty, Selection};
use crate::dbt::profile::Identity;
use crate::exit::Refusal;

/// `--mode`: how the state is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Build everything on first population, and what changed afterwards.
    Auto,
    /// Build everything and record it.
    Full,
    /// Run dbt without state. The volume is neither read nor written.
    Off,
}

/// `--on-empty`: what an empty volume means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEmpty {
    /// First population: build everything.
    Full,
    /// The warehouse already holds the project as it is now.
    Adopt,
    /// The volume was lost or is the wrong one: refuse to run.
    Refuse,
}

/// What a run starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Start {
    /// An empty volume: everything has to be built.
    FirstPopulation,
    /// An empty volume and a warehouse that, as the operator states, holds the project as it is now.
    Adopt,
    /// The baseline on the volume.
    Baseline,
    /// Nothing, because the operator chose `--full` and the baseline cannot be used.
    Afresh,
    /// The run is refused until an operator has decided what to do.
    Refuse(Refusal),
}

/// What the volume holds, as far as [`start`] needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Empty,
    /// A valid baseline, and its identity if it is known.
    Baseline(Option<Identity>),
    /// A baseline that cannot be used. The text says why.
    Damaged(String),
    /// A baseline that a later version wrote. The text says which.
    Newer(String),
}

impl Found {
    /// In one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Baseline(_) => "baseline",
            Self::Damaged(_) => "damaged",
            Self::Newer(_) => "newer",
        }
    }
}

/// Decide what a run starts from. `here` is the identity of the current target.
pub fn start(found: &Found, here: &Identity, mode: Mode, on_empty: OnEmpty) -> Start {
    match found {
        Found::Empty => match on_empty {
            OnEmpty::Full => Start::FirstPopulation,
            OnEmpty::Adopt if mode == Mode::Auto => Start::Adopt,
            OnEmpty::Adopt => Start::FirstPopulation,
            OnEmpty::Refuse if mode == Mode::Full => Start::FirstPopulation,
            OnEmpty::Refuse => Start::Refuse(unexpectedly_empty()),
        },
        Found::Baseline(identity) => match identity.as_ref().and_then(|there| foreign(there, here))
        {
            None => Start::Baseline,
            Some(_) if mode == Mode::Full => Start::Afresh,
            Some(why) => Start::Refuse(foreign_state(&why)),
        },
        Found::Damaged(_) if mode == Mode::Full => Start::Afresh,
        Found::Damaged(why) => Start::Refuse(damaged(why)),
        Found::Newer(why) => Start::Refuse(newer(why)),
    }
}

/// The first difference between the identity of a record and the current one, for a message; `None`
/// if they describe the same project in the same place. Records of older versions know only the
/// usual keys: what they lack is no difference there, and neither is the name of the target.
#[must_use]
pub fn foreign(there: &Identity, here: &Identity) -> Option<String> {
    let differs = |what: &str, there: &Option<String>, here: &Option<String>| match (there, here) {
        (Some(there), Some(here)) if there != here => {
            Some(format!("{what} {there:?}, but this is {what} {here:?}"))
        }
        _ => None,
    };
    let project = differs("project", &there.project, &here.project)
        .or_else(|| differs("adapter", &there.adapter, &here.adapter));
    let located = || {
        there.location.iter().find_map(|(key, value)| {
            differs(key, &Some(value.clone()), &here.location.get(key).cloned())
        })
    };
    project.or_else(|| match here.differs_from(there) {
        None => located(),
        Some(None) => None,
        Some(Some(key)) => located().or_else(|| {
            Some(format!("a target that is another in profiles.yml, or by a variable: `{key}`"))
        }),
    })
}

fn unexpectedly_empty() -> Refusal {
    Refusal::new("the state volume is empty, and --on-empty refuse does not allow that")
        .meaning("nothing shows what the warehouse already holds; building everything could take it down for hours")
        .remedy("mount the volume that holds the baseline, if another one was mounted by mistake")
        .remedy("dbt-entrypoint --on-empty adopt run     (the warehouse already holds the project as it now stands)")
        .remedy("dbt-entrypoint --full run     (rebuild everything, on purpose)")
}

fn foreign_state(why: &str) -> Refusal {
    Refusal::new(format!("the baseline was built for {why}"))
        .meaning("following it would leave this warehouse unbuilt, and ignoring it would rebuild everything")
        .remedy("mount a separate volume for each project, target and warehouse")
        .remedy("dbt-entrypoint adopt --force --from STATE-DIR/manifest.json     (it is the same place under another name: keep the baseline)")
        .remedy("dbt-entrypoint --full run     (the volume is the right one: rebuild everything here)")
}

fn damaged(why: &str) -> Refusal {
    Refusal::new(why)
        .meaning("nothing shows what the warehouse holds; nothing was run and nothing was changed")
        .remedy("dbt-entrypoint rollback     (restores the previous baseline; `dbt-entrypoint history` lists all of them)")
        .remedy("restore manifest.json from a backup of the volume")
        .remedy("dbt-entrypoint --full run     (rebuild everything, on purpose)")
}

fn newer(why: &str) -> Refusal {
    Refusal::new(why)
        .meaning("an older version could misread it, so nothing was run")
        .remedy("use the version of dbt-entrypoint or dbt that wrote it, or a later one")
}

/// How dbt is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Approach {
    /// With the command line of the user. What dbt builds is recorded node by node.
    AsGiven,
    /// Parse, compare, and build the changed nodes and their descendants.
    Changed,
    /// Parse, compare, and build the changed nodes among those that the user selected.
    Narrowed,
    /// Without a selection. Every node counts as not built until dbt has built it.
    Everything,
}

impl Approach {
    /// Whether dbt builds the changed nodes, rather than all that the user or a full run selects.
    #[must_use]
    pub fn is_compared(self) -> bool {
        matches!(self, Self::Changed | Self::Narrowed)
    }
}

/// Decide how dbt is run. `only_changed` is `--only-changed`; `duty` and `selection` are those of
/// dbt's command line.
pub fn approach(
    start: &Start,
    mode: Mode,
    only_changed: bool,
    duty: Duty,
    selection: &Selection,
) -> Approach {
    match (duty, selection) {
        (Duty::Build | Duty::Bystander, _) | (_, Selection::State) => Approach::AsGiven,
        (Duty::BuildSelected, Selection::None) => match (start, mode) {
            (Start::Baseline | Start::Adopt, Mode::Auto | Mode::Off) => Approach::Changed,
            _ => Approach::Everything,
        },
        (Duty::BuildSelected, Selection::Terms(_) | Selection::Selector(_)) => {
            match (start, mode, only_changed) {
                (Start::Baseline | Start::Adopt, Mode::Auto, true) => Approach::Narrowed,
                _ => Approach::AsGiven,
            }
        }
    }
}

/// The kind of a run, for messages and the summary.
#[must_use]
pub fn kind(start: &Start, approach: Approach) -> &'static str {
    match (start, approach) {
        (Start::Refuse(_), _) => "refused",
        (_, Approach::AsGiven) => "selection",
        (_, Approach::Narrowed) => "selection, changes",
        (Start::Adopt, Approach::Changed) => "adopted",
        (_, Approach::Changed) => "changes",
        (Start::FirstPopulation, Approach::Everything) => "first population",
        (_, Approach::Everything) => "full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::profile::PlaceKeys;

    fn place(host: &str, target: &str) -> Identity {
        Identity {
            project: Some("shop".into()),
            adapter: Some("clickhouse".into()),
            target: Some(target.into()),
            location: [("host".to_owned(), host.to_owned())].into(),
            ..Identity::default()
        }
    }

    fn every_found() -> Vec<Found> {
        vec![
            Found::Empty,
            Found::Baseline(None),
            Found::Baseline(Some(place("a", "prod"))),
            Found::Baseline(Some(place("b", "prod"))),
            Found::Damaged("truncated".into()),
            Found::Newer("format 2".into()),
        ]
    }

    #[test]
    fn only_an_empty_volume_leads_to_a_full_run_that_nobody_asked_for() {
        for found in every_found() {
            for on_empty in [OnEmpty::Full, OnEmpty::Adopt, OnEmpty::Refuse] {
                let start = start(&found, &place("a", "prod"), Mode::Auto, on_empty);
                let full = matches!(start, Start::FirstPopulation | Start::Afresh);
                assert_eq!(full, found == Found::Empty && on_empty == OnEmpty::Full, "{found:?}");
            }
        }
    }

    #[test]
    fn a_baseline_of_a_later_version_is_refused_even_for_a_full_run() {
        let found = Found::Newer("format 2".into());
        for mode in [Mode::Auto, Mode::Full] {
            let start = start(&found, &place("a", "prod"), mode, OnEmpty::Full);
            assert!(matches!(start, Start::Refuse(_)));
        }
    }

    #[test]
    fn another_warehouse_is_foreign_and_another_name_for_the_same_one_is_not() {
        assert_eq!(foreign(&place("a", "prod"), &place("a", "blue")), None);
        assert!(
            foreign(&place("a", "prod"), &place("b", "prod"))
                .is_some_and(|why| why.contains("host"))
        );
        assert_eq!(foreign(&Identity::default(), &place("b", "prod")), None);
    }

    #[test]
    fn what_a_record_knows_by_its_digest_outweighs_how_it_is_spelt() {
        let here = |host: &str, path: &str| Identity {
            keys: PlaceKeys::of(&[("path", path)]),
            ..place(host, "prod")
        };
        let there = here("a", "x").sealed("salt");
        assert_eq!(foreign(&there, &here("b", "x")), None);
        let why = foreign(&there, &here("a", "y")).expect("another path");
        assert!(why.contains("`path`"), "{why}");
        // A target that cannot be found is dbt's to report.
        assert_eq!(foreign(&there, &place("a", "prod")), None);
    }

    #[test]
    fn a_selection_is_added_only_if_the_user_gave_none() {
        let approach = |selection: &Selection, duty: Duty, only| {
            approach(&Start::Baseline, Mode::Auto, only, duty, selection)
        };
        let (terms, build) = (Selection::Terms(vec!["a".into()]), Duty::BuildSelected);
        assert_eq!(approach(&Selection::None, build, false), Approach::Changed);
        assert_eq!(approach(&terms, build, false), Approach::AsGiven);
        assert_eq!(approach(&terms, build, true), Approach::Narrowed);
        assert_eq!(approach(&Selection::State, build, true), Approach::AsGiven);
        assert_eq!(approach(&Selection::None, Duty::Build, true), Approach::AsGiven);
    }

    #[test]
    fn the_first_population_and_a_full_run_have_no_selection() {
        for (start, mode) in [
            (Start::FirstPopulation, Mode::Auto),
            (Start::Baseline, Mode::Full),
            (Start::Afresh, Mode::Full),
        ] {
            let approach = approach(&start, mode, false, Duty::BuildSelected, &Selection::None);
            assert_eq!(approach, Approach::Everything);
        }
    }
}
