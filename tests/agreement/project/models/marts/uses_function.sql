-- needs dbt 1.11
select {{ function('twice') }}(1) as two
