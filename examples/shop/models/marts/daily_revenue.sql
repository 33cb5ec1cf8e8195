-- Incremental: a later run adds only days that are not there yet.
{{ config(materialized='incremental', unique_key='ordered_on') }}

select ordered_on, sum(amount) as revenue
from {{ ref('orders') }}
{% if is_incremental() %}
where ordered_on > (select max(ordered_on) from {{ this }})
{% endif %}
group by ordered_on
