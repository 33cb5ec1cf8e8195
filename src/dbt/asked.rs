//! What dbt is asked about relations in the warehouse: the Jinja of a `dbt compile --inline`, and what
//! it compiles to.
//!
//! `adapter.get_relation` lists a schema once and keeps the list (dbt 1.8 to 1.13), and it compares
//! names by the rules of the adapter. Every adapter offers it to Jinja, unlike the listing itself.

use crate::count::counted;
use anyhow::{Context as _, Result, ensure};

/// What stands around the answer, so that the compiled text is a statement.
const STATEMENT: [&str; 2] = ["select '", "' as said"];

/// Where a relation is, in the words that dbt passes to its adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The database; `None` for adapters that have none.
    pub database: Option<String>,
    /// The schema.
    pub schema: String,
    /// The name of the relation in its schema.
    pub identifier: String,
}

impl Address {
    /// The schema with its database, for messages.
    #[must_use]
    pub fn full_schema(&self) -> String {
        match self.database.as_deref() {
            None | Some("") => self.schema.clone(),
            Some(database) => format!("{database}.{}", self.schema),
        }
    }

    /// The address in the full name of a relation, with or without quotation marks: the last part is
    /// the relation, the one before it the schema. `None` if it has not two or three parts.
    #[must_use]
    pub fn of_name(relation: &str) -> Option<Self> {
        let (mut parts, mut quote) = (vec![String::new()], None);
        let mut letters = relation.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('.', None) => parts.push(String::new()),
                ('"' | '`', None) => quote = Some(letter),
                ('[', None) => quote = Some(']'),
                (letter, Some(mark)) if letter == mark && letters.next_if_eq(&mark).is_none() => {
                    quote = None;
                }
                (letter, _) => parts.last_mut()?.push(letter),
            }
        }
        if quote.is_some() || parts.len() > 3 || parts.iter().any(String::is_empty) {
            return None;
        }
        let (identifier, schema) = (parts.pop()?, parts.pop()?);
        Some(Self { database: parts.pop(), schema, identifier })
    }

    fn row(&self) -> String {
        let database = self.database.as_deref().map_or_else(|| "none".to_owned(), literal);
        format!("({database},{},{}),", literal(&self.schema), literal(&self.identifier))
    }
}

/// A string of Jinja, which has the escapes of JSON. Braces and percent signs are escaped as well, so
/// that no part of a name ends the Jinja around it.
fn literal(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('{', "\\u007b").replace('}', "\\u007d").replace('%', "\\u0025")
}

/// What is asked of each relation. The answer is `None` for one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Its type, such as `table`.
    Type,
    /// The statement that drops it.
    DropStatement,
    /// That it be dropped, by that statement. All of them are dropped in one transaction, where the
    /// warehouse has such.
    Drop,
}

/// The statement that drops `found`, in the words of the adapter. It never takes along what depends on
/// the relation: that may be something that dbt did not build.
const DROP: &str = "{%- if target.type == 'clickhouse' -%}\
    {%- set sql = ['drop', 'view' if found.type | string == 'view' else 'table', 'if exists', found | string, \
    on_cluster_clause(found) | trim] | join(' ') | trim -%}{%- else -%}\
    {%- set sql = get_drop_sql(found) | trim -%}\
    {%- if sql.endswith('cascade') -%}{%- set sql = sql[:-7] | trim -%}{%- endif -%}{%- endif -%}";

/// Execute `sql` in a transaction, as a materialization does.
const EXECUTE: &str = "{%- call statement('drop', auto_begin=True) -%}{{ sql }}{%- endcall -%}";

/// Jinja that asks this of the first of these relations, and how many those are: as many as fit into
/// one argument of a command line (execve(2): 128 KiB on Linux), at least one.
#[must_use]
pub fn question(ask: Ask, addresses: &[&Address]) -> (String, usize) {
    const MOST_BYTES: usize = 100_000;
    let (mut rows, mut count) = (String::new(), 0);
    for row in addresses.iter().map(|address| address.row()) {
        if count > 0 && rows.len() + row.len() > MOST_BYTES {
            break;
        }
        rows += &row;
        count += 1;
    }
    let (work, said, end) = match ask {
        Ask::Type => (String::new(), "found.type | string | lower", ""),
        Ask::DropStatement => (DROP.to_owned(), "sql", ""),
        Ask::Drop => ([DROP, EXECUTE].concat(), "sql", "{%- do adapter.commit() -%}"),
    };
    let [before, after] = STATEMENT;
    let jinja = format!(
        "{{%- set said = [] -%}}{{%- for at in [{rows}] -%}}\
         {{%- set found = adapter.get_relation(at[0], at[1], at[2]) -%}}{{%- if found -%}}{work}\
         {{%- do said.append({said}) -%}}{{%- else -%}}{{%- do said.append(none) -%}}{{%- endif -%}}\
         {{%- endfor -%}}{end}{before}{{{{ tojson(said) }}}}{after}"
    );
    (jinja, count)
}

/// What was said of each of the `count` relations; `None` for one that is not there.
///
/// # Errors
/// The text is not what [`question`] compiles to.
pub fn answer(compiled: &str, count: usize) -> Result<Vec<Option<String>>> {
    let [before, after] = STATEMENT;
    let list = compiled.trim().strip_prefix(before).and_then(|text| text.strip_suffix(after));
    let list = list.context("dbt compiled something else than what it was asked")?;
    let said: Vec<Option<String>> = serde_json::from_str(list).context("the answers")?;
    ensure!(
        said.len() == count,
        "{} for {}",
        counted(said.len(), "answers"),
        counted(count, "relations")
    );
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(database: Option<&str>, schema: &str, identifier: &str) -> Address {
        let database = database.map(str::to_owned);
        Address { database, schema: schema.into(), identifier: identifier.into() }
    }

    #[test]
    fn no_name_ends_the_jinja_or_its_strings() {
        let names = [address(None, "s", "a\"b\\c'd"), address(Some("d"), "é", "%}{{ x }}")];
        let (jinja, count) = question(Ask::Type, &names.iter().collect::<Vec<_>>());
        let rows =
            r#"[(none,"s","a\"b\\c'd"),("d","é","\u0025\u007d\u007b\u007b x \u007d\u007d"),]"#;
        assert!(jinja.contains(&format!("for at in {rows} -%}}")), "{jinja}");
        assert_eq!((count, jinja.matches("%}").count()), (2, 9));
        assert_eq!(names[1].full_schema(), "d.é");
    }

    #[test]
    fn a_question_fits_into_one_argument() {
        let many: Vec<Address> = (0..5_000)
            .map(|n| address(Some("shop"), "main", &format!("a_long_name_{n}")))
            .collect();
        let mut left: Vec<&Address> = many.iter().collect();
        let mut counts = Vec::new();
        while !left.is_empty() {
            let (jinja, count) = question(Ask::Type, &left);
            assert!(jinja.len() < 128 << 10);
            counts.push(count);
            left.drain(..count);
        }
        assert_eq!((counts.len(), counts.iter().sum::<usize>()), (2, 5_000));
    }

    #[test]
    fn an_answer_is_a_list_of_types_and_nothing_else_is() {
        let types = |text: &str, count| answer(text, count).map_err(|error| format!("{error:#}"));
        let text = "\nselect '[\"table\", null]' as said\n";
        assert_eq!(types(text, 2), Ok(vec![Some("table".into()), None]));
        assert_eq!(types(text, 3), Err("2 answers for 3 relations".into()));
        for other in ["", "select 1", "select '[' as said", "select '{}' as said"] {
            assert!(types(other, 0).is_err(), "{other}");
        }
    }

    #[test]
    fn the_full_name_of_a_relation_is_its_address() {
        let of = Address::of_name;
        let abc = Some(address(Some("a"), "b", "c"));
        for name in ["a.b.c", "\"a\".\"b\".\"c\"", "[a].b.[c]", "`a`.`b`.`c`", "\"a\".b.c"] {
            assert_eq!(of(name), abc, "{name}");
        }
        assert_eq!(of("`b`.`c`"), Some(address(None, "b", "c")));
        assert_eq!(of(r#""a.b"."c""d"."e]""#), Some(address(Some("a.b"), "c\"d", "e]")));
        for name in ["", "a", "a.b.c.d", "a..c", "\"a.b", "\"a\".\"b\".\"\""] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
