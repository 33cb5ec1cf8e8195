{% macro outer_logic(column) %}{{ inner_logic(column) }}{% endmacro %}

{% macro inner_logic(column) %}{{ return(adapter.dispatch('flavour', 'shop')(column)) }}{% endmacro %}

{% macro default__flavour(column) %}lower({{ column }}){% endmacro %}

{% macro duckdb__flavour(column) %}upper({{ column }}){% endmacro %}

{% macro hook_text() %}select {{ nested_hook() }}{% endmacro %}

{% macro nested_hook() %}42{% endmacro %}

{% macro config_value() %}{{ return(env_var('SHOP_CONFIG', 'grey')) }}{% endmacro %}

{% macro picky() %}{% if execute %}{{ only_executed() }}{% else %}1{% endif %}{% endmacro %}

{% macro only_executed() %}1{% endmacro %}

{% macro late_filter() %}true{% endmacro %}
