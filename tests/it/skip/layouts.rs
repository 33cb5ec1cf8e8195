//! Layouts and constructs of public projects in which an unchanged start needs no dbt.

use super::{spares, starts};
use crate::support::Shop;
use std::fs;

/// As packages that collect metrics, tag queries and follow CI services have them.
const MACROS: &str = "\
{% macro first_set(names) %}
  {% for name in names %}
    {% set value = env_var(name, '') %}
    {% if value %}{{ return(value) }}{% endif %}
  {% endfor %}
{% endmacro %}
{% macro query_tag() %}
  {% for name in var('tag_variables', ['TEAM']) %}/* {{ env_var(name, '') }} */{% endfor %}
{% endmacro %}
{% macro tracker(name) %}{{ env_var('MB_' ~ name, '') }}{% endmacro %}
{% macro unused(name) %}{{ env_var(name) }}{% endmacro %}
{% macro note_the_job() %}
  {% do log(first_set(['CI_JOB', 'BUILD_TAG']) ~ tracker('URL') ~ query_tag()) %}
{% endmacro %}
";

const COMMENTED: &str = "\
# Set by env_var(name), as in {{ env_var(name) }}.
models:
  - name: payment_methods
    description: One of what env_var(name) names.
";

#[test]
fn what_dbt_does_not_read_and_what_is_volatile_start_no_dbt() {
    let Some(mut shop) = Shop::new() else { return };
    let modules = shop.project().with_file_name("modules");
    fs::create_dir(&modules).expect("a directory");
    fs::write(modules.join("dbt_measure.py"), "def main():\n    print('coverage')\n")
        .expect("a file");
    shop.env("PYTHONPATH", &modules);
    shop.write("macros/collected.sql", MACROS);
    shop.write("models/marts/methods.yml", COMMENTED);
    shop.write("scripts/tool.py", "import os, sys\nprint(os.environ.get(sys.argv[1]))\n");
    shop.write(".github/workflows/main.yml", "run: echo {{ env_var(name) }}\n");
    shop.write(".circleci/config.yml", "run: echo \"{{ env_var(name) }}\"\n");
    shop.edit("dbt_project.yml", |text| {
        format!("{text}\non-run-end: \"{{{{ note_the_job() }}}}\"\n")
    });
    shop.env("AIRFLOW_CTX_DAG_RUN_ID", "1");
    shop.run(&["build"]).expect_code(0);
    spares(&shop.run(&["build"]));
    shop.env("AIRFLOW_CTX_DAG_RUN_ID", "2");
    shop.env("HOSTNAME", "another-pod");
    spares(&shop.run(&["build"]));
    shop.env("MB_URL", "https://tracker");
    let looked = shop.run(&["build"]);
    starts(&looked, "there is nothing to build");
    looked.expect_built(&[]);
    spares(&shop.run(&["build"]));
}

#[test]
fn a_package_that_contains_the_project_is_looked_at_once() {
    let Some(shop) = Shop::new() else { return };
    let parent = shop.project().with_file_name("dbt_project.yml");
    fs::write(&parent, "name: parent\nversion: '1.0'\nconfig-version: 2\n").expect("a file");
    let macros = shop.project().with_file_name("macros");
    fs::create_dir(&macros).expect("a directory");
    fs::write(macros.join("one.sql"), "{% macro one() %}1{% endmacro %}").expect("a file");
    shop.write("packages.yml", "packages: [{local: ../}]\n");
    shop.write("models/uses.sql", "select {{ parent.one() }} as one");
    shop.run(&["deps"]).expect_code(0);
    shop.run(&["build"]).expect_code(0);
    spares(&shop.run(&["build"]));
    fs::write(macros.join("one.sql"), "{% macro one() %}2{% endmacro %}").expect("a file");
    shop.run(&["build"]).expect_built(&["uses"]);
    spares(&shop.run(&["build"]));
}
