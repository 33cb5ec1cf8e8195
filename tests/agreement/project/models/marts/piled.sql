{{ config(materialized='pile') }}
select 1 as x
