{{ config(
    materialized='materialized_view',
    engine=get_engine('ReplacingMergeTree()'),
    order_by='(course, event_id)'
) }}
select event_id, course, actor, emitted, 1 as plays
from {{ source('landing', 'events') }}
where verb = 'played'
