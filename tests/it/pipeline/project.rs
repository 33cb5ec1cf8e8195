//! The project that the fake dbt parses: a builder for its nodes, and edits of them.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Nodes, macros, vars and selectors of a project called `shop`.
#[derive(Debug, Default)]
pub(super) struct Project {
    nodes: Vec<Node>,
    /// The text of each macro by its name.
    macros: BTreeMap<String, String>,
    /// As `dbt_project.yml` has them.
    vars: BTreeMap<String, String>,
    /// The names of the nodes of each selector.
    selectors: BTreeMap<String, Vec<String>>,
    default_selector: Option<String>,
    /// More lines for `dbt_project.yml`.
    settings: String,
    /// The database of the only target.
    database: String,
    /// More keys of the only target.
    target: String,
}

#[derive(Debug)]
struct Node {
    id: String,
    name: String,
    /// Below the project.
    file: String,
    code: String,
    config: Map<String, Value>,
    /// Names of its parents.
    reads: Vec<String>,
    macros: Vec<String>,
}

/// Models in a row, each reading the one before.
pub(super) fn chain(names: &[&str]) -> Project {
    let mut project = project();
    for (at, name) in names.iter().enumerate() {
        project = project.model(name);
        if let Some(parent) = at.checked_sub(1).and_then(|at| names.get(at)) {
            project = project.reads(parent);
        }
    }
    project
}

/// A project without nodes.
pub(super) fn project() -> Project {
    Project { database: "shop.duckdb".into(), ..Project::default() }
}

/// Making a project. What follows a node in a chain of calls is said of that node.
impl Project {
    fn node(mut self, kind: &str, name: &str, materialized: &str) -> Self {
        let (id, code) = (format!("{kind}.shop.{name}"), format!("select '{name}'\n"));
        let file = match kind {
            "seed" => format!("seeds/{name}.csv"),
            kind => format!("{kind}s/{name}.sql"),
        };
        let config = Map::from_iter([("materialized".to_owned(), materialized.into())]);
        let (reads, macros, name) = (Vec::new(), Vec::new(), name.to_owned());
        self.nodes.push(Node { id, name, file, code, config, reads, macros });
        self
    }

    /// A table.
    pub(super) fn model(self, name: &str) -> Self {
        self.node("model", name, "table")
    }

    /// `a`, a table; `v`, a view on an ephemeral model on it; and `w`, a view on that.
    pub(super) fn table_under_views(self) -> Self {
        let ephemeral = self.model("a").model("e").as_("ephemeral").reads("a");
        ephemeral.model("v").as_("view").reads("e").model("w").as_("view").reads("v")
    }

    pub(super) fn seed(self, name: &str) -> Self {
        self.node("seed", name, "seed")
    }

    pub(super) fn snapshot(self, name: &str) -> Self {
        self.node("snapshot", name, "snapshot")
    }

    /// A singular test.
    pub(super) fn test(self, name: &str) -> Self {
        self.node("test", name, "test")
    }

    /// A unit test; its model is what it reads first.
    pub(super) fn unit_test(self, name: &str) -> Self {
        self.node("unit_test", name, "unit")
    }

    /// A model of another project, as a plugin adds one: it has no file. Its code stands for the name
    /// of its relation.
    pub(super) fn external(mut self, name: &str) -> Self {
        self = self.node("model", name, "table");
        self.last().id = format!("model.other.{name}");
        self
    }

    /// A macro of the project.
    pub(super) fn a_macro(mut self, name: &str) -> Self {
        let text = format!("{{% macro {name}() %}}1{{% endmacro %}}\n");
        self.macros.insert(name.to_owned(), text);
        self
    }

    fn last(&mut self) -> &mut Node {
        self.nodes.last_mut().expect("a node was made before")
    }

    /// How it is materialized.
    pub(super) fn as_(self, materialized: &str) -> Self {
        self.config("materialized", materialized)
    }

    /// A key of its configuration.
    pub(super) fn config(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.last().config.insert(key.to_owned(), value.into());
        self
    }

    /// Another parent.
    pub(super) fn reads(mut self, parent: &str) -> Self {
        self.last().reads.push(parent.to_owned());
        self.says(&format!("-- {{{{ ref('{parent}') }}}}\n"))
    }

    /// It calls this macro.
    pub(super) fn calls(mut self, name: &str) -> Self {
        self.last().macros.push(format!("macro.shop.{name}"));
        self.says(&format!("-- {{{{ {name}() }}}}\n"))
    }

    /// More of its code.
    pub(super) fn says(mut self, code: &str) -> Self {
        self.last().code.push_str(code);
        self
    }

    /// A var of `dbt_project.yml`.
    pub(super) fn var(mut self, name: &str, value: &str) -> Self {
        self.set_var(name, value);
        self
    }

    /// A selector of `selectors.yml`.
    pub(super) fn selector(mut self, name: &str, nodes: &[&str]) -> Self {
        let nodes = nodes.iter().map(ToString::to_string).collect();
        self.selectors.insert(name.to_owned(), nodes);
        self
    }

    /// The same with `default: true`.
    pub(super) fn default_selector(mut self, name: &str, nodes: &[&str]) -> Self {
        self.default_selector = Some(name.to_owned());
        self.selector(name, nodes)
    }

    /// More lines for `dbt_project.yml`.
    pub(super) fn setting(mut self, line: &str) -> Self {
        self.settings += &format!("{line}\n");
        self
    }
}

/// Edits of a project.
impl Project {
    fn named(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.name == name).expect("a node of this name")
    }

    /// The file of a node, below the project, and what it says.
    pub(super) fn file(&mut self, name: &str) -> (String, String) {
        let node = self.named(name);
        (node.file.clone(), node.code.clone())
    }

    /// Changes the code of a node.
    pub(super) fn edit(&mut self, name: &str) {
        self.named(name).code.push_str("-- edited\n");
    }

    /// Takes the last change of [`Project::edit`] back.
    pub(super) fn revert(&mut self, name: &str) {
        let code = &mut self.named(name).code;
        *code = code.strip_suffix("-- edited\n").expect("it was edited").to_owned();
    }

    pub(super) fn set_macro(&mut self, name: &str, text: &str) {
        self.macros.insert(name.to_owned(), text.to_owned());
    }

    /// Changes the code of a node so that it compiles to the same.
    pub(super) fn comment(&mut self, name: &str) {
        self.named(name).code.push_str("{# a comment #}");
    }

    pub(super) fn edit_macro(&mut self, name: &str) {
        self.macros.get_mut(name).expect("a macro of this name").push_str("{# edited #}\n");
    }

    pub(super) fn configure(&mut self, name: &str, key: &str, value: impl Into<Value>) {
        self.named(name).config.insert(key.to_owned(), value.into());
    }

    pub(super) fn set_var(&mut self, name: &str, value: &str) {
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Adds a table that reads `parent`.
    pub(super) fn add(&mut self, name: &str, parent: &str) {
        let project = std::mem::take(self);
        *self = project.model(name).reads(parent);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.nodes.retain(|node| node.name != name);
    }

    /// Points the target at another warehouse.
    pub(super) fn move_to(&mut self, database: &str) {
        self.database = database.to_owned();
    }

    /// Gives the target more keys than type, path and schema.
    pub(super) fn set_target(&mut self, keys: &str) {
        self.target = keys.to_owned();
    }

    /// The `unique_id` of a node, whatever its kind.
    pub(super) fn id(&self, name: &str) -> String {
        let node = self.nodes.iter().find(|node| node.name == name);
        node.map_or_else(|| format!("model.shop.{name}"), |node| node.id.clone())
    }

    /// Writes all files of the project, and removes those of nodes that it has no more.
    pub(super) fn write_to(&self, root: &Path) {
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, text).expect("the project is writable");
        };
        for directory in ["models", "seeds", "snapshots", "tests", "unit_tests", "macros"] {
            let _ = fs::remove_dir_all(root.join(directory));
        }
        self.nodes.iter().for_each(|node| write(&node.file, &node.code));
        for (name, text) in &self.macros {
            write(&format!("macros/{name}.sql"), text);
        }
        write("nodes.json", &self.parsed().to_string());
        write("dbt_project.yml", &self.dbt_project());
        let Self { database, target, .. } = self;
        let target = format!("{{type: duckdb, path: {database}, schema: main, {target}}}");
        write("profiles.yml", &format!("shop: {{target: dev, outputs: {{dev: {target}}}}}\n"));
        if !self.selectors.is_empty() {
            write("selectors.yml", &self.selectors_yml());
        }
    }

    fn dbt_project(&self) -> String {
        let vars = self.vars.iter().map(|(name, value)| format!("  {name}: {value}\n"));
        let vars = vars.collect::<String>();
        let vars = if vars.is_empty() { vars } else { format!("vars:\n{vars}") };
        format!("name: shop\nprofile: shop\n{}{vars}", self.settings)
    }

    fn selectors_yml(&self) -> String {
        let lines = self.selectors.iter().map(|(name, nodes)| {
            let default = self.default_selector.as_ref() == Some(name);
            let definition = nodes.join(" ");
            format!("  - name: {name}\n    default: {default}\n    definition: \"{definition}\"\n")
        });
        format!("selectors:\n{}", lines.collect::<String>())
    }

    /// What the fake dbt reads instead of all the YAML and Jinja.
    fn parsed(&self) -> Value {
        let ids = |names: &[String]| names.iter().map(|name| self.id(name)).collect::<Vec<_>>();
        let nodes = self.nodes.iter().map(|node| {
            json!({
                "unique_id": node.id,
                "name": node.name,
                "file": node.file,
                "config": node.config,
                "reads": ids(&node.reads),
                "macros": node.macros,
            })
        });
        let selectors = self.selectors.iter().map(|(name, nodes)| (name.clone(), ids(nodes)));
        json!({
            "nodes": nodes.collect::<Vec<_>>(),
            "macros": self.macros.keys().collect::<Vec<_>>(),
            "selectors": selectors.collect::<BTreeMap<_, _>>(),
            "default_selector": self.default_selector,
        })
    }
}
