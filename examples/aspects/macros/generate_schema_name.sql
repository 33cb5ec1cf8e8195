{# A model's schema is the database itself, without a prefix from the target. #}
{% macro generate_schema_name(custom_schema_name, node) %}
  {{- target.schema if custom_schema_name is none else custom_schema_name | trim -}}
{% endmacro %}
