select
    id as payment_id,
    order_id,
    method,
    amount_cents
from {{ ref('raw_payments') }}
