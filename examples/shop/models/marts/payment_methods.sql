select
    method,
    count(*) as payment_count,
    {{ cents_to_amount('sum(amount_cents)') }} as amount
from {{ ref('stg_payments') }}
group by method
