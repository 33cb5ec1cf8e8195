{% macro cents_to_amount(cents) -%}
    round({{ cents }} / 100.0, 2)
{%- endmacro %}
