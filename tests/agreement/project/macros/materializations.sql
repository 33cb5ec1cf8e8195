{% materialization pile, default %}
  {{ return(adapter.dispatch('pile_body', 'shop')()) }}
{% endmaterialization %}

{% macro default__pile_body() %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {% call statement('main') %}create or replace table {{ this }} as ({{ sql }}){% endcall %}
  {{ return({'relations': [target_relation]}) }}
{% endmacro %}

{% macro get_incremental_default_sql(arg_dict) %}{{ return(get_incremental_append_sql(arg_dict)) }}{% endmacro %}
