"""A Tutor plugin: dbt-entrypoint in place of the dbt script of Open edX Aspects."""
