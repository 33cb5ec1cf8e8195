//! A project that reads an `env_var` or a `var` in every place where dbt lets it.

/// Its files.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        r#"
name: shop
profile: shop
version: "1.0"
config-version: 2
flags: {send_anonymous_usage_stats: false}
vars:
  v_body: one
  v_scoped: root
  v_global: root
  v_nested: "{{ env_var('E_IN_VAR', 'd') }}"
  parts: {v_scoped: scoped}
models:
  shop:
    configured:
      +meta: {e: "{{ env_var('E_PROJECT', 'd') }}", v: "{{ var('v_project', 'd') }}"}
      +post-hook: "select '{{ env_var('E_PROJECT_HOOK', 'd') }}'"
seeds:
  shop:
    +meta: {e: "{{ env_var('E_SEED', 'd') }}"}
"#,
    ),
    ("profiles.yml", "shop: {target: dev, outputs: {dev: {type: duckdb, path: w.duckdb}}}\n"),
    ("seeds/seed.csv", "id\n1\n"),
    ("models/plain.sql", "select 1 as env_var, 'var(''v_body'')' as a"),
    (
        "models/body.sql",
        "select '{{ env_var(\"E_BODY\", \"d\") }}' as e, '{{ var('v_body') }}' as v",
    ),
    (
        "models/comment.sql",
        "{# {{ env_var('E_NO') }} #} select 1 as a -- {{ env_var('E_COMMENT', 'd') }}",
    ),
    ("models/raw.sql", "select '{% raw %}{{ env_var('E_NO') }}{% endraw %}' as a"),
    ("models/direct.sql", "select {{ direct() }} as a"),
    ("models/nested.sql", "select {{ nested() }} as a"),
    ("models/packaged.sql", "select {{ parts.of_package() }} as a"),
    ("models/dispatched.sql", "select {{ dispatched() }} as a"),
    ("models/passed.sql", "select {{ apply(direct) }} as a"),
    ("models/by_name.sql", "select {{ context['direct']() }} as a"),
    ("models/execute.sql", "select {% if execute %}{{ direct() }}{% else %}1{% endif %} as a"),
    (
        "models/branch.sql",
        "select * from {% if env_var('E_BRANCH', 'd') == 'd' %}{{ ref('plain') }}{% else %}{{ ref('body') }}{% endif %}",
    ),
    ("models/dynamic_ref.sql", "select * from {{ ref(var('v_ref', 'plain')) }}"),
    (
        "models/in_config.sql",
        "{{ config(materialized=env_var('E_CONFIG', 'table'), meta={'a': var('v_config', 'd'), 'b': direct()}) }} select 1 as a",
    ),
    (
        "models/hook.sql",
        "{{ config(pre_hook=\"select '{{ env_var('E_HOOK', 'd') }}'\", post_hook='{{ hook() }}') }} select 1 as a",
    ),
    ("models/yaml_config.sql", "select 1 as a"),
    ("models/configured/by_project.sql", "select 1 as a"),
    ("models/nested_var.sql", "select '{{ var('v_nested') }}' as a"),
    (
        "models/ephemeral.sql",
        "{{ config(materialized='ephemeral') }} select '{{ env_var('E_EPHEMERAL', 'd') }}' as a",
    ),
    ("models/reader.sql", "select * from {{ ref('ephemeral') }}"),
    (
        "models/computed.sql",
        "select '{{ env_var('E_' ~ 'BODY', 'd') }}{{ var(var('v_name', 'v_body')) }}' as a",
    ),
    (
        "models/unknown.sql",
        "select '{{ env_var('e_body' | upper, 'd') }}{{ var('v_body' | trim, 'd') }}' as a",
    ),
    ("models/has_var.sql", "select '{{ var.has_var('v_maybe') }}' as a"),
    ("models/own_materialization.sql", "{{ config(materialized='mine') }} select 1 as a"),
    (
        "models/incremental.sql",
        "{{ config(materialized='incremental', incremental_strategy='own') }} select 1 as a",
    ),
    (
        "models/python_model.py",
        "import os\ndef model(dbt, session):\n    dbt.config(materialized='table')\n    a = os.environ.get('E_PYTHON', 'd')  # os.environ['E_NO']\n    return session.sql(f\"select '{a}' as a\")\n",
    ),
    ("models/wrapped.sql", "select '{{ wrapper('E_WRAPPED') }}' as a"),
    ("models/versioned_v2.sql", "select '{{ env_var('E_VERSIONED', 'd') }}' as a"),
    (
        "models/schema.yml",
        r#"
version: 2
models:
  - name: yaml_config
    config:
      meta: {e: "{{ env_var('E_YAML', 'd') }}", v: "{{ var('v_yaml', 'd') }}"}
  - name: versioned
    latest_version: 2
    versions: [{v: 2}]
"#,
    ),
    (
        "snapshots/snap.sql",
        "{% snapshot snap %}{{ config(unique_key='id', strategy='check', check_cols='all', target_schema='s') }}select 1 as id, '{{ env_var('E_SNAPSHOT', 'd') }}' as a{% endsnapshot %}",
    ),
    (
        "macros/macros.sql",
        r#"
{% macro direct() %}'{{ env_var('E_DIRECT', 'd') }}{{ var('v_direct', 'd') }}'{% endmacro %}
{% macro nested() %}{{ direct() }}{% endmacro %}
{% macro wrapper(name) %}{{ env_var(name, 'd') }}{% endmacro %}
{% macro apply(f) %}{{ f() }}{% endmacro %}
{% macro hook() %}select '{{ env_var('E_HOOK_MACRO', 'd') }}'{% endmacro %}
{% macro dispatched() %}{{ adapter.dispatch('dispatched')() }}{% endmacro %}
{% macro default__dispatched() %}1{% endmacro %}
{% macro duckdb__dispatched() %}'{{ env_var('E_DISPATCHED', 'd') }}'{% endmacro %}
{% macro unused(var) %}{{ var }}{{ env_var('E_UNUSED', 'd') }}{% endmacro %}
{% macro get_incremental_own_sql(arguments) %}select '{{ env_var('E_STRATEGY', 'd') }}'{% endmacro %}
{% materialization mine, default %}{{ env_var('E_MATERIALIZATION', 'd') }}{% endmaterialization %}
"#,
    ),
    (
        "dbt_packages/parts/dbt_project.yml",
        "name: parts\nconfig-version: 2\nversion: '1.0'\nvars: {v_own: own, v_global: own, parts: {v_scoped: own, v_global: own}}\n",
    ),
    (
        "dbt_packages/parts/macros/of_package.sql",
        "{% macro of_package() %}'{{ env_var('E_PACKAGE', 'd') }}'{% endmacro %}",
    ),
    (
        "dbt_packages/parts/models/part.sql",
        "select '{{ var('v_scoped') }}/{{ var('v_own') }}/{{ var('v_global') }}' as a",
    ),
];

/// For each model, seed and snapshot: what it reads, `*` for a computed name.
pub(super) const READ: &[(&str, &[&str])] = &[
    ("model.parts.part", &["var:v_global", "var:v_own", "var:v_scoped"]),
    ("model.shop.body", &["env_var:E_BODY", "var:v_body"]),
    ("model.shop.branch", &["env_var:E_BRANCH"]),
    ("model.shop.by_name", &["env_var:E_DIRECT", "var:v_direct"]),
    ("model.shop.by_project", &["env_var:E_PROJECT", "env_var:E_PROJECT_HOOK", "var:v_project"]),
    ("model.shop.comment", &["env_var:E_COMMENT"]),
    ("model.shop.computed", &["env_var:E_BODY", "var:v_body", "var:v_name"]),
    ("model.shop.direct", &["env_var:E_DIRECT", "var:v_direct"]),
    ("model.shop.dispatched", &["env_var:E_DISPATCHED"]),
    ("model.shop.dynamic_ref", &["var:v_ref"]),
    ("model.shop.ephemeral", &["env_var:E_EPHEMERAL"]),
    ("model.shop.execute", &["env_var:E_DIRECT", "var:v_direct"]),
    ("model.shop.has_var", &["var:v_maybe"]),
    ("model.shop.hook", &["env_var:E_HOOK", "env_var:E_HOOK_MACRO"]),
    (
        "model.shop.in_config",
        &["env_var:E_CONFIG", "env_var:E_DIRECT", "var:v_config", "var:v_direct"],
    ),
    ("model.shop.incremental", &["env_var:E_STRATEGY"]),
    ("model.shop.nested", &["env_var:E_DIRECT", "var:v_direct"]),
    ("model.shop.nested_var", &["env_var:E_IN_VAR", "var:v_nested"]),
    ("model.shop.own_materialization", &["env_var:E_MATERIALIZATION"]),
    ("model.shop.packaged", &["env_var:E_PACKAGE"]),
    ("model.shop.passed", &["env_var:E_DIRECT", "var:v_direct"]),
    ("model.shop.plain", &[]),
    ("model.shop.python_model", &["env_var:E_PYTHON"]),
    ("model.shop.raw", &[]),
    ("model.shop.reader", &[]),
    ("model.shop.versioned.v2", &["env_var:E_VERSIONED"]),
    ("model.shop.wrapped", &["env_var:E_WRAPPED"]),
    // What is within a var's value is known only with the values: `v_nested` reads `E_IN_VAR`.
    ("model.shop.unknown", &["env_var:*", "env_var:E_IN_VAR", "var:*"]),
    ("model.shop.yaml_config", &["env_var:E_YAML", "var:v_yaml"]),
    ("seed.shop.seed", &["env_var:E_SEED"]),
    ("snapshot.shop.snap", &["env_var:E_SNAPSHOT"]),
];

/// Values that differ from every default above.
pub(super) const OTHER_ENVIRONMENT: &[&str] = &[
    "E_BODY",
    "E_BRANCH",
    "E_COMMENT",
    "E_DIRECT",
    "E_DISPATCHED",
    "E_EPHEMERAL",
    "E_IN_VAR",
    "E_HOOK",
    "E_HOOK_MACRO",
    "E_MATERIALIZATION",
    "E_PACKAGE",
    "E_PROJECT",
    "E_PROJECT_HOOK",
    "E_PYTHON",
    "E_SEED",
    "E_SNAPSHOT",
    "E_STRATEGY",
    "E_UNUSED",
    "E_VERSIONED",
    "E_WRAPPED",
    "E_YAML",
];

/// As [`OTHER_ENVIRONMENT`].
pub(super) const OTHER_VARS: &str = "{v_body: x, v_scoped: x, v_own: x, v_project: x, v_direct: x, v_config: x, v_yaml: x, v_maybe: x, v_ref: body}";
