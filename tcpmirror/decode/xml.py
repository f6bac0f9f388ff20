"""XML, read the way an attacker would want it read: tolerant, and with nothing expanded or fetched.

A single pass over tokens; entities are visited as declared, never resolved, so no document costs more than its size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcpmirror.decode.text import markup
from tcpmirror.model.anomaly import Anomaly

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

_DEPTH: Final = 256
_FAILURES: Final = 4096  # of tags; what has more of them is no markup, and looking for the next one costs a microsecond each
# Each alternative starts at a "<" and looks for one end mark, so the scan is linear but for missing end marks, which are
# looked for once each (`_Seen`).
_NAME: Final = rb"[A-Za-z_\x80-\xff][\w.\-:\x80-\xff]*"
_TAG: Final = re.compile(rb"<(/?)(" + _NAME + rb")((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE: Final = re.compile(rb"(" + _NAME + rb")\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_QUOTED: Final = rb"(?:\"[^\"]*\"|'[^']*')"
_ENTITY: Final = re.compile(
    rb"<!ENTITY\s+(?:%\s+)?[^\s>]{1,256}\s+((?:(?:SYSTEM|PUBLIC)\s+)?" + _QUOTED + rb"(?:\s+" + _QUOTED + rb")?)",
    re.IGNORECASE,
)


def read(walk: Walk, path: Path, data: bytes, depth: int = 0) -> bool:
    """Visit tags, attributes, text, comments, processing instructions and the DTD; False if there is no tag at all."""
    return _Reader(walk, (*path, "xml"), data, depth).read()


class _Reader:
    def __init__(self, walk: Walk, path: Path, data: bytes, depth: int) -> None:
        self.walk = walk
        self.path = path
        self.data = data
        self.depth = depth
        self.open: list[str] = []
        self.has_tags = False
        self.failed = 0
        self.missing: set[bytes] = set()  # end marks known not to come any more

    def read(self) -> bool:
        at = 0
        while 0 <= at < len(self.data):
            start = self.data.find(b"<", at)
            self._text(self.data[at : start if start >= 0 else len(self.data)])
            if start < 0:
                break
            at = self._markup(start)
        return self.has_tags

    def _here(self) -> Path:
        steps: list[str] = []
        for name in self.open:
            steps += ["xml_tag", name]
        return (*self.path, *steps)

    def _text(self, value: bytes) -> None:
        value = value.strip()
        if value:
            self.walk.visit(self._here(), markup(value), self.depth)

    def _markup(self, start: int) -> int:
        """Read the construct at *start*; return where the next text begins."""
        data = self.data
        if data.startswith(b"<!--", start):
            return self._until(start + 4, b"-->", "xml_comment")
        if data.startswith(b"<![CDATA[", start):
            return self._until(start + 9, b"]]>", "")
        if data.startswith(b"<?", start):
            return self._until(start + 2, b"?>", "xml_pi")
        if data[start : start + 9].upper() == b"<!DOCTYPE":
            return self._doctype(start)
        return self._tag(start)

    def _until(self, start: int, mark: bytes, tag: str) -> int:
        end = -1 if mark in self.missing else self.data.find(mark, start)
        if end < 0:
            self.missing.add(mark)
            self.walk.note(Anomaly.BAD_XML)
            end = len(self.data)
        self.walk.visit((*self._here(), tag) if tag else self._here(), self.data[start:end], self.depth)
        return end + len(mark)

    def _doctype(self, start: int) -> int:
        bracket = self.data.find(b"[", start, start + 4096)
        close = self.data.find(b">", start)
        if 0 <= bracket < close:
            close = self.data.find(b"]", bracket)
            close = self.data.find(b">", close) if close >= 0 else -1
        end = close if close >= 0 else len(self.data)
        self.walk.add((*self.path, "xml_dtd"), self.data[start : end + 1])
        for entity in _ENTITY.finditer(self.data, start, end):
            self.walk.visit((*self.path, "xml_dtd_entity"), entity.group(1), self.depth)
        return end + 1

    def _tag(self, start: int) -> int:
        match = _TAG.match(self.data, start)
        if match is None:
            self.failed += 1
            if self.failed > _FAILURES:
                self.walk.note(Anomaly.BAD_XML)
                return len(self.data)
            # The value around it was judged as it stands; the piece alone says nothing more.
            end = self.data.find(b"<", start + 1)
            return end if end >= 0 else len(self.data)
        self.has_tags = True
        name = match.group(2).decode("latin-1")
        if match.group(1):
            if name in self.open:
                del self.open[len(self.open) - 1 - self.open[::-1].index(name) :]
            return match.end()
        if len(self.open) >= _DEPTH:
            self.walk.note(Anomaly.DECODE_DEPTH_LIMIT)
            return len(self.data)
        self.open.append(name[:128])
        self._attributes(match.group(3))
        if match.group(3).endswith(b"/"):
            self.open.pop()
        return match.end()

    def _attributes(self, data: bytes) -> None:
        here = self._here()
        for match in _ATTRIBUTE.finditer(data):
            value = match.group(2) if match.group(2) is not None else match.group(3)
            self.walk.visit((*here, "xml_attr", match.group(1).decode("latin-1")), markup(value), self.depth)
