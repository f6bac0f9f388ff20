"""A real nginx with a configuration and files of its own, inside a namespace."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.network import Namespace, wait_until

SECOND_PORT: Final = 8081  # the same pages beside the usual port

# `user root`: the files lie in a private temporary directory. Requests a connection: nginx's own default is 1000.
CONFIGURATION: Final = """\
user root;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    types {{ text/html html; text/plain txt; application/json json; }}
    default_type application/octet-stream;
    keepalive_requests 100000;
    keepalive_timeout 60s;
    server {{
        listen {port};
        listen [::]:{port};
        listen {second_port};
        server_name shop.example;
        root {directory}/html;
        location /api/ {{
            default_type application/json;
            return 200 '{{"id":4711,"name":"Anvil","price":"19.90","stock":12,"tags":["iron","heavy"]}}';
        }}
        location /api/v1/items/ {{
            default_type application/json;
            return 200 '{item}';
        }}
        location /login {{
            default_type application/json;
            return 403 '{{"error":"bad credentials"}}';
        }}
        location /store/ {{ proxy_pass http://127.0.0.1:{second_port}/api/; }}
        location /moved {{ return 302 /index.html; }}
        location /broken {{ return 500 "broken\\n"; }}
        location /zipped/ {{
            gzip on;
            gzip_min_length 1;
            gzip_types application/json text/plain;
            alias {directory}/html/;
        }}
    }}
}}
"""
# One item of a catalogue, as large as answers of an API are: 900 bytes.
ITEM: Final = json.dumps(
    {
        "id": 4711,
        "name": "Anvil",
        "price": {"amount": "19.90", "currency": "EUR", "tax": "included"},
        "stock": 12,
        "tags": ["iron", "heavy", "classic"],
        "description": "Forged in one piece; the horn is hardened and ground, the face is flat to a tenth of a millimetre.",
        "variants": [
            {"sku": f"A{number:05d}-{number * 7:02d}", "weight_g": 5000 + 250 * number, "colour": "black", "available": True}
            for number in range(1, 6)
        ],
        "links": {"self": "/api/v1/items/4711", "reviews": "/api/v1/items/4711/reviews", "seller": "/api/v1/sellers/12"},
        "updated": "2026-03-14T09:26:53Z",
    }
)
FILES: Final = {
    "index.html": "<!doctype html><title>Shop</title><p>Welcome.\n",
    "hello.txt": "hello, world\n",
    "items.json": '{"items":[' + ",".join(f'{{"id":{number},"name":"item {number}"}}' for number in range(200)) + "]}\n",
    "large.txt": "".join(f"line {number} of a larger file\n" for number in range(8000)),
}
EMPTY: Final[Mapping[str, bytes]] = MappingProxyType({})


@contextlib.contextmanager
def nginx(
    namespace: Namespace, directory: Path, port: int = 80, access_log: bool = True, files: Mapping[str, bytes] = EMPTY
) -> Iterator[Path]:
    """Serve FILES and *files* (path -> contents) on *port* and SECOND_PORT; yield the path of the access log."""
    for name, contents in {**{name: text.encode() for name, text in FILES.items()}, **files}.items():
        path = directory / "html" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    text = CONFIGURATION.format(directory=directory, port=port, second_port=SECOND_PORT, item=ITEM)
    if not access_log:
        text = text.replace(f"access_log {directory}/access.log;", "access_log off;")
    configuration = directory / "nginx.conf"
    configuration.write_text(text)
    command = ("nginx", "-p", str(directory), "-c", str(configuration))
    with namespace.process(command, directory / "nginx.out"):
        wait_until(lambda: answers(namespace, "127.0.0.1", port), f"nginx on port {port} ({directory})")
        yield directory / "access.log"


def answers(namespace: Namespace, address: str, port: int) -> bool:
    """Tell whether something accepts connections at *address* inside *namespace*."""
    with namespace.entered(), socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((address, port)) == 0
