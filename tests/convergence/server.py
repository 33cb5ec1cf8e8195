"""A PostgreSQL server for the histories, or the one that CONVERGENCE_POSTGRES names.

The variable has the words of a connection string (`host=… port=… user=… password=…`). Without it, a
server is started from the programs of this machine; it listens on a socket in a temporary directory.
"""

import glob
import os
import pathlib
import pwd
import shutil
import subprocess

PROGRAMS = "/usr/lib/postgresql/*/bin"


class Server:
    """`connection` is what psycopg2 and a profile need to connect, without the database."""

    def __init__(self, directory):
        self.data = None
        named = os.environ.get("CONVERGENCE_POSTGRES")
        if named:
            self.connection = dict(word.split("=", 1) for word in named.split())
            self.connection["port"] = int(self.connection.get("port", 5432))
            return
        place = pathlib.Path(directory) / "postgres"
        place.mkdir()
        self.owner = pwd.getpwuid(os.getuid())
        if self.owner.pw_uid == 0:  # The server refuses to run as root.
            self.owner = pwd.getpwnam("nobody")
            os.chown(place, self.owner.pw_uid, self.owner.pw_gid)
            pathlib.Path(directory).chmod(0o755)
        self.data = place / "data"
        self.run("initdb", "--auth=trust", "--username=world", "--no-sync", "-D", self.data)
        settings = f"-c listen_addresses='' -c unix_socket_directories='{place}' -c fsync=off"
        self.run("pg_ctl", "-D", self.data, "-l", place / "log", "-w", "-o", settings, "start")
        self.connection = {"host": str(place), "user": "world", "password": "none", "port": 5432}

    def run(self, program, *words):
        found = sorted(glob.glob(PROGRAMS))
        path = shutil.which(program, path=os.pathsep.join([*found[-1:], os.environ["PATH"]]))
        assert path, f"{program} was not found: install PostgreSQL, or set CONVERGENCE_POSTGRES"
        subprocess.run([path, *map(str, words)], check=True, stdout=subprocess.DEVNULL,
                       user=self.owner.pw_uid, group=self.owner.pw_gid, cwd=self.data.parent)

    def close(self):
        if self.data:
            self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
