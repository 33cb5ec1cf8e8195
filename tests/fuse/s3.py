"""An S3 server in memory with one bucket.

    s3.py BUCKET

Prints its URL, and serves until its standard input ends. Access key and secret may be anything.
"""

import sys

from moto.server import ThreadedMotoServer
import urllib.request

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
urllib.request.urlopen(urllib.request.Request(f"{url}/{sys.argv[1]}", method="PUT"))
print(url, flush=True)
sys.stdin.read()
server.stop()
