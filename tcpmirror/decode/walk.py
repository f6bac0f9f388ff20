"""The walk over one message: it collects points, decodes each value further, and stops at the budget."""

from __future__ import annotations

import re
import zlib
from typing import Final

from tcpmirror.decode import form, gql, json_doc, jwt, xml
from tcpmirror.decode.text import base64_text, hex_text, is_text, markup, percent
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.point import Point
from tcpmirror.settings.tree import Limits

Path = tuple[str, ...]

_NESTED_URL: Final = re.compile(rb"\A(?:[a-z][a-z0-9+.-]{1,15}:)?//[^?\s]*\?", re.IGNORECASE)
_PACKED: Final = (b"\x1f\x8b\x08", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
# A word can hide nothing but Base64; most values are words.
_WORD: Final = re.compile(rb"[A-Za-z0-9_.-]*\Z")
_BASE64_LEAD: Final = re.compile(rb"\A(?:data:[^,]{0,80};base64,|basic +|bearer +|token +)", re.IGNORECASE)


class Walk:
    """Collects the points of one message.

    ``points``: what was found, in order; ``anomalies``: mask of `Anomaly` bits. Depth is counted in decodings, not in the
    nesting of a document: documents have limits of their own and are read without recursion.
    """

    def __init__(self, limits: Limits) -> None:
        self.points: list[Point] = []
        self.anomalies = 0
        self._depth_limit = limits.decode_depth
        self._points_left = limits.decode_points
        self._bytes_left = limits.decode_bytes

    def note(self, anomaly: Anomaly) -> None:
        self.anomalies |= 1 << anomaly

    def add(self, path: Path, value: bytes) -> bool:
        """Record a point as it is; False once the budget is spent."""
        if self._points_left <= 0:
            self.note(Anomaly.DECODE_COUNT_LIMIT)
            return False
        if len(value) > self._bytes_left:
            self.note(Anomaly.DECODE_BYTES_LIMIT)
            return False
        self._points_left -= 1
        self._bytes_left -= len(value)
        self.points.append(Point(path, value))
        return True

    def name(self, path: Path, value: bytes) -> None:
        """Record the name of a parameter or key; plain words are left out, they say nothing."""
        if not _WORD.match(value):
            self.visit(path, value)
        elif value:
            self.add(path, value)

    def visit(self, path: Path, value: bytes, depth: int = 0) -> None:
        """Record a point and everything that decodings make of it."""
        if not value:
            return
        # A value that is a JSON document is its members; as one text its quotes would look like those of an injection.
        if value[:1] in b"{[" and depth < self._depth_limit and json_doc.read(self, path, value, depth + 1):
            return
        if depth < self._depth_limit and gql.looks_like(path, value):
            gql.read(self, path, value, depth + 1)
            return
        if not self.add(path, value):
            return
        if _WORD.match(value):
            if len(value) >= 8:
                self._tokens(path, value, depth)
            return
        if depth >= self._depth_limit:
            self.note(Anomaly.DECODE_DEPTH_LIMIT)
            return
        is_markup = self._notations(path, value, depth)
        self._encodings(path, value, depth, is_markup)

    def _encodings(self, path: Path, value: bytes, depth: int, is_markup: bool) -> None:
        if percent(value) != value:
            # The parameters of a URL are points of their own: decoded as one text they would only look like each other's.
            decoded = percent(_without_query(value) if _NESTED_URL.match(value) else value)
            self.visit((*path, "percent"), decoded, depth + 1)
        # What stands in CDATA is no entity (XML, section 2.7); the texts of a document were resolved one by one.
        decoded = value if is_markup and b"<![CDATA[" in value else markup(value)
        if decoded != value:
            self.visit((*path, "htmljs"), decoded, depth + 1)
        self._tokens(path, value, depth)
        if value.startswith(_PACKED):
            self._gzip(path, value, depth)

    def _tokens(self, path: Path, value: bytes, depth: int) -> None:
        plain = hex_text(value)
        if plain is not None:
            if depth >= self._depth_limit:
                self.note(Anomaly.DECODE_DEPTH_LIMIT)
            else:
                self.visit((*path, "hex"), plain, depth + 1)
            return
        lead = _BASE64_LEAD.match(value)
        decoded = base64_text(value[lead.end() :] if lead else value)
        if decoded is None:
            return
        if depth >= self._depth_limit:
            self.note(Anomaly.DECODE_DEPTH_LIMIT)
        elif decoded.startswith(_PACKED):
            self._gzip((*path, "base64"), decoded, depth)
        elif lead is not None and lead.group()[:11].lower() == b"data:image/":
            self.visit((*path, "data_image"), decoded, depth + 1)
        else:
            self.visit((*path, "base64"), decoded, depth + 1)

    def _gzip(self, path: Path, value: bytes, depth: int) -> None:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            plain = inflater.decompress(value, max(1, self._bytes_left))
        except zlib.error:
            return
        if inflater.unconsumed_tail:
            self.note(Anomaly.DECODE_BYTES_LIMIT)
        if is_text(plain):
            self.visit((*path, "gzip"), plain, depth + 1)

    def _notations(self, path: Path, value: bytes, depth: int) -> bool:
        """Read *value* in the notation that it is written in, if any; tell whether that is markup."""
        is_markup = value.lstrip()[:1] == b"<" and xml.read(self, path, value, depth + 1)
        if jwt.looks_like(value):
            jwt.read(self, path, value, depth + 1)
        if _NESTED_URL.match(value):
            form.read(self, (*path, "url"), value.partition(b"?")[2].partition(b"#")[0], depth + 1)
        return is_markup


def _without_query(url: bytes) -> bytes:
    """Return *url* without what stands between its first ``?`` and the ``#`` behind it."""
    head, _, rest = url.partition(b"?")
    _, mark, fragment = rest.partition(b"#")
    return head + mark + fragment
