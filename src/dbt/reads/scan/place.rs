//! The reading of a template, block by block.

use super::super::Facet;
use super::super::calls::Block;
use super::super::objects::{METHODS, OBJECTS};
use super::super::tokens::{self, Token};
use super::super::value::{Argument, Names, unknown};
use super::bindings::{bindings, bound, defaults, keyword_at, mutates, parameters};
use super::{DEPTH, Mention, Named, NoMacros, Reader, Scan, Vocabulary};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn template_into(text: &str, depth: usize, words: &dyn Vocabulary, scan: &mut Scan) {
    let blocks: Vec<Block<'_>> = tokens::blocks(text).into_iter().map(Block::new).collect();
    let place = ScanPlace::of(&blocks, depth, words);
    let parameters = blocks.first().map_or_else(Vec::new, parameters);
    scan.parameters = parameters.into_iter().map(str::to_owned).collect();
    scan.defaults = blocks.first().map_or_else(BTreeMap::new, defaults);
    for block in &blocks {
        place.read(block, scan);
    }
}

/// A bare expression, whose words are no macros.
pub(super) fn expression_into(text: &str, scan: &mut Scan) {
    let place = ScanPlace::of(&[], DEPTH, &NoMacros);
    place.read(&Block::new(tokens::expression(text)), scan);
}

/// What the reading of one block has to know of its surroundings.
struct ScanPlace<'a> {
    /// Names that the template binds itself.
    bound: BTreeSet<&'a str>,
    /// What is known of them, and of the parameters of the macro.
    names: Names<'a>,
    depth: usize,
    words: &'a dyn Vocabulary,
}

impl<'a> ScanPlace<'a> {
    fn of(blocks: &[Block<'a>], depth: usize, words: &'a dyn Vocabulary) -> Self {
        let header = blocks.first().map_or_else(Vec::new, parameters);
        let body = blocks.get(usize::from(!header.is_empty())..).unwrap_or_default();
        let mutated = body.iter().any(mutates);
        let bindings_of = |block| bindings(block).into_iter().map(move |name| (name, bound(block)));
        let values: Vec<_> = body.iter().flat_map(bindings_of).collect();
        let names = Names::of(&header, &values, mutated);
        let bound = blocks.iter().flat_map(bindings).into_tree();
        Self { bound, names, depth, words }
    }

    fn read(&self, block: &Block<'_>, scan: &mut Scan) {
        for (at, token) in block.tokens().iter().enumerate() {
            match token {
                Token::Name(word) => {
                    self.value(block, at, word, scan);
                    self.function(block, at, word, scan);
                    self.object(block, at, word, scan);
                    self.name(block, at, word, scan);
                }
                Token::Text(text) => {
                    self.looked_up(block, at, text, scan);
                    if self.depth > 0 && text.contains('{') {
                        self.nested(text, scan);
                    }
                }
                Token::Mark(_) => {}
            }
        }
    }

    /// A string that is rendered later. It knows no parameters of the macro that it stands in.
    fn nested(&self, text: &str, scan: &mut Scan) {
        let mut inner = Scan::default();
        template_into(text, self.depth - 1, self.words, &mut inner);
        scan.absorb(inner);
    }

    /// `env_var` and `var`.
    fn value(&self, block: &Block<'_>, at: usize, word: &str, scan: &mut Scan) {
        let Some(reader) = Reader::of(word) else { return };
        let attribute = block.before(at, 1) == Some(&Token::Mark("."));
        let of_context = attribute && is_context(block.before(at, 2));
        let is_keyword = block.is_mark(at + 1, "=");
        // `{% for var in names %}` makes `var` a word like any other, and so does `x.var`.
        let ours = of_context || !(attribute || is_keyword || self.bound.contains(word));
        let literal =
            block.is_mark(at + 1, "(") && matches!(block.token(at + 2), Some(Token::Text(_)));
        if ours || (literal && !is_keyword) {
            self.read_by(reader, block, at + 1, scan);
        }
    }

    /// What a mention of a reader reads, by what follows it at this index.
    fn read_by(&self, reader: Reader, block: &Block<'_>, behind: usize, scan: &mut Scan) {
        // `var.has_var('x')` (dbt 1.x).
        let method = reader == Reader::Var && block.is_mark(behind, ".");
        let opening = if method { behind + 2 } else { behind };
        let arguments = block.arguments(opening, &self.names);
        if arguments.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let is_name = |(key, _): &(Option<String>, Argument)| {
            key.as_deref().is_none_or(|key| matches!(key, "var" | "var_name" | "name"))
        };
        let name = arguments.unwrap_or_default().into_iter().find(is_name);
        scan.take(reader, name.map_or_else(unknown, |(_, name)| name));
    }

    /// An object of the context, or the part of it that is named.
    fn object(&self, block: &Block<'_>, at: usize, word: &str, scan: &mut Scan) {
        if OBJECTS.contains(&word) && !self.is_attribute_or_bound(block, at, word) {
            scan.facets.insert(Facet::Object(part_of(block, at + 1, word)));
        }
        // `builtins.source` stands in a macro that replaces `source`, whose callers name it.
        let called = word == "source"
            && block.is_mark(at + 1, "(")
            && block.before(at, 1) != Some(&Token::Mark("."));
        if called && !self.is_attribute_or_bound(block, at, word) {
            let arguments = block.arguments(at + 1, &self.names).unwrap_or_default();
            let mut literal = arguments.into_iter().map(|(_, argument)| match argument {
                Argument::Literal(name) => name,
                Argument::Computed(_)
                | Argument::Around(_)
                | Argument::OneOf(_)
                | Argument::List(_) => "*".to_owned(),
            });
            let (name, table) = (literal.next(), literal.next());
            let name = name.filter(|name| name != "*");
            let table = table.unwrap_or_else(|| "*".to_owned());
            let all = || "*".to_owned();
            let source = name.map_or_else(all, |name| format!("{name}.{table}"));
            scan.facets.insert(Facet::Source(source));
        }
    }

    /// Functions of dbt that pick a macro.
    fn function(&self, block: &Block<'_>, at: usize, word: &str, scan: &mut Scan) {
        match word {
            "dispatch" if block.is_mark(at + 1, "(") => self.dispatch(block, at + 1, scan),
            "context" if !self.is_attribute_or_bound(block, at, word) => {
                self.context(block, at, None, scan);
            }
            "get_incremental_strategy_macro" => scan.picks_incremental_strategy = true,
            _ if self.words.is_package(word) && !self.is_attribute_or_bound(block, at, word) => {
                self.context(block, at, Some(word), scan);
            }
            _ => {}
        }
    }

    fn is_attribute_or_bound(&self, block: &Block<'_>, at: usize, word: &str) -> bool {
        let attribute = block.before(at, 1) == Some(&Token::Mark("."));
        (attribute && !is_context(block.before(at, 2)))
            || self.bound.contains(word)
            || block.is_mark(at + 1, "=")
    }

    /// `adapter.dispatch(…)` with its opening bracket at this index.
    fn dispatch(&self, block: &Block<'_>, opening: usize, scan: &mut Scan) {
        let arguments = block.arguments(opening, &self.names).unwrap_or_default();
        let is_name = |(key, _): &(Option<String>, Argument)| {
            key.as_deref().is_none_or(|key| key == "macro_name")
        };
        match arguments.into_iter().find(is_name).map_or_else(unknown, |(_, name)| name) {
            Argument::Literal(name) => {
                let arguments = block.arguments(block.end_of(opening) + 1, &self.names);
                scan.mentions.push(Mention { of: Named::Dispatched(name), arguments });
            }
            other @ (Argument::Computed(_)
            | Argument::Around(_)
            | Argument::OneOf(_)
            | Argument::List(_)) => scan.take(Reader::Dispatch, other),
        }
    }

    /// `context` or a package: what is looked up in it, unless that is a literal, or everything,
    /// where it is handed on.
    fn context(&self, block: &Block<'_>, at: usize, package: Option<&str>, scan: &mut Scan) {
        let key = match (block.token(at + 1), block.token(at + 2)) {
            (Some(Token::Mark("[")), _) => block.piece_ranges(at + 1).into_iter().next(),
            (Some(Token::Mark(".")), Some(Token::Name("get")))
                if block.is_mark(at + 3, "(") && !self.words.is_macro("get") =>
            {
                block.piece_ranges(at + 3).into_iter().next()
            }
            (Some(Token::Mark(".")), _) => return,
            _ if is_only_asked(block, at) => return,
            _ => None,
        };
        // A literal is looked up where it stands.
        if key.as_ref().is_some_and(|key| key.len() == 1 && block.is_text(key.start)) {
            return;
        }
        let key = key.map_or_else(unknown, |key| block.value(key, &self.names));
        match (key, package) {
            (found, None) => scan.take(Reader::Context, found),
            (Argument::Literal(start) | Argument::Computed(start), package) => {
                scan.computed(package, start);
            }
            (_, package) => scan.computed(package, String::new()),
        }
    }

    /// A word of the code that is a macro's name.
    fn name(&self, block: &Block<'_>, at: usize, word: &str, scan: &mut Scan) {
        if !self.words.is_macro(word) || is_no_value(block, at) {
            return;
        }
        let is_called = block.is_mark(at + 1, "(");
        let named = match self.base(block, at) {
            Base::None if !is_called && (self.bound.contains(word) || !self.words.hands_on()) => {
                return;
            }
            Base::None | Base::Context => Named::Plain(word.to_owned()),
            Base::Adapter if is_called => Named::Plain(word.to_owned()),
            Base::Package(package) => Named::Packaged(package.to_owned(), word.to_owned()),
            Base::Adapter | Base::Other => return,
        };
        let arguments = block.arguments(at + 1, &self.names);
        scan.mentions.push(Mention { of: named, arguments });
    }

    /// What stands before the dot before this index, if one stands there.
    fn base<'b>(&self, block: &'b Block<'_>, at: usize) -> Base<'b> {
        if block.before(at, 1) != Some(&Token::Mark(".")) {
            return Base::None;
        }
        self.holder(block, at - 1)
    }

    /// What ends before this index: `context`, `package`, `context['package']`…
    fn holder<'b>(&self, block: &'b Block<'_>, at: usize) -> Base<'b> {
        let word: &str = match (block.before(at, 1), block.before(at, 2), block.before(at, 3)) {
            (Some(Token::Name("context" | "builtins")), ..) => return Base::Context,
            (Some(Token::Name("adapter")), ..) => return Base::Adapter,
            (Some(Token::Name(word)), ..) => word,
            (Some(Token::Mark("]")), Some(Token::Text(word)), Some(Token::Mark("["))) => word,
            _ => return Base::Other,
        };
        if self.words.is_package(word) { Base::Package(word) } else { Base::Other }
    }

    /// A string that names what is looked up: `context['x']`, `package.get('x')`.
    fn looked_up(&self, block: &Block<'_>, at: usize, text: &str, scan: &mut Scan) {
        let Some(opening) = at.checked_sub(1) else { return };
        let behind = block.end_of(opening) + 1;
        let of = match self.looked_into(block, opening) {
            Base::Context => {
                if let Some(reader) = Reader::of(text) {
                    self.read_by(reader, block, behind, scan);
                }
                if OBJECTS.contains(&text) {
                    scan.facets.insert(Facet::Object(part_of(block, behind, text)));
                }
                let followed = block.is_mark(behind, ".") || block.is_mark(behind, "[");
                if self.words.is_package(text) && !followed {
                    scan.computed(Some(text), String::new());
                }
                Named::Plain(text.to_owned())
            }
            Base::Package(package) => Named::Packaged(package.to_owned(), text.to_owned()),
            Base::Adapter | Base::None | Base::Other => return,
        };
        if self.words.is_macro(text) {
            let arguments = block.arguments(behind, &self.names);
            scan.mentions.push(Mention { of, arguments });
        }
    }

    /// What the bracket at this index looks into.
    fn looked_into<'b>(&self, block: &'b Block<'_>, opening: usize) -> Base<'b> {
        match (block.token(opening), block.before(opening, 1)) {
            (Some(Token::Mark("[")), _) => self.holder(block, opening),
            (Some(Token::Mark("(")), Some(Token::Name("get"))) if !self.words.is_macro("get") => {
                self.base(block, opening - 1)
            }
            _ => Base::Other,
        }
    }
}

/// `target.name` of `target` with what follows at this index: `.name`, `['name']`, `.get('name')`.
fn part_of(block: &Block<'_>, behind: usize, object: &str) -> String {
    let key = match (block.token(behind), block.token(behind + 1), block.token(behind + 2)) {
        (Some(Token::Mark(".")), Some(Token::Name("get")), Some(Token::Mark("("))) => {
            block.token(behind + 3)
        }
        (Some(Token::Mark(".")), Some(Token::Name(name)), _) if !METHODS.contains(name) => {
            return format!("{object}.{name}");
        }
        (Some(Token::Mark("[")), key, Some(Token::Mark("]"))) => key,
        _ => None,
    };
    match key {
        Some(Token::Text(name)) => format!("{object}.{name}"),
        _ => object.to_owned(),
    }
}

/// What a name is looked up in.
#[derive(Clone, Copy)]
enum Base<'b> {
    /// Nothing: the name stands alone.
    None,
    Context,
    /// `adapter.name()` has dbt call the macro of that name where the adapter has no SQL of its
    /// own, e.g. `adapter.drop_relation()` (dbt-adapters 1.x, `SQLAdapter`).
    Adapter,
    Package(&'b str),
    Other,
}

/// `builtins` has the functions of the context without the macros.
fn is_context(token: Option<&Token<'_>>) -> bool {
    matches!(token, Some(Token::Name("context" | "builtins")))
}

/// The name of a filter, a test, an argument or of what the statement defines.
fn is_no_value(block: &Block<'_>, at: usize) -> bool {
    let defines = ["macro", "test", "materialization"].map(Token::Name);
    let keyword = keyword_at(block);
    let defined =
        at == keyword + 1 && block.token(keyword).is_some_and(|word| defines.contains(word));
    defined
        || block.is_mark(at + 1, "=")
        || matches!(block.before(at, 1), Some(Token::Mark("|") | Token::Name("is")))
        || (block.before(at, 1) == Some(&Token::Name("not"))
            && block.before(at, 2) == Some(&Token::Name("is")))
}

/// `name in context`, and the context that is handed to dbt itself.
fn is_only_asked(block: &Block<'_>, at: usize) -> bool {
    let strategy = Some(&Token::Name("get_incremental_strategy_macro"));
    block.before(at, 1) == Some(&Token::Name("in")) || block.before(at, 2) == strategy
}
