{{ config(
    materialized='dictionary',
    fields=[('course', 'String'), ('name', 'String')],
    primary_key='course',
    layout='COMPLEX_KEY_HASHED()',
    lifetime='120',
    source_type='clickhouse'
) }}
select course, name from {{ source('landing', 'course_names') }}
