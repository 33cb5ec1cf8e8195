{{ config(
    materialized='materialized_view',
    engine=get_engine('MergeTree()'),
    order_by='(course, emitted)',
    ttl=env_var('ASPECTS_DATA_TTL_EXPRESSION', ''),
    post_hook='{{ apply_ttl() }}'
) }}
select event_id, course, actor, emitted, verb = 'registered' as enrolled
from {{ source('landing', 'events') }}
where verb in ('registered', 'unregistered')
