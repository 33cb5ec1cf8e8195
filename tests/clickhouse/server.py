#!/usr/bin/env python3
"""ClickHouse for tests: the HTTP interface in front of the engine that chdb brings.

PyPI has the real engine as a Python module (chdb) but no server; dbt-clickhouse speaks HTTP to
a server. This is as much of the interface as dbt-clickhouse and these tests use: statements in
the body or in `?query=`, sessions, databases, settings and parameters in the URL, errors with
their code. On the loopback interface only, for any user.

What a test needs besides:

  --ready-file FILE    the port, written (whole) once statements are answered; the port is free
                       for the taking unless --port says which
  --query-log FILE     one JSON object a line for each statement: `query` as the client sent it,
                       `code` (0: it succeeded), `seconds`
  --delay RE=SECONDS   a statement that matches waits before it is run
  --rewrite RE=>TEXT   the engine is given TEXT in place of each match. One node is not a
                       cluster: ON CLUSTER and Replicated engines are rewritten, and the log
                       shows that they were sent. An INSERT is left alone: its text is data

A parent that dies closes our standard input, and that ends us: no test leaves a server behind.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session

# Parameters of the interface; any other one is a setting of the engine.
OURS = re.compile(
    r"query|database|default_format|query_id|session_\w+|user|password|role|quota_key|compress"
    r"|decompress|client_protocol_version|wait_end_of_query|buffer_size|enable_http_compression"
    r"|send_progress_in_http_headers|http_\w+|param_\w+"
)
CODE = re.compile(r"Code:\s*(\d+)")
INSERT = re.compile(r"\s*(/\*.*?\*/\s*)*insert\b", re.IGNORECASE | re.DOTALL)


def literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Client:
    """What one session id stands for: a session of the engine, one statement at a time."""

    def __init__(self, path):
        self.engine = Session(path)
        self.turn = threading.Lock()
        self.settings = {}
        self.database = "default"

    def run(self, statement, database, settings, parameters):
        with self.turn:
            # What a URL sets stays set in its session: a client says the same each time.
            for name, value in settings.items():
                if self.settings.get(name) != value:
                    self.engine.query(f"SET {name} = {literal(value)}")
                    self.settings[name] = value
            if database and database != self.database:
                self.engine.query(f"USE `{database}`")
                self.database = database
            answer = self.engine.query(statement, "TabSeparated", params=parameters)
            return bytes(answer.bytes()) if answer is not None else b""


class Engine:
    def __init__(self, options):
        self.path = options.path
        self.delays = [(re.compile(re_), float(s)) for re_, _, s in map(rpart("="), options.delay)]
        self.rewrites = [(re.compile(re_), to) for re_, _, to in map(rpart("=>"), options.rewrite)]
        self.log = open(options.query_log, "a") if options.query_log else None
        self.guard = threading.Lock()
        self.clients = {}
        self.timezone = self.client("").run("SELECT timezone()", "", {}, {}).decode().strip()

    def client(self, session):
        with self.guard:
            if session not in self.clients:
                self.clients[session] = Client(self.path)
            return self.clients[session]

    def run(self, sent, url):
        """The answer's bytes, or what the engine says of the failure; and the code."""
        began, code = time.monotonic(), 0
        statement = sent
        for pattern, seconds in self.delays:
            if pattern.search(sent):
                time.sleep(seconds)
        for pattern, text in self.rewrites if not INSERT.match(sent) else []:
            statement = pattern.sub(text, statement)
        settings = {name: value for name, value in url.items() if not OURS.fullmatch(name)}
        parameters = {n[len("param_"):]: v for n, v in url.items() if n.startswith("param_")}
        client = self.client(url.get("session_id", ""))
        try:
            answer = client.run(statement, url.get("database", ""), settings, parameters)
        except Exception as error:  # chdb has several kinds; the text has the code
            found = CODE.search(str(error))
            code = int(found.group(1)) if found else 1002
            answer = str(error).encode()
        if self.log:
            entry = {"query": sent, "code": code, "seconds": round(time.monotonic() - began, 3)}
            with self.guard:
                print(json.dumps(entry), file=self.log, flush=True)
        return answer, code


def rpart(separator):
    return lambda text: text.rpartition(separator)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        url = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        statement = "\n".join(text for text in (url.get("query", ""), body) if text)
        answer, code = (self.server.engine.run(statement, url) if statement else (b"Ok.\n", 0))
        self.send_response(500 if code else 200)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("X-ClickHouse-Summary", "{}")
        self.send_header("X-ClickHouse-Query-Id", url.get("query_id", "none"))
        self.send_header("X-ClickHouse-Timezone", self.server.engine.timezone)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description="ClickHouse's HTTP interface over chdb")
    parser.add_argument("--path", required=True, help="the engine's data")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-file")
    parser.add_argument("--query-log")
    parser.add_argument("--delay", action="append", default=[], metavar="RE=SECONDS")
    parser.add_argument("--rewrite", action="append", default=[], metavar="RE=>TEXT")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    server.engine = Engine(options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if options.ready_file:
        with open(options.ready_file + ".new", "w") as out:
            out.write(f"{server.server_address[1]}\n")
        os.replace(options.ready_file + ".new", options.ready_file)
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
