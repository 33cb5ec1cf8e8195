def model(dbt, session):
    dbt.config(materialized="table", packages=["numpy"])
    return dbt.ref("stg_customers")
