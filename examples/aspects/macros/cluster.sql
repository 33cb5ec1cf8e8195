{# A cluster changes the engine and where statements are executed. #}
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

{# A run over an existing materialized view changes its query and nothing else: a changed TTL would
   never reach the table. So this hook sets it after each build. #}
{% macro apply_ttl() %}
  {%- if env_var('ASPECTS_DATA_TTL_EXPRESSION', '') -%}
    ALTER TABLE {{ this }} {{ on_cluster() }} MODIFY TTL {{ env_var('ASPECTS_DATA_TTL_EXPRESSION') }}
  {%- endif -%}
{% endmacro %}
