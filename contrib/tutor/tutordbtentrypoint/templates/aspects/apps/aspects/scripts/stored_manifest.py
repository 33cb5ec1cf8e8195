"""dbt's manifest in ClickHouse, where tutor-contrib-aspects keeps it and Superset's lineage and
the hosted documentation read it: the row `manifest.json` of the table aspects_data.

  stored_manifest.py fetch FILE   writes it to FILE; exit 3: none is stored
  stored_manifest.py store        stores the file that $DBT_ENTRYPOINT_MANIFEST names
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
    # FINAL: until ClickHouse merges its parts, earlier rows of the name are there as well.
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
