-- Each deployment decides how many orders make a customer loyal: an environment variable.
select customer_id, customer_name, order_count
from {{ ref('customers') }}
where order_count >= {{ env_var('SHOP_LOYAL_ORDERS', '2') }}
