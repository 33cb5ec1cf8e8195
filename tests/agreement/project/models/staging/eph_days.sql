{{ config(materialized='ephemeral') }}
select day from {{ ref('tool_days') }}
