"""A client that is generated of the exported document works: it calls the very server whose traffic the document is of."""

from __future__ import annotations

import http.client
import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tcpmirror.discovery.inventory import fold
from tcpmirror.discovery.observer import Observer
from tcpmirror.discovery.openapi import openapi
from tcpmirror.model.exchange import Exchange, Request, Response
from tests.discovery.exchanges import NOON

PEOPLE = {
    number: {"id": number, "name": f"n{number}", "tags": ["a"], "boss": None, "score": 1.5} for number in range(1000, 1020)
}


class Staff(BaseHTTPRequestHandler):
    """A small API: a list with a limit, one person, a new one; all of it asks for a token."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self.headers["Authorization"] != "Bearer t0ken-of-jo":
            self._say(401, {"error": "who are you?"})
        elif path == "/api/people":
            limit = int(query.partition("limit=")[2] or 20)
            self._say(200, {"people": list(PEOPLE.values())[:limit], "next": None})
        elif path.startswith("/api/people/"):
            self._say(200, PEOPLE[int(path.rpartition("/")[2])])
        else:
            self._say(404, {"error": "no"})

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(201, {"id": 1020, "name": given["name"]})

    def _say(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Staff) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join(10)


def seen(server: str, target: str, method: str = "GET", body: bytes = b"", number: int = 0) -> Exchange:
    """Call *server* and return the exchange as a sensor sees it."""
    headers = {"Authorization": "Bearer t0ken-of-jo"} | ({"Content-Type": "application/json"} if body else {})
    connection = http.client.HTTPConnection(server, timeout=20)
    connection.request(method, target, body or None, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    back = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
    time_ns = NOON + number * 10**9
    request = Request(
        f"{method} {target} HTTP/1.1\r\nHost: {server}\r\n{head}\r\n".encode(),
        body,
        time_ns,
        method.encode(),
        target.encode(),
    )
    response = Response(f"HTTP/1.1 {answer.status} X\r\n{back}\r\n".encode(), content, time_ns + 10**6, answer.status)
    return Exchange(request, response, b"\x0a\0\0\1", 40000, b"\x0a\0\0\2", 80)


def document_of(server: str) -> dict[str, Any]:
    observer = Observer()
    for number, person in enumerate(PEOPLE):
        observer.observe(seen(server, f"/api/people?limit={number % 7 + 1}", number=number), False)
        observer.observe(seen(server, f"/api/people/{person}", number=number), False)
        body = json.dumps({"name": f"new{number}", "active": True}).encode()
        observer.observe(seen(server, "/api/people", "POST", body, number=number), False)
    return openapi(server, fold(observer.take()).values())


def test_a_generated_client_works(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = document_of(server)
    OpenAPIV31SpecValidator(document).validate()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "settings.yaml").write_text("post_hooks: []\npackage_name_override: staff_client\n")
    generate = (
        "generate",
        "--path",
        "openapi.json",
        "--config",
        "settings.yaml",
        "--meta",
        "none",
        "--output-path",
        "staff_client",
    )
    command = (sys.executable, "-m", "openapi_python_client", *generate, "--fail-on-warning")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    made = importlib.import_module("staff_client")
    client = made.AuthenticatedClient(base_url=document["servers"][0]["url"], token="t0ken-of-jo")
    calls = importlib.import_module("staff_client.api.default")
    person = _of(calls, "get_api_people_people_id").sync(1007, client=client)
    assert (person.id, person.name, person.tags, person.score) == (1007, "n1007", ["a"], 1.5)
    listed = _of(calls, "get_api_people").sync_detailed(client=client, limit=3)
    assert (listed.status_code, [one.id for one in listed.parsed.people]) == (200, [1000, 1001, 1002])
    body = importlib.import_module("staff_client.models").PostApiPeopleBody(name="Ada", active=True)
    assert _of(calls, "post_api_people").sync(client=client, body=body).name == "Ada"


def _of(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")
