"""Read or write dbt's manifest in ClickHouse: the row `manifest.json` of the table aspects_data.

tutor-contrib-aspects keeps it there, and Superset's lineage and the hosted documentation read it.

  stored_manifest.py fetch FILE   write it to FILE; exits with 3 if there is none
  stored_manifest.py store        store the file that $DBT_ENTRYPOINT_MANIFEST names
"""

import json
import os
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

TABLE = "{{ ASPECTS_EVENT_SINK_DATABASE }}.aspects_data"
NAME = "manifest.json"
NONE_STORED = 3


def connect():
    return clickhouse_connect.get_client(
        host="{{ CLICKHOUSE_HOST }}",
        port={{ CLICKHOUSE_INTERNAL_HTTP_PORT }},
        username="{{ CLICKHOUSE_ADMIN_USER }}",
        password="{{ CLICKHOUSE_ADMIN_PASSWORD }}",
        secure={{ CLICKHOUSE_SECURE_CONNECTION }},
    )


def fetch(file):
    client = connect()
    if not client.command(f"EXISTS TABLE {TABLE}"):
        sys.exit(NONE_STORED)
    # FINAL: until ClickHouse merges its parts, older rows with this path exist too.
    rows = client.query(f"SELECT content FROM {TABLE} FINAL WHERE path = '{NAME}'").result_rows
    if not rows:
        sys.exit(NONE_STORED)
    with open(file, "w") as out:
        out.write(rows[0][0])


def store():
    with open(os.environ["DBT_ENTRYPOINT_MANIFEST"]) as manifest:
        row = json.dumps({"path": NAME, "content": manifest.read()})
    connect().raw_insert(TABLE, insert_block=row, fmt="JSONEachRow")


if __name__ == "__main__":
    try:
        {"fetch": fetch, "store": store}[sys.argv[1]](*sys.argv[2:])
    except ClickHouseError as error:
        sys.exit(f"stored_manifest.py {sys.argv[1]}: {error}")
