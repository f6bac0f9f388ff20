"""The points of a message: where it begins to be taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tcpmirror.decode import body, form, grpc
from tcpmirror.decode.keys import text_key
from tcpmirror.decode.text import percent
from tcpmirror.decode.walk import Walk
from tcpmirror.model.exchange import Request, Response
from tcpmirror.model.point import Point
from tcpmirror.settings.tree import Limits

RESPONSE_BODY_LOOK: Final = 64 * 1024  # error pages and listings show what they are at the start


@dataclass(frozen=True, slots=True)
class Decoded:
    """The points of one message, in order, and the mask of anomalies met on the way."""

    points: list[Point]
    anomalies: int


def request_points(request: Request, limits: Limits) -> Decoded:
    """Return the points of *request*; what passes the budgets in *limits* is left out and noted as anomaly."""
    walk = Walk(limits)
    walk.add(("method",), request.method)
    _target(walk, request.target)
    _headers(walk, request)
    if request.body:
        kind = request.header(b"content-type") or b""
        if not grpc.is_protobuf(kind.lower()) or not grpc.read(walk, ("post",), request, kind.lower()):
            body.read(walk, kind, body.whole(request))
    return Decoded(walk.points, walk.anomalies)


def response_points(response: Response, limits: Limits) -> Decoded:
    """Return the points of *response*: status, headers, and the body's first 64 KiB as they are."""
    walk = Walk(limits)
    walk.add(("response_status",), str(response.status).encode())
    for name, value in response.headers:
        walk.add(("response_header", text_key(name.upper())), value)
    if response.body:
        walk.add(("response_body",), response.body[:RESPONSE_BODY_LOOK])
    return Decoded(walk.points, walk.anomalies)


def _target(walk: Walk, target: bytes) -> None:
    """`uri` is the path as sent; parameters are judged by themselves, so that ``&`` never looks like a shell's."""
    path, _, query = target.partition(b"?")
    walk.visit(("uri",), path)
    scheme = path.find(b"://")
    if 0 < scheme < 12 and not path.startswith(b"/"):
        path = path[scheme + 3 :]
        path = path[path.find(b"/") :] if b"/" in path else b"/"
    parts = path.lstrip(b"/").split(b"/")
    for index, part in enumerate(parts[:-1]):
        walk.visit(("path", str(index)), part)
    last = percent(parts[-1])
    name, _, _ = last.partition(b".")
    walk.visit(("action_name",), name)
    if b"." in last:
        walk.visit(("action_ext",), last.rpartition(b".")[2])
    if query:
        form.read(walk, ("get",), query)


def headers_by_name(request: Request) -> dict[bytes, list[bytes]]:
    """Return the values of each header of *request*, in order, by its name in upper case."""
    grouped: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        grouped.setdefault(name.upper(), []).append(value)
    return grouped


def _headers(walk: Walk, request: Request) -> None:
    for name, values in headers_by_name(request).items():
        path = ("header", text_key(name))
        walk.name(("header_name",), name)
        if name == b"COOKIE":
            pairs = [(key.strip(), value) for key, _, value in (c.partition(b"=") for v in values for c in v.split(b";"))]
            form.parameters(walk, (*path, "cookie"), [pair for pair in pairs if pair != (b"", b"")])
        elif len(values) == 1:
            walk.visit(path, values[0])
        else:
            for index, value in enumerate(values):
                walk.visit((*path, "array", str(index)), value)
            walk.visit((*path, "pollution"), b",".join(values))
