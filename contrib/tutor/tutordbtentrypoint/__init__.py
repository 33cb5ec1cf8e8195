"""A Tutor plugin that replaces the dbt script of Open edX Aspects with dbt-entrypoint."""
