{{ config(materialized='table', engine=get_engine('MergeTree()'), order_by='course') }}
select course, uniqExact(actor) as learners
from {{ ref('enrollments') }}
where enrolled
group by course
