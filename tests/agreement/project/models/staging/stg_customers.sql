select id, {{ outer_logic('name') }} as name, '{{ var("currency") }}' as currency
from {{ ref('customers') }}
