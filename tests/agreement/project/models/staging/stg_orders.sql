{{ config(meta={'colour': config_value(), 'when': modules.datetime.date(2024, 1, 2)}) }}
select id, {{ dbt_tools.cents('amount') }} as amount, '{{ env_var("SHOP_BODY", "x") }}' as mark
from {{ source('raw', 'orders') }}
