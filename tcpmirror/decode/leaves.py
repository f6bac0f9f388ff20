"""The values of a message as they stand in its bytes: where each begins and ends, and what it is once decoded.

`points` gives all that decodings make of a message; here is the outermost layer of it, with places, for whoever has to
overwrite a value where it was sent. What is cut short or broken is read as far as it goes, and no byte of a body is left
out: what no notation explains is one value. Paths are those of `points`; a response has the same below ``response_header``
and ``response_body``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tcpmirror.decode import multipart
from tcpmirror.decode.form import name_steps
from tcpmirror.decode.keys import text_key
from tcpmirror.decode.text import markup, percent

Path = tuple[str, ...]


class Leaf(NamedTuple):
    """One value: ``path``, ``value`` decoded, and where it stands among the message's bytes."""

    path: Path
    value: bytes
    start: int
    end: int


_FORM: Final = re.compile(rb"\s*[A-Za-z0-9._\[\]%-]*=")
_JSON: Final = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_ESCAPE: Final = re.compile(rb'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_NAME: Final = rb"[A-Za-z_\x80-\xff][\w.\-:\x80-\xff]*"
_XML: Final = re.compile(
    rb"<!--(?P<comment>.*?)(?:-->|\Z)|<!\[CDATA\[(?P<data>.*?)(?:\]\]>|\Z)|<\?(?P<pi>.*?)(?:\?>|\Z)"
    rb"|<(?P<close>/?)(?P<name>" + _NAME + rb")(?P<inner>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>|(?P<text>[^<]+)|(?P<odd><[^<]*)",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(rb"(" + _NAME + rb")\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_PART_NAME: Final = re.compile(rb";\s*(name|filename)\*?\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"?|([^;\r\n]*))", re.IGNORECASE)
_DEPTH: Final = 128


def request_leaves(head: bytes, body: bytes, content_type: bytes) -> Iterator[Leaf]:
    """Yield the values of a request whose bytes are *head* and behind it *body*."""
    first = head.find(b"\n") + 1 or len(head)
    line = head[:first].rstrip(b"\r\n")
    begin = line.find(b" ") + 1
    end = line.rfind(b" ")
    yield from target_leaves(line[begin : end if end > begin else len(line)], begin)
    yield from _headers(head, first, "header")
    yield from body_leaves(("post",), body, len(head), content_type)


def response_leaves(head: bytes, body: bytes, content_type: bytes) -> Iterator[Leaf]:
    """Yield the values of a response."""
    yield from _headers(head, head.find(b"\n") + 1 or len(head), "response_header")
    yield from body_leaves(("response_body",), body, len(head), content_type)


def target_leaves(target: bytes, at: int) -> Iterator[Leaf]:
    """Yield the values of a request target that stands at *at*: the segments of its path, and its parameters."""
    path, mark, query = target.partition(b"?")
    begin = 0
    if not path.startswith(b"/") and b"://" in path:
        begin = path.find(b"/", path.find(b"://") + 3)
        begin = len(path) if begin < 0 else begin
    parts = path[begin:].split(b"/")
    place = at + begin
    for index, part in enumerate(parts):
        if part:
            name: Path = ("action_name",) if index == len(parts) - 1 else ("path", str(index - 1))
            yield Leaf(name, percent(part), place, place + len(part))
        place += len(part) + 1
    if mark:
        yield from _fields(("get",), query, at + len(path) + 1)


def _fields(path: Path, data: bytes, at: int) -> Iterator[Leaf]:
    """Yield the names and values of form data that stands at *at*."""
    names = [percent(field.partition(b"=")[0], True) for field in data.split(b"&") if field]
    repeated = {name for name in names if names.count(name) > 1} if len(names) < 1000 else set()
    seen: dict[bytes, int] = {}
    for field in data.split(b"&"):
        name, mark, value = field.partition(b"=")
        if field:
            key = percent(name, True)
            if name:
                yield Leaf((*path[:-1], f"{path[-1]}_name"), key, at, at + len(name))
            steps = (*path, *name_steps(key))
            if key in repeated:
                seen[key] = seen.get(key, -1) + 1
                steps = (*steps, "array", str(seen[key]))
            if value:
                yield Leaf(steps, percent(value, True), at + len(name) + len(mark), at + len(field))
        at += len(field) + 1


def _headers(head: bytes, at: int, tag: str) -> Iterator[Leaf]:
    """Yield the header values of *head*, from the line at *at* on; a folded line belongs to the one before."""
    lines: list[tuple[bytes, int, int]] = []
    while at < len(head):
        stop = head.find(b"\n", at)
        stop = len(head) if stop < 0 else stop
        if head[at:stop].strip(b"\r"):
            if head[at : at + 1] in (b" ", b"\t") and lines:
                name, begin, _ = lines.pop()
                lines.append((name, begin, stop))
            else:
                colon = head.find(b":", at, stop)
                colon = stop if colon < 0 else colon
                lines.append((head[at:colon].upper(), min(colon + 1, stop), stop))
        at = stop + 1
    names = [name for name, _, _ in lines]
    seen: dict[bytes, int] = {}
    for name, begin, stop in lines:
        path: Path = (tag, text_key(name))
        if name in (b"COOKIE", b"SET-COOKIE"):
            yield from _cookies((*path, "cookie"), head, begin, stop)
            continue
        if names.count(name) > 1:
            seen[name] = seen.get(name, -1) + 1
            path = (*path, "array", str(seen[name]))
        value = head[begin:stop].lstrip()
        place = stop - len(value)
        value = value.rstrip()
        if value:
            yield Leaf(path, value, place, place + len(value))


def _cookies(path: Path, head: bytes, at: int, stop: int) -> Iterator[Leaf]:
    for pair in head[at:stop].split(b";"):
        name, _, value = pair.partition(b"=")
        begin = at + len(pair) - len(value)
        value = value.rstrip()
        if value:
            yield Leaf((*path, text_key(name.strip())), percent(value), begin, begin + len(value))
        at += len(pair) + 1


def body_leaves(path: Path, body: bytes, at: int, content_type: bytes) -> Iterator[Leaf]:
    """Yield the values of a body that stands at *at*."""
    if not body:
        return
    kind = content_type.lower()
    first = body.lstrip()[:1]
    boundary = None
    if kind.startswith(b"multipart/") or multipart.looks_like(body):
        boundary = multipart.boundary_of(content_type, body)
    if boundary is not None:
        yield from _parts((*path, "multipart"), body, at, boundary)
    elif first and first in b"{[":
        yield from json_leaves((*path, "json_doc"), body, at)
    elif first == b"<":
        yield from _xml((*path, "xml"), body, at)
    elif b"urlencoded" in kind or (b"\n" not in body and _FORM.match(body) is not None):
        yield from _fields((*path, "form_urlencoded"), body, at)
    else:
        yield Leaf(path, body, at, at + len(body))


def json_leaves(path: Path, data: bytes, at: int) -> Iterator[Leaf]:
    """Yield the keys and values of a JSON document, or of what is left of one."""
    open_: list[tuple[Path, bool]] = []  # path, whether an object
    here, is_object, key, index = path, False, "", 0
    indices: list[int] = []
    expects_key = False
    for match in _JSON.finditer(data):
        token = match.group()
        mark = token[:1]
        if mark in b"{[":
            step = _step(here, is_object, key, index) if open_ else path
            open_.append((here, is_object))
            indices.append(index)
            if len(open_) > _DEPTH:
                yield Leaf(path, data[match.start() :], at + match.start(), at + len(data))
                return
            here, is_object, index, expects_key = step, mark == b"{", 0, mark == b"{"
        elif mark in b"}]":
            if open_:
                here, is_object = open_.pop()
                index, expects_key = indices.pop(), False
        elif mark == b",":
            index, expects_key = index + 1, is_object
        elif mark != b":":
            begin, end = match.span()
            if mark == b'"':
                begin, end = begin + 1, end - (len(token) > 1 and token.endswith(b'"'))
            value = unescaped(data[begin:end])
            if expects_key:
                key, expects_key = text_key(value), False
                if end > begin:
                    yield Leaf((*here, "hash_name"), value, at + begin, at + end)
            elif end > begin:
                yield Leaf(_step(here, is_object, key, index) if open_ else path, value, at + begin, at + end)


def _step(here: Path, is_object: bool, key: str, index: int) -> Path:
    return (*here, "hash", key) if is_object else (*here, "array", str(index))


def unescaped(text: bytes) -> bytes:
    """Return the characters that *text*, the inside of a JSON string, stands for (RFC 8259, section 7)."""
    return _ESCAPE.sub(_character, text) if b"\\" in text else text


def _character(match: re.Match[bytes]) -> bytes:
    if match.group(1) is None:
        return _ESCAPED.get(match.group(2), match.group(2))
    return chr(int(match.group(1), 16)).encode("utf-8", "surrogatepass")


def _xml(path: Path, data: bytes, at: int) -> Iterator[Leaf]:
    names: list[str] = []
    for match in _XML.finditer(data):
        here = (*path, *(step for name in names for step in ("xml_tag", name)))
        for group, tag in (("comment", "xml_comment"), ("pi", "xml_pi"), ("data", ""), ("text", ""), ("odd", "")):
            value = match.group(group)
            if value is not None and value.strip():
                begin = match.start(group) + len(value) - len(value.lstrip())
                end = begin + len(value.strip())
                said = data[begin:end] if group != "text" else markup(data[begin:end])
                yield Leaf((*here, tag) if tag else here, said, at + begin, at + end)
        if match.group("name") is None:
            continue
        name = match.group("name").decode("latin-1")[:128]
        if match.group("close"):
            if name in names:
                del names[len(names) - 1 - names[::-1].index(name) :]
            continue
        inner = match.start("inner")
        for attribute in _ATTRIBUTE.finditer(match.group("inner")):
            group_index = 2 if attribute.group(2) is not None else 3
            value = attribute.group(group_index)
            if value:
                steps = (*here, "xml_tag", name, "xml_attr", attribute.group(1).decode("latin-1"))
                begin = at + inner + attribute.start(group_index)
                yield Leaf(steps, markup(value), begin, begin + len(value))
        if not match.group("inner").endswith(b"/") and len(names) < _DEPTH:
            names.append(name)


def _parts(path: Path, body: bytes, at: int, boundary: bytes) -> Iterator[Leaf]:
    mark = b"--" + boundary
    begin = body.find(mark)
    if begin > 0:
        yield Leaf(path, body[:begin], at, at + begin)
    while begin >= 0:
        begin += len(mark)
        if body.startswith(b"--", begin):
            if body[begin + 2 :].strip():
                yield Leaf(path, body[begin + 2 :], at + begin + 2, at + len(body))
            return
        stop = body.find(mark, begin)
        yield from _part(path, body, begin, len(body) if stop < 0 else stop, at)
        begin = stop


def _part(path: Path, body: bytes, begin: int, stop: int, at: int) -> Iterator[Leaf]:
    part = body[begin:stop]
    found = ((part.find(blank), len(blank)) for blank in (b"\r\n\r\n", b"\n\n"))
    cut = min((each for each in found if each[0] >= 0), default=None)
    if cut is None:
        if part.strip():
            yield Leaf(path, part, at + begin, at + stop)
        return
    head, content = part[: cut[0]], part[sum(cut) :]
    name, file_name = b"", None
    for match in _PART_NAME.finditer(head):
        group = 2 if match.group(2) is not None else 3
        if match.group(1).lower() == b"name":
            name = match.group(group)
            yield Leaf((*path[:-1], "multipart_name"), name, at + begin + match.start(group), at + begin + match.end(group))
        else:
            file_name = (match.group(group), match.start(group))
    here = (*path, text_key(name))
    for key, value, offset in _lines(head):
        if key not in (b"content-disposition", b"content-length") and value:
            steps = (*here, "header", text_key(key.upper()))
            yield Leaf(steps, value, at + begin + offset, at + begin + offset + len(value))
    if file_name is not None and file_name[0]:
        offset = at + begin + file_name[1]
        yield Leaf((*here, "filename"), file_name[0], offset, offset + len(file_name[0]))
    content = content.removesuffix(b"\n").removesuffix(b"\r")
    if content:
        offset = at + begin + sum(cut)
        yield Leaf(here if file_name is None else (*here, "file"), content, offset, offset + len(content))


def _lines(head: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield (name in lower case, value, where the value begins) of the header lines of a part."""
    at = 0
    for line in head.split(b"\n"):
        name, colon, value = line.partition(b":")
        stripped = value.strip()
        if colon:
            yield name.strip().lower(), stripped, at + len(name) + 1 + len(value) - len(value.lstrip())
        at += len(line) + 1
