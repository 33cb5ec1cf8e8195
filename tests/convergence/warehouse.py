"""Where the relations of a world are, and how the tests read them.

A warehouse also has the gates: one for each gated model, which reads it while it is built. A gate that
is gone makes the model fail, a gate that is held makes it wait.
"""

import os
import threading

SCHEMA = "main"
TABLES = ("select table_name, table_type from information_schema.tables "
          f"where table_schema = '{SCHEMA}'")
COLUMNS = ("select table_name, column_name from information_schema.columns "
           f"where table_schema = '{SCHEMA}' order by table_name, ordinal_position")


class Unreadable(Exception):
    """The warehouse cannot be opened, or a relation cannot be read."""


class Warehouse:
    adapter = None

    def query(self, sql):
        raise NotImplementedError

    def everything(self):
        """Return {relation: rows of a table or SQL of a view}; None if the warehouse cannot be opened."""
        try:
            found = dict(self.query(self.views))
            for name, kind in self.query(TABLES):
                if kind == "BASE TABLE":
                    found[name] = sorted(map(str, self.query(f"select * from {SCHEMA}.{name}")))
            return found
        except Unreadable:
            return None

    def relations(self, wanted):
        """Return {relation: (type, signatures, columns)}, or the error if a relation cannot be read."""
        types, columns, found = dict(self.query(TABLES)), {}, {}
        for relation, column in self.query(COLUMNS):
            columns.setdefault(relation, []).append(column)
        for name in wanted:
            try:
                rows = self.query(f"select signature from {SCHEMA}.{name}")
                found[name] = (types.get(name), [row[0] for row in rows], columns.get(name))
            except Unreadable as error:
                found[name] = str(error).splitlines()[0]
        return found

    def names(self):
        return {name for name, _ in self.query(TABLES)}


class DuckDb(Warehouse):
    """A file in the project. A gate is a file beside the project (a FIFO inside, which nobody can
    compare, would keep the program from knowing what dbt reads); it is held if it is a FIFO."""
    adapter = "duckdb"
    views = ("select view_name, sql from duckdb_views() "
             f"where schema_name = '{SCHEMA}' and not internal")

    def __init__(self, project):
        self.project, self.gates = project, project.parent / "gates"

    def target(self, threads):
        return {"type": "duckdb", "path": "world.duckdb", "threads": threads}

    def query(self, sql):
        import duckdb
        try:
            with duckdb.connect(str(self.project / "world.duckdb"), read_only=True) as warehouse:
                return warehouse.sql(sql).fetchall()
        except duckdb.Error as error:
            raise Unreadable(str(error)) from None

    @staticmethod
    def hook(name, select):
        return f'"create or replace table {SCHEMA}.{name} as {select}"'

    @staticmethod
    def gate(name):
        return (f"read_csv('../gates/{name}', columns={{'word': 'varchar'}}, header=false, "
                "auto_detect=false)")

    def set_gates(self, gates):
        """Let those gates be there that are open, and no others."""
        self.gates.mkdir(exist_ok=True)
        for old in self.gates.iterdir():
            old.unlink()  # It may be a FIFO.
        for name, state in gates.items():
            if state == "open":
                (self.gates / name).write_text("open\n")

    def hold(self, name):
        path = self.gates / name
        path.unlink()
        os.mkfifo(path)
        return FifoGate(path)


class FifoGate:
    def __init__(self, path):
        self.path = path

    def release(self, wait):
        """Let the model that reads the FIFO go on, whenever it opens it, until wait() returns."""
        def feed():
            with open(self.path, "w") as gate:
                gate.write("open\n")
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        wait()
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        feeder.join(300)
        os.close(reader)
        self.path.unlink()
        self.path.write_text("open\n")


class Postgres(Warehouse):
    """A database of a server. A gate is a table; it is held if somebody has locked it."""
    adapter = "postgres"
    views = ("select viewname, definition from pg_views "
             f"where schemaname = '{SCHEMA}'")

    def __init__(self, server, name):
        """`server` is what psycopg2 needs to connect, without the database."""
        self.server, self.name, self.connection = server, name, None
        with_all = self.connect("postgres")
        with_all.cursor().execute(f"drop database if exists {name} with (force)")
        with_all.cursor().execute(f"create database {name}")
        with_all.close()
        self.connection = self.connect(name)
        self.query(f"create schema {SCHEMA}; create schema gates; select 1")

    def connect(self, name):
        import psycopg2
        connection = psycopg2.connect(dbname=name, **self.server)
        connection.autocommit = True
        return connection

    def target(self, threads):
        return {"type": "postgres", "dbname": self.name, "schema": SCHEMA, "port": 5432,
                "threads": threads, **self.server}

    def query(self, sql):
        import psycopg2
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        except psycopg2.Error as error:
            raise Unreadable(str(error)) from None

    @staticmethod
    def hook(name, select):
        return (f'["drop table if exists {SCHEMA}.{name}", '
                f'"create table {SCHEMA}.{name} as {select}"]')

    @staticmethod
    def gate(name):
        return f"gates.{name}"

    def set_gates(self, gates):
        for name, state in gates.items():
            made = f"create table gates.{name} as select 'open' as word; " if state == "open" else ""
            self.query(f"drop table if exists gates.{name}; {made}select 1")

    def hold(self, name):
        connection = self.connect(self.name)
        connection.autocommit = False
        connection.cursor().execute(f"lock table gates.{name} in access exclusive mode")
        return LockedGate(connection)


class LockedGate:
    def __init__(self, connection):
        self.connection = connection

    def release(self, wait):
        self.connection.rollback()
        self.connection.close()
        wait()
