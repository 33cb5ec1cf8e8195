#!/bin/sh
# The entrypoint of the PostgreSQL image that docker/local-images.sh builds. It supports those
# variables of the official image that compose/postgres.yaml uses, so the tests can run that file
# unchanged.
set -eu
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s\n' "${POSTGRES_PASSWORD:?}" |
        initdb --no-sync --encoding=UTF8 --locale=C --username="$user" --pwfile=/dev/stdin \
            --auth-local=trust --auth-host=scram-sha-256
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    printf 'create database "%s"\n' "$database" | postgres --single -j postgres
fi
exec postgres -c listen_addresses='*'
