//! Names that a macro is given by its callers: `env_var(name)` in `{% macro m(name) %}`.

use super::calls::argument_for;
use super::library::MacroCode;
use super::namespace::{Namespace, Viewpoint};
use super::scan::{Mention, Named, Reader, Scan};
use super::value::{Argument, Around, Hole, unknown};
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// What a macro reads under the name that it is given for a parameter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Passed {
    reader: Reader,
    position: usize,
    /// With the parameter in its hole.
    around: Around,
    /// The value of the parameter where the caller gives none.
    default: Option<Argument>,
}

/// A macro that makes more names than these of its parameters is not followed.
const MOST: usize = 40;

/// What a call reads: the argument that it gives for the name.
pub(super) type GivenArgument = (Reader, Argument);

impl Passed {
    fn new(scan: &Scan, reader: Reader, around: Around) -> Option<Self> {
        let Hole::Parameter(parameter) = &around.hole else { return None };
        let position = scan.parameters.iter().position(|own| own == parameter)?;
        let default = scan.defaults.get(parameter).cloned();
        Some(Self { reader, position, around, default })
    }

    fn given(&self, mention: &Mention) -> GivenArgument {
        let Hole::Parameter(parameter) = &self.around.hole else { return self.computed() };
        let arguments = mention.arguments.as_ref();
        let argument = argument_for(arguments, self.position, parameter, self.default.as_ref());
        (self.reader, self.around.filled(argument))
    }

    fn computed(&self) -> GivenArgument {
        (self.reader, self.around.filled(unknown()))
    }

    /// Of a macro's own code.
    pub(super) fn all(scan: &Scan) -> BTreeSet<Self> {
        let own = scan.passed.iter();
        own.filter_map(|(reader, around)| Self::new(scan, *reader, around.clone())).into_tree()
    }
}

/// What macros read under names that other macros pass becomes what those read, until nothing is
/// handed on any more; the macros that are given names.
pub(super) fn hand_on<'m>(macros: &mut [MacroCode<'m>], namespace: &Namespace<'_>) -> Takers<'m> {
    loop {
        let takers = Takers::of(macros);
        let given = |code: &MacroCode<'_>| {
            takers.given(macros, &code.scan.mentions, &code.listed, namespace)
        };
        let given: Vec<Vec<GivenArgument>> = macros.iter().map(given).collect();
        let mut changed = false;
        for (code, given) in macros.iter_mut().zip(given) {
            changed |= given.into_iter().fold(false, |any, given| code.take(given) | any);
        }
        if !changed {
            return takers;
        }
    }
}

impl MacroCode<'_> {
    /// Whether that tells something about its own callers, or about what it calls.
    fn take(&mut self, (reader, argument): GivenArgument) -> bool {
        match (reader, argument) {
            (_, Argument::OneOf(all) | Argument::List(all)) => {
                all.into_iter().fold(false, |any, one| self.take((reader, one)) | any)
            }
            (_, Argument::Around(around @ Around { hole: Hole::Parameter(_), .. })) => {
                if self.passed.len() >= MOST {
                    return self.take((reader, Argument::Computed(around.before)));
                }
                let own = Passed::new(&self.scan, reader, around);
                own.is_some_and(|own| self.passed.insert(own))
            }
            (Reader::EnvVar | Reader::Var, argument) => {
                self.scan.take(reader, argument);
                false
            }
            (Reader::Context | Reader::Dispatch, argument) => {
                let before = self.scan.mentions.len();
                self.scan.take(reader, argument);
                let (known, new) = self.scan.mentions.split_at(before);
                let is_new = new.iter().any(|mention| !known.contains(mention));
                self.scan.mentions.truncate(if is_new { usize::MAX } else { before });
                is_new
            }
        }
    }
}

/// The names of the macros that are given names, and those by which `adapter.dispatch` finds them.
#[derive(Debug)]
pub(super) struct Takers<'m>(BTreeSet<&'m str>);

impl<'m> Takers<'m> {
    fn of(macros: &[MacroCode<'m>]) -> Self {
        let taking = macros.iter().filter(|code| !code.passed.is_empty());
        Self(taking.flat_map(|code| [code.name, base_name(code.name)]).into_tree())
    }

    /// What these mentions give to the macros that they may mean, and to those of `reached` that
    /// are called in a way that the code does not show.
    pub(super) fn given(
        &self,
        macros: &[MacroCode<'_>],
        mentions: &[Mention],
        reached: &[usize],
        namespace: &Namespace<'_>,
    ) -> Vec<GivenArgument> {
        let anywhere = Viewpoint { code: "", node: None };
        let passed_to = |at: usize| macros.get(at).into_iter().flat_map(|code| &code.passed);
        let mut given = Vec::new();
        let mut shown = BTreeSet::new();
        for mention in mentions.iter().filter(|mention| self.may_be_meant(&mention.of)) {
            let mut meant = namespace.resolve(&mention.of, anywhere);
            // dbt lists the macro of that very name too, which it does not call.
            if let Named::Dispatched(name) = &mention.of {
                meant.extend(namespace.resolve(&Named::Plain(name.clone()), anywhere));
            }
            for at in meant {
                shown.insert(at);
                given.extend(passed_to(at).map(|passed| passed.given(mention)));
            }
        }
        let unseen = reached.iter().filter(|at| !shown.contains(at));
        given.extend(unseen.flat_map(|at| passed_to(*at)).map(Passed::computed));
        given
    }

    fn may_be_meant(&self, named: &Named) -> bool {
        match named {
            Named::Plain(name) | Named::Packaged(_, name) | Named::Dispatched(name) => {
                self.0.contains(&**name)
            }
            Named::Computed(..) | Named::ComputedDispatch(_) => !self.0.is_empty(),
        }
    }
}

/// `name` of `<adapter>__name`.
fn base_name(name: &str) -> &str {
    name.split_once("__").map_or(name, |(_, base)| base)
}
