-- One row per order that counts as revenue: paid, not returned, not too small.
with paid as (
    select order_id, sum(amount_cents) as amount_cents
    from {{ ref('stg_payments') }}
    group by order_id
)

select
    o.order_id,
    o.customer_id,
    o.ordered_on,
    {{ cents_to_amount('p.amount_cents') }} as amount
from {{ ref('stg_orders') }} as o
inner join paid as p on p.order_id = o.order_id
where o.status <> 'returned'
  and p.amount_cents >= {{ var('minimum_order_cents') }}
