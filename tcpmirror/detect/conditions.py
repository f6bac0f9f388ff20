"""What a policy asks of a request: its host, its path, and conditions on single values of it.

Points of conditions are read off the request as it was sent, with percent-encoding undone, and never by way of a parser: a
policy about a body would have to hold before the body is understood.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.settings.tree import Condition

Matches = Callable[[str], object]
_ENCRYPTED: Final = ("https", "wss")


def text_matcher(text: str) -> Matches | None:
    """Return what tells whether a text is meant by *text*, a glob or ``~`` and an expression; None: any is."""
    if not text:
        return None
    if text.startswith("~"):
        return re.compile(text[1:].strip()).search
    return re.compile(fnmatch.translate(text.replace("[^", "[!"))).match


def host_matcher(glob: str) -> Matches | None:
    return re.compile(fnmatch.translate(glob.lower().replace("[^", "[!"))).match if glob else None


def host_name(host: str) -> str:
    """Return *host* without its port, in lower case."""
    return re.sub(r":\d*\Z", "", host).lower()


def point_parts(point: str) -> tuple[str, ...]:
    """Return the parts of a point written ``a.b`` or ``[a][b]``."""
    return tuple(point[1:-1].split("][") if point[:1] == "[" else filter(None, point.split(".")))


def is_below(path: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
    """Tell whether *path* is *prefix* or below it. Header names compare without case (RFC 9110, section 5.1)."""
    if len(path) < len(prefix):
        return False
    return all(want in ("*", part) or want.upper() == part for part, want in zip(path, prefix, strict=False))


class Where:
    """Conditions that all have to hold."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        self._conditions = tuple(
            (item.point.partition(".")[0], item.point.partition(".")[2], _comparison(item)) for item in conditions
        )

    def hold(self, exchange: Exchange, host: str, application: int) -> bool:
        """Tell whether they hold of *exchange*, asked for *host* and of *application*; a response alone fulfils none."""
        request = exchange.request
        return not self._conditions or (
            request is not None
            and all(holds(_values(request, tag, name, host, application)) for tag, name, holds in self._conditions)
        )


def _comparison(item: Condition) -> Callable[[list[str]], bool]:
    wanted = item.value
    if item.type == "absent":
        return lambda values: not values
    if item.type == "regex":
        found = re.compile(wanted).search
        return lambda values: any(found(value) is not None for value in values)
    if item.type == "iequal":
        return lambda values: any(value.lower() == wanted.lower() for value in values)
    return lambda values: wanted in values


def _values(request: Request, tag: str, name: str, host: str, application: int) -> list[str]:
    """Return every value at one of the points that conditions know."""
    match tag:
        case "header":
            if name.upper() == "HOST":
                return [host] if host else []
            return [value.decode("latin-1") for key, value in request.headers if key.lower() == name.lower().encode()]
        case "method":
            return [request.method.decode("latin-1")]
        case "uri":
            return [request.target.decode("latin-1")]
        case "proto":
            return [request.version.decode("latin-1")]
        case "application":
            return [str(application)]
        case "scheme":
            return [_scheme(request)]
        case "get" | "query":
            return _parameters(request, name)
    return _path_part(request, tag, name)


def _scheme(request: Request) -> str:
    """Return the scheme that the target or a gateway in front names; a mirror sees what came out of TLS, so else http."""
    named = request.target.partition(b"://")[0] if not request.target.startswith(b"/") else b""
    told = request.header(b"x-forwarded-proto") or b""
    return (named or told.split(b",")[0].strip() or b"http").decode("latin-1").lower()


def _parameters(request: Request, name: str) -> list[str]:
    pairs = (field.partition(b"=") for field in request.target.partition(b"?")[2].split(b"&") if field)
    return [_plain(value) for key, _, value in pairs if _plain(key) == name]


def _path_part(request: Request, tag: str, name: str) -> list[str]:
    target = request.target.partition(b"?")[0]
    if not target.startswith(b"/"):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    *folders, last = [_plain(part) for part in target[1:].split(b"/")]
    stem, dot, _ = last.partition(".")
    if tag == "action_name":
        return [stem] if stem else []
    if tag == "action_ext":
        return [last.rpartition(".")[2]] if dot else []
    return folders[int(name) : int(name) + 1]


def _plain(raw: bytes) -> str:
    text = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
