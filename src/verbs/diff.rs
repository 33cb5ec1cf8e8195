//! `diff`: what changed between two baselines that the volume keeps.

use super::Answer;
use super::history::Listed;
use super::kept;
use crate::cli::{Config, DiffOptions};
use crate::decide::between::Between;
use crate::exit::Failure;
use crate::run;
use crate::say;
use serde::Serialize;

/// The answer as JSON.
#[derive(Serialize)]
struct Difference {
    from: Listed,
    to: Listed,
    #[serde(flatten)]
    between: Between,
}

pub(super) fn diff(config: &Config, options: DiffOptions) -> Result<Answer, Failure> {
    let store = run::store(config)?;
    let DiffOptions { from, to, form } = options;
    let nth = |steps| kept::nth(&store, steps).map_err(Failure::refused);
    let (first, second) = (nth(from)?, nth(to)?);
    let between = Between::of(first.side(), second.side()).map_err(Failure::refused)?;
    let (from, to) = (Listed::of_sound(from, &first), Listed::of_sound(to, &second));
    let difference = Difference { from, to, between };
    Ok(Answer::of(form, &difference, || words(&difference)))
}

fn words(Difference { from, to, between }: &Difference) -> String {
    format!("from {}\nto   {}\n{}", from.title(), to.title(), say::between(between))
}
