select * from {{ ref('product', v=1) }} union all select id from {{ ref('product') }}
