{# What a cluster changes: the engine, and where statements are carried out. #}
{% macro get_engine(engine) %}
  {%- if env_var('CLICKHOUSE_CLUSTER_NAME', '') -%}
    Replicated{{ engine }}
  {%- else -%}
    {{ engine }}
  {%- endif -%}
{% endmacro %}

{% macro on_cluster() %}
  {%- if env_var('CLICKHOUSE_CLUSTER_NAME', '') -%}
    ON CLUSTER '{{ env_var('CLICKHOUSE_CLUSTER_NAME') }}'
  {%- endif -%}
{% endmacro %}

{# A run over a materialized view that is there alters its query and nothing else: a changed
   TTL would be recorded as built and never reach the table. So it is sent after each run. #}
{% macro apply_ttl() %}
  {%- if env_var('ASPECTS_DATA_TTL_EXPRESSION', '') -%}
    ALTER TABLE {{ this }} {{ on_cluster() }} MODIFY TTL {{ env_var('ASPECTS_DATA_TTL_EXPRESSION') }}
  {%- endif -%}
{% endmacro %}
