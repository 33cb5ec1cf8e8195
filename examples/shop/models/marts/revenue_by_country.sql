select country, sum(revenue) as revenue
from {{ ref('customers') }}
group by country
