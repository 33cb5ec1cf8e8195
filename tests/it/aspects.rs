//! `docs/aspects.md` promises a test for each defect of the script that it replaces.

use crate::support::root;
use std::fs;
use std::path::Path;

#[test]
fn the_tests_that_the_document_for_aspects_names_exist() {
    let text = fs::read_to_string(root().join("docs/aspects.md")).expect("the document");
    let rows = text.lines().skip_while(|line| !line.starts_with("## Defect by defect"));
    let rows = rows.filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let named = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    let named = named.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect::<Vec<_>>();
    assert!(named.len() > 15, "the table was not understood: {named:?}");
    let mut code = String::new();
    for dir in ["src", "tests/it"] {
        read(&root().join(dir), &mut code);
    }
    let missing = named.iter().filter(|name| !code.contains(&format!("#[test]\nfn {name}()")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// All Rust files below, each line without its indentation.
fn read(dir: &Path, code: &mut String) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            read(&path, code);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            for line in fs::read_to_string(&path).expect("a file").lines() {
                code.push_str(line.trim_start());
                code.push('\n');
            }
        }
    }
}
