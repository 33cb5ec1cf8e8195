{{ config(materialized='incremental', unique_key=['id', 'day'], fields=[('id', 'integer'), ('day', 'date')]) }}
select o.id, o.amount, d.day from {{ ref('stg_orders') }} o cross join {{ ref('eph_days') }} d
{% if is_incremental() %} where o.id > 0 and {{ late_filter() }} {% endif %}
