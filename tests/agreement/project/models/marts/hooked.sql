{{ config(post_hook=["{{ hook_text() }}", "select '{{ env_var('SHOP_HOOK', 'h') }}'"], pre_hook={'sql': 'select 2', 'transaction': False}) }}
select {{ picky() }} as x from {{ ref('stg_customers') }}
