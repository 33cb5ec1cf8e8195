select * from {{ ref('stg_customers' if env_var('SHOP_CHOICE', 'a') == 'a' else 'customers') }}
