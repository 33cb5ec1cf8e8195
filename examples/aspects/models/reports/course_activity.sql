{{ config(materialized='view') }}
{%- set names = ref('course_names') %}
select
    course,
    dictGetOrDefault('{{ names.schema }}.{{ names.identifier }}', 'name', tuple(course), '?')
        as course_name,
    sum(plays) as plays
from {{ ref('video_plays') }}
group by course
